/* SPDX-License-Identifier: MIT */
/* What the kernel has: Landlock, seccomp, the mount API by file descriptors. Each is asked with a call that cannot
 * succeed. */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine/build.h"
#include "machine/container.h"

/* linux/landlock.h is as old as the build machine; the numbers below are the same on every processor. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_move_mount
#define SYS_move_mount 429
#endif
#ifndef SYS_fsopen
#define SYS_fsopen 430
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

enum { LANDLOCK_VERSION_FLAG = 1, LANDLOCK_ABI_SCOPE = 6 };

static int ask_landlock(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_VERSION_FLAG);
	return abi < 0 ? -errno : (int)abi;
}

void probe_landlock(const struct finding *features, struct finding *finding)
{
	int abi = ask_landlock();
	if (abi > 0)
		finding_works(finding, "Landlock ABI %d.", abi);
	else if (abi == -EOPNOTSUPP)
		finding_fails(
			finding,
			"The kernel has Landlock, but it is off: add \"landlock\" to the list of the boot parameter "
			"lsm= (the present list is in /sys/kernel/security/lsm).");
	else if (abi == -ENOSYS)
		finding_fails(finding,
			      "The kernel has no Landlock: it needs Linux 5.13, built with CONFIG_SECURITY_LANDLOCK.");
	else
		finding_fails(finding,
			      "landlock_create_ruleset is refused (%s): a seccomp filter around this process does not "
			      "allow it.",
			      strerrordesc_np(-abi));
}

void probe_landlock_scope(const struct finding *features, struct finding *finding)
{
	int abi = ask_landlock();
	if (abi >= LANDLOCK_ABI_SCOPE)
		finding_works(finding, "Landlock ABI %d has scopes for signals and abstract unix sockets.", abi);
	else if (abi > 0)
		finding_fails(finding, "Landlock here is ABI %d; scopes need ABI %d, which Linux 6.12 brings.", abi,
			      LANDLOCK_ABI_SCOPE);
	else
		finding_fails(finding, "There is no Landlock: %s", features[VISO_FEATURE_LANDLOCK].detail);
}

void probe_seccomp(const struct finding *features, struct finding *finding)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	if (!HAVE_SECCOMP)
		finding_fails(finding, "This build of the library has no seccomp: build it with -Dseccomp=enabled.");
	else if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		finding_works(finding, "The kernel has seccomp filters, and the library was built with them.");
	else if (errno == ENOSYS || errno == EINVAL)
		finding_fails(finding, "The kernel has no seccomp filters: it needs CONFIG_SECCOMP_FILTER.");
	else
		finding_fails(finding, "seccomp is refused (%s): a filter around this process does not allow it.",
			      strerrordesc_np(errno));
}

/* With arguments that no kernel accepts: only a kernel without the call answers ENOSYS. */
static bool has_call(long number)
{
	return syscall(number, -1L, NULL, -1L, NULL, 0L) >= 0 || errno != ENOSYS;
}

/* The newest last. */
static const struct {
	long number;
	const char *name;
	const char *since;
} mount_calls[] = {
	{SYS_open_tree, "open_tree", "5.2"},
	{SYS_move_mount, "move_mount", "5.2"},
	{SYS_fsopen, "fsopen", "5.2"},
	{SYS_mount_setattr, "mount_setattr", "5.12"},
};
enum { MOUNT_CALLS = sizeof(mount_calls) / sizeof(mount_calls[0]) };

static bool find_mount_calls(int count, struct finding *finding)
{
	for (int i = 0; i < count; i++)
		if (!has_call(mount_calls[i].number)) {
			finding_fails(finding,
				      "%s is not there: it came with Linux %s, or a seccomp filter around this process "
				      "hides it.",
				      mount_calls[i].name, mount_calls[i].since);
			return false;
		}
	return true;
}

bool mounts_allow_container(struct finding *finding)
{
	return find_mount_calls(MOUNT_CALLS - 1, finding);
}

void probe_new_mount_api(const struct finding *features, struct finding *finding)
{
	if (find_mount_calls(MOUNT_CALLS, finding))
		finding_works(finding, "open_tree, fsopen, move_mount and mount_setattr are there.");
}
