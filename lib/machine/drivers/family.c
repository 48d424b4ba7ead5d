/* SPDX-License-Identifier: MIT */
/* Families of drivers and tools, and by what their hypervisors are known. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "machine/drivers/drivers.h"

static const struct {
	const char *name;
	const char *signature; /* CPUID, from 0x40000000 on; Documentation/virt/kvm/x86/cpuid.rst and its like */
	const char *file;      /* where its name stands too */
	const char *text;      /* how that begins */
} families[FAMILIES] = {
	[VISO_FAMILY_VIRTIO] = {"virtio", "KVMKVMKVM\0\0\0"},
	[VISO_FAMILY_VIRTUALBOX] = {"VirtualBox", "VBoxVBoxVBox", "/sys/class/dmi/id/product_name", "VirtualBox"},
	[VISO_FAMILY_HYPERV] = {"Hyper-V", "Microsoft Hv", NULL, NULL},
	[VISO_FAMILY_VMWARE] = {"VMware", "VMwareVMware", "/sys/class/dmi/id/sys_vendor", "VMware"},
	[VISO_FAMILY_XEN] = {"Xen", "XenVMMXenVMM", "/sys/hypervisor/type", "xen"},
};

const char *viso_family_name(viso_family family)
{
	return (unsigned)family < FAMILIES ? families[family].name : NULL;
}

viso_answer provider_in_container(struct provider *provider)
{
	/* include/uapi/linux/nsfs.h: the first ones have fixed numbers. */
	static const struct {
		const char *name;
		uint64_t inode;
	} first[] = {{"pid", 0xeffffffc}, {"user", 0xeffffffd}};
	viso_answer answer = VISO_ANSWER_NO;
	uint64_t inode;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		int r = provider_namespace(provider, first[i].name, &inode);
		if (r == 0 && inode != first[i].inode)
			return VISO_ANSWER_YES;
		/* Without the file the kernel has no such namespaces. */
		if (r < 0 && r != -ENOENT)
			answer = VISO_ANSWER_UNKNOWN;
	}
	return answer;
}

/* Of a captured machine without the file `cpuid` it is not known, unless its processor has none. */
static bool has_cpuid(struct provider *provider)
{
	struct utsname name;
	if (provider_uname(provider, &name) < 0 || !strcmp(name.machine, "x86_64"))
		return true;
	return name.machine[0] == 'i' && name.machine[1] && !strcmp(name.machine + 2, "86");
}

int hypervisor_leaf(struct provider *provider, const char *signature, uint32_t *out_leaf)
{
	struct cpuid_answer answer;
	int r = provider_cpuid(provider, 1, 0, &answer);
	if (r < 0)
		return r == -EOPNOTSUPP ? -ENOENT : r == -ENOENT && has_cpuid(provider) ? -ENODATA : r;
	if (!(answer.ecx >> 31))
		return -ENOENT;
	for (uint32_t leaf = 0x40000000; leaf < 0x40010000; leaf += 0x100) {
		r = provider_cpuid(provider, leaf, 0, &answer);
		if (r < 0)
			return leaf == 0x40000000 ? r : -ENOENT;
		if (!memcmp(&answer.ebx, signature, 12)) {
			*out_leaf = leaf;
			return 0;
		}
		/* What is not there is often answered with the last leaf that is; a signature has one of its own. */
		if (leaf == 0x40000000 && (answer.eax < leaf || answer.eax > leaf + 0xffffff))
			return -ENOENT;
	}
	return -ENOENT;
}

static int by_file(struct provider *provider, viso_family family, struct strings *evidence)
{
	char text[128];
	const char *file = families[family].file;
	if (!file)
		return VISO_ANSWER_NO;
	int r = provider_read_line(provider, file, text, sizeof(text));
	if (r == -ENOMEM || evidence_add(evidence, r, file, "%s", text) < 0)
		return -ENOMEM;
	if (r < 0)
		return r == -ENOENT ? VISO_ANSWER_NO : VISO_ANSWER_UNKNOWN;
	return strncmp(text, families[family].text, strlen(families[family].text)) ? VISO_ANSWER_NO : VISO_ANSWER_YES;
}

/* KVM can wear the signature of Hyper-V and has its own behind that (Documentation/virt/kvm/api.rst, Hyper-V). */
int family_hypervisor(struct provider *provider, viso_family family, struct strings *evidence)
{
	uint32_t leaf, other;
	char value[64];
	int r = hypervisor_leaf(provider, families[family].signature, &leaf);
	if (r == -ENOMEM)
		return r;
	if (r == 0 && family == VISO_FAMILY_HYPERV &&
	    hypervisor_leaf(provider, families[VISO_FAMILY_VIRTIO].signature, &other) == 0)
		r = -ENOENT;
	if (r == 0)
		snprintf(value, sizeof(value), "%.12s at %#x", families[family].signature, leaf);
	else
		snprintf(value, sizeof(value), "no %.12s", families[family].signature);
	if (evidence_add(evidence, r == -ENOENT ? 0 : r, "cpuid", "%s", value) < 0)
		return -ENOMEM;
	if (r == 0)
		return VISO_ANSWER_YES;
	int file = by_file(provider, family, evidence);
	return file == VISO_ANSWER_NO && r != -ENOENT ? VISO_ANSWER_UNKNOWN : file;
}
