/* SPDX-License-Identifier: MIT */
/* Jail, container and guest: what each needs of the rest. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "core/cleanup.h"
#include "machine/build.h"
#include "machine/kvm.h"
#include "machine/namespaces.h"

void probe_jail(struct viso_machine *machine, struct finding *finding)
{
	static const struct {
		int number;
		const char *name;
	} needed[] = {
		{CAP_SYS_CHROOT, "CAP_SYS_CHROOT"},
		{CAP_SETUID, "CAP_SETUID"},
		{CAP_SETGID, "CAP_SETGID"},
		{CAP_SETPCAP, "CAP_SETPCAP"},
	};
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!has_capability(needed[i].number)) {
			finding_fails(finding, "A jail needs %s, which this process does not have: run as root, or take a container.",
				      needed[i].name);
			return;
		}
	finding_works(finding, "This process may chroot and change ids; Landlock %s, seccomp %s.",
		      machine->features[VISO_FEATURE_LANDLOCK].works ? "helps" : "is missing",
		      machine->features[VISO_FEATURE_SECCOMP].works ? "helps" : "is missing");
}

void probe_container(struct viso_machine *machine, struct finding *finding)
{
	const struct finding *user = &machine->features[VISO_FEATURE_USER_NAMESPACES];
	if (!user->works && !has_capability(CAP_SYS_ADMIN)) {
		finding_fails(finding, "A container of an ordinary user needs user namespaces: %.400s", user->detail);
		return;
	}
	if (!namespaces_allow_container(finding, user->works))
		return;
	finding_works(finding, "All namespaces of a container can be made here, %s; seccomp %s.",
		      user->works ? "the user namespace too" : "all but the user namespace",
		      machine->features[VISO_FEATURE_SECCOMP].works ? "helps" : "is missing");
}

void probe_guest(struct viso_machine *machine, struct finding *finding)
{
	const struct finding *kvm = &machine->features[VISO_FEATURE_KVM];
	if (!HAVE_GUEST)
		finding_fails(finding, "This build of the library has no guests: build it on x86-64 with -Dkvm=enabled.");
	else if (!kvm->works)
		finding_fails(finding, "A guest needs KVM: %.450s", kvm->detail);
	else
		finding_works(finding, "Programs run as guests under KVM (%s).", kvm_driver());
}
