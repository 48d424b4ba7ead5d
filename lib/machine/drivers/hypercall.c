/* SPDX-License-Identifier: MIT */
/* How the hypervisor is called from here, and whether that is a guest of this library. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VISO_HYPERCALL_NUMBERS_ONLY
#define VISO_DOORBELL_LAYOUT_ONLY
#include <virtiso/doorbell.h>
#include <virtiso/hypercall.h>

#include "machine/drivers/paravirtual.h"

/* In the order in which they are believed: KVM may wear the signature of Hyper-V. */
static const struct {
	const char *signature;
	viso_hypercall_way way;
	const char *detail;
} ways[] = {
	{"KVMKVMKVM\0\0\0", VISO_HYPERCALL_WAY_KVM,
	 "By VMCALL or VMMCALL in the kernel; KVM answers programs with -EPERM."},
	{"XenVMMXenVMM", VISO_HYPERCALL_WAY_XEN,
	 "By Xen's hypercall page in the kernel; privileged programs use /dev/xen/privcmd."},
	{"Microsoft Hv", VISO_HYPERCALL_WAY_HYPERV,
	 "By Hyper-V's hypercall page in the kernel; programs have no way of their own."},
	{"VMwareVMware", VISO_HYPERCALL_WAY_VMWARE,
	 "By the I/O port 0x5658, from programs too, where the machine's settings do not forbid it."},
};

static const char *const way_names[] = {
	[VISO_HYPERCALL_WAY_NONE] = "none",       [VISO_HYPERCALL_WAY_LIBVIRTISO] = "libvirtiso",
	[VISO_HYPERCALL_WAY_KVM] = "KVM",         [VISO_HYPERCALL_WAY_HYPERV] = "Hyper-V",
	[VISO_HYPERCALL_WAY_XEN] = "Xen",         [VISO_HYPERCALL_WAY_VMWARE] = "VMware",
	[VISO_HYPERCALL_WAY_UNKNOWN] = "unknown",
};

const char *viso_hypercall_way_name(viso_hypercall_way way)
{
	return (unsigned)way < sizeof(way_names) / sizeof(way_names[0]) ? way_names[way] : NULL;
}

/* Linux knows no such system call and gives ENOSYS. */
static bool hypercall_answers(struct provider *provider)
{
	int saved = errno;
	bool answers = provider_is_live(provider) &&
		       (syscall(VISO_HYPERCALL_BASE + VISO_HYPERCALL_GENERATION) >= 0 || errno != ENOSYS);
	errno = saved;
	return answers;
}

/*
 * A guest of this library is known by its signature in CPUID; where programs see the host's processor (kvm_pvm), by the
 * name of its kernel and its device. Only where one of them is there is a hypercall made: a seccomp filter elsewhere
 * might kill the process for a system call that does not exist.
 */
static bool is_own_guest(struct provider *provider, char *detail, size_t size)
{
	char version[256];
	uint32_t leaf;
	bool signature = hypervisor_leaf(provider, VISO_CPUID_SIGNATURE, &leaf) == 0;
	bool named = provider_read_line(provider, "/proc/version", version, sizeof(version)) == 0 &&
		     strstr(version, "(virtiso)") && provider_exists(provider, "/dev/virtiso") == 1;
	if (!signature && !named)
		return false;
	if (provider_is_live(provider) && !hypercall_answers(provider))
		return false;
	snprintf(detail, size, "By viso_hypercall() of <virtiso/hypercall.h>, from any program: %s%s: libvirtiso; %s.",
		 signature ? "CPUID" : "/proc/version", signature && named ? " and /proc/version" : "",
		 provider_is_live(provider) ? "a hypercall is answered" : "hypercalls were not tried");
	return true;
}

/* A computer of this library, behind KVM's signature. Nothing is tried: the doorbell has one whom it belongs to. */
static bool is_own_computer(struct provider *provider, char *detail, size_t size)
{
	struct cpuid_answer answer;
	uint32_t leaf;
	if (hypervisor_leaf(provider, VISO_CPUID_SIGNATURE, &leaf) < 0 || leaf != VISO_DOORBELL_LEAF_NAME ||
	    provider_cpuid(provider, VISO_DOORBELL_LEAF, 0, &answer) < 0 || answer.eax >> 24 == 0)
		return false;
	snprintf(
		detail, size,
		"By the doorbell of <virtiso/doorbell.h>, from the kernel, and from programs that may use /dev/mem and "
		"port %#x: CPUID has libvirtiso at %#x.",
		answer.eax & 0xffff, leaf);
	return true;
}

int find_hypercall(struct provider *provider, viso_hypercall_way *out_way, char *detail, size_t size)
{
	int r = -ENOENT;
	uint32_t leaf;
	*out_way = VISO_HYPERCALL_WAY_LIBVIRTISO;
	if (is_own_computer(provider, detail, size) || is_own_guest(provider, detail, size))
		return 0;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		r = hypervisor_leaf(provider, ways[i].signature, &leaf);
		if (r == -ENOMEM)
			return r;
		if (r == 0) {
			*out_way = ways[i].way;
			snprintf(detail, size, "%s CPUID has %.12s at %#x.", ways[i].detail, ways[i].signature, leaf);
			return 0;
		}
		if (r != -ENOENT)
			break;
	}
	*out_way = r == -ENOENT ? VISO_HYPERCALL_WAY_NONE : VISO_HYPERCALL_WAY_UNKNOWN;
	if (r == -ENOENT)
		snprintf(detail, size, "CPUID has no signature of a hypervisor that answers calls.");
	else
		snprintf(detail, size, "cpuid: %s.", strerrorname_np(-r) ?: "EIO");
	return 0;
}
