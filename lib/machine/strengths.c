/* SPDX-License-Identifier: MIT */
/* Jail, container and guest: what each needs of the rest. */
#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "machine/build.h"
#include "machine/kvm.h"
#include "machine/namespaces.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* The host ids from which root's sandboxes get theirs (lib/launch/program/idrange.c). */
static const uint64_t first_id = 0x70000000, end_of_ids = 0xe0000000;

/* Root of a user namespace may lack those ids; user_namespaces(7): inside, outside, length. */
static bool has_sandbox_ids(void)
{
	unsigned long long inside, outside, length;
	bool found = false;
	FILE *file = fopen("/proc/self/uid_map", "re");
	while (file && !found && fscanf(file, "%llu %llu %llu", &inside, &outside, &length) == 3)
		found = inside <= first_id && inside + length >= end_of_ids;
	if (file)
		fclose(file);
	return found;
}

static bool check_ids(struct finding *finding, const char *strength)
{
	if (has_sandbox_ids())
		return true;
	finding_fails(
		finding,
		"A %s of root needs uids from %llu on, which the user namespace of this process does not have (see "
		"/proc/self/uid_map): run as an ordinary user with a container, or as root of the machine.",
		strength, (unsigned long long)first_id);
	return false;
}

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

void probe_jail(struct viso_machine *machine, struct finding *finding)
{
	static const struct {
		int number;
		const char *name;
	} needed[] = {
		{CAP_SYS_CHROOT, "CAP_SYS_CHROOT"}, {CAP_SETUID, "CAP_SETUID"}, {CAP_SETGID, "CAP_SETGID"},
		{CAP_SETPCAP, "CAP_SETPCAP"},       {CAP_KILL, "CAP_KILL"},
	};
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!has_capability(needed[i].number)) {
			finding_fails(
				finding,
				"A jail needs %s, which this process does not have: run as root, or take a container.",
				needed[i].name);
			return;
		}
	if (geteuid() != 0)
		finding_fails(finding,
			      "A jail needs uid 0, and this process has uid %u: run as root, or take a container.",
			      geteuid());
	else if (check_ids(finding, "jail") && check_launcher(finding))
		finding_works(finding, "This process may chroot and change ids; Landlock %s, seccomp %s.",
			      machine->features[VISO_FEATURE_LANDLOCK].works ? "helps" : "is missing",
			      machine->features[VISO_FEATURE_SECCOMP].works ? "helps" : "is missing");
}

void probe_container(struct viso_machine *machine, struct finding *finding)
{
	static const viso_feature needed[] = {VISO_FEATURE_USER_NAMESPACES, VISO_FEATURE_NEW_MOUNT_API};
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!machine->features[needed[i]].works) {
			finding_fails(finding, "A container needs the %s. %.400s", viso_feature_name(needed[i]),
				      machine->features[needed[i]].detail);
			return;
		}
	if (!namespaces_allow_container(finding) || (geteuid() == 0 && !check_ids(finding, "container")) ||
	    !check_launcher(finding))
		return;
	finding_works(finding, "All namespaces of a container can be made here, %s; seccomp %s.",
		      geteuid() == 0 ? "with a range of ids of its own" : "with the one id of this user",
		      machine->features[VISO_FEATURE_SECCOMP].works ? "helps" : "is missing");
}

void probe_guest(struct viso_machine *machine, struct finding *finding)
{
	const struct finding *kvm = &machine->features[VISO_FEATURE_KVM];
	if (!HAVE_GUEST)
		finding_fails(finding,
			      "This build of the library has no guests: build it on x86-64 with -Dkvm=enabled.");
	else if (!kvm->works)
		finding_fails(finding, "A guest needs KVM. %.450s", kvm->detail);
	else
		finding_works(finding, "Programs run as guests under KVM (%s).", kvm_driver());
}
