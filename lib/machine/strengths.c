/* SPDX-License-Identifier: MIT */
/* Jail, container and guest: what each needs of the rest. */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "launch/owns_ids.h"
#include "machine/build.h"
#include "machine/container.h"
#include "machine/kvm.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* The launcher is executed from memory. */
static bool check_launcher(struct finding *finding)
{
	_cleanup_close_ int fd = memfd_create("viso-probe", MFD_CLOEXEC | MFD_EXEC);
	if (fd >= 0 || errno == EINVAL) /* Linux before 6.3 does not know the flag, nor the sysctl */
		return true;
	if (errno == EACCES)
		finding_fails(
			finding,
			"The library's launcher may not be executed from memory: set the sysctl vm.memfd_noexec to 0 "
			"or 1.");
	else
		finding_fails(finding, "The library's launcher cannot be put into memory: memfd_create: %s.",
			      strerrordesc_np(errno));
	return false;
}

void probe_jail(const struct finding *features, struct finding *finding)
{
	static const struct {
		int number;
		const char *name;
	} needed[] = {
		{CAP_SYS_CHROOT, "CAP_SYS_CHROOT"}, {CAP_SETUID, "CAP_SETUID"}, {CAP_SETGID, "CAP_SETGID"},
		{CAP_SETPCAP, "CAP_SETPCAP"},       {CAP_KILL, "CAP_KILL"},
	};
	const struct finding *user = &features[VISO_FEATURE_USER_NAMESPACES];
	const char *landlock = features[VISO_FEATURE_LANDLOCK].works ? "helps" : "is missing";
	const char *seccomp = features[VISO_FEATURE_SECCOMP].works ? "helps" : "is missing";
	bool owner = owns_all_ids();
	for (size_t i = 0; owner && i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!has_capability(needed[i].number)) {
			finding_fails(
				finding,
				"A jail of root needs %s, which this process does not have: give it, or run as an "
				"ordinary user.",
				needed[i].name);
			return;
		}
	if (!owner && !user->works)
		finding_fails(finding, "A jail needs root of the host, or else user namespaces. %.400s", user->detail);
	else if (check_launcher(finding))
		finding_works(finding, "%s; Landlock %s, seccomp %s.",
			      owner ? "This process may chroot and change ids"
				    : "This user may chroot in a user namespace, with the one id that it has",
			      landlock, seccomp);
}

void probe_container(const struct finding *features, struct finding *finding)
{
	const struct finding *user = &features[VISO_FEATURE_USER_NAMESPACES];
	if (!user->works) {
		finding_fails(finding, "A container needs user namespaces. %.450s", user->detail);
		return;
	}
	if (!mounts_allow_container(finding) || !namespaces_allow_container(finding) || !check_launcher(finding))
		return;
	finding_works(finding, "All namespaces of a container can be made here, %s; seccomp %s.",
		      owns_all_ids() ? "with a range of ids of its own" : "with the one id of this user",
		      features[VISO_FEATURE_SECCOMP].works ? "helps" : "is missing");
}

void probe_guest(const struct finding *features, struct finding *finding)
{
	const struct finding *kvm = &features[VISO_FEATURE_KVM];
	if (!HAVE_GUEST)
		finding_fails(finding,
			      "This build of the library has no guests: build it on x86-64 with -Dkvm=enabled.");
	else if (!kvm->works)
		finding_fails(finding, "A guest needs KVM. %.450s", kvm->detail);
	else
		finding_works(finding, "Programs run as guests under KVM (%s).", kvm_driver());
}

void probe_kernel_guest(const struct finding *features, struct finding *finding)
{
	const struct finding *guest = &features[VISO_FEATURE_GUEST], *ring0 = &features[VISO_FEATURE_KVM_RING0];
	if (!guest->works)
		finding_fails(finding, "%s", guest->detail);
	else if (!ring0->works)
		finding_fails(finding, "%s", ring0->detail);
	else
		finding_works(finding, "Kernels boot as guests under KVM (%s).", kvm_driver());
}
