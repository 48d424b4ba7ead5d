/* SPDX-License-Identifier: MIT */
/*
 * User namespaces and what a container needs of the others, tried in a child. Files alone would not tell: sysctls,
 * security modules, seccomp filters of a surrounding container, a chroot and a limit that is used up all have their
 * say.
 */
#include "machine/container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine/child.h"

static const char apparmor_sysctl[] = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

struct user_namespace_try {
	char uid_map[32];
	enum { TRY_STARTED, TRY_CAPABLE, TRY_MAPPED } reached;
	int error;
};

/* Is there power in the new namespace (AppArmor may take it away), and can ids be mapped? */
static void try_user_namespace(void *data)
{
	struct user_namespace_try *try = data;
	if (unshare(CLONE_NEWUTS) < 0) {
		try->error = errno;
		return;
	}
	try->reached = TRY_CAPABLE;
	int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, try->uid_map, strlen(try->uid_map)) < 0) {
		try->error = errno;
		return;
	}
	try->reached = TRY_MAPPED;
}

static void explain_refusal(struct finding *finding, int error)
{
	if (read_sysctl("/proc/sys/kernel/unprivileged_userns_clone") == 0)
		finding_fails(
			finding,
			"User namespaces are for root only: set the sysctl kernel.unprivileged_userns_clone to 1.");
	else if (read_sysctl(apparmor_sysctl) == 1)
		finding_fails(finding,
			      "AppArmor refuses user namespaces: set the sysctl "
			      "kernel.apparmor_restrict_unprivileged_userns to 0, or give the program an AppArmor "
			      "profile with \"userns,\".");
	else if (prctl(PR_GET_SECCOMP) == 2)
		finding_fails(
			finding,
			"User namespaces are refused (%s), probably by the seccomp filter around this process: allow "
			"clone and unshare with CLONE_NEWUSER there (in Docker: --security-opt seccomp=unconfined).",
			strerrordesc_np(error));
	else
		finding_fails(
			finding,
			"User namespaces are refused (%s): this process is in a chroot, has an id that its own user "
			"namespace does not map, or a security module forbids them.",
			strerrordesc_np(error));
}

static void explain_clone(struct finding *finding, int error)
{
	switch (error) {
	case ENOSPC:
	case EUSERS:
		if (read_sysctl("/proc/sys/user/max_user_namespaces") == 0)
			finding_fails(
				finding,
				"User namespaces are off: set the sysctl user.max_user_namespaces to, say, 15000.");
		else
			finding_fails(
				finding,
				"No further user namespace is allowed: the sysctl user.max_user_namespaces, here or "
				"in an outer user namespace, is reached, or they are nested 32 deep.");
		break;
	case EINVAL:
	case ENOSYS:
		finding_fails(finding, "The kernel has no user namespaces: it needs CONFIG_USER_NS.");
		break;
	case EPERM:
	case EACCES:
		explain_refusal(finding, error);
		break;
	default:
		finding_fails(finding, "User namespaces could not be tried: clone: %s.", strerrordesc_np(error));
	}
}

void probe_user_namespaces(const struct finding *features, struct finding *finding)
{
	struct user_namespace_try try = {0};
	snprintf(try.uid_map, sizeof(try.uid_map), "0 %u 1\n", geteuid());
	int r = child_run(&(struct child){.work = try_user_namespace, .data = &try}, CLONE_NEWUSER);

	if (r < 0)
		explain_clone(finding, -r);
	else if (try.reached == TRY_MAPPED)
		finding_works(finding, "This user may make user namespaces and map ids in them.");
	else if (try.reached == TRY_STARTED && read_sysctl(apparmor_sysctl) == 1)
		finding_fails(finding,
			      "AppArmor takes all power away from user namespaces of ordinary users: set the sysctl "
			      "kernel.apparmor_restrict_unprivileged_userns to 0, or give the program an AppArmor "
			      "profile with \"userns,\".");
	else if (try.reached == TRY_STARTED)
		finding_fails(
			finding,
			"User namespaces can be made, but give no power (unshare: %s): a security module or seccomp "
			"filter around this process takes it away.",
			strerrordesc_np(try.error));
	else
		finding_fails(
			finding,
			"User namespaces can be made, but ids cannot be mapped (/proc/self/uid_map: %s): /proc must "
			"be mounted and writable.",
			strerrordesc_np(try.error));
}

static const struct {
	unsigned flag;
	const char *name;
	const char *sysctl; /* in /proc/sys/user: how many there may be */
	const char *option; /* of the kernel's build */
} kinds[] = {
	{CLONE_NEWNS, "mount", "max_mnt_namespaces", NULL},
	{CLONE_NEWPID, "pid", "max_pid_namespaces", "CONFIG_PID_NS"},
	{CLONE_NEWIPC, "IPC", "max_ipc_namespaces", "CONFIG_IPC_NS"},
	{CLONE_NEWUTS, "UTS", "max_uts_namespaces", "CONFIG_UTS_NS"},
	{CLONE_NEWNET, "network", "max_net_namespaces", "CONFIG_NET_NS"},
	{CLONE_NEWCGROUP, "cgroup", "max_cgroup_namespaces", "CONFIG_CGROUPS"},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/*
 * A fresh procfs. The kernel refuses it in a user namespace where the visible one is covered in part
 * ("mount_too_revealing" of fs/namespace.c), as it is in most containers.
 */
static void try_proc(void *data)
{
	int *error = data;
	int fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
	if (fs < 0)
		*error = errno == ENOSYS ? 0 : errno;
	else if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
		 syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0) < 0)
		*error = errno;
	else
		*error = 0;
}

static void do_nothing(void *data)
{
}

/* One kind at a time, to name the one that is refused. */
static bool explain_kind(struct finding *finding)
{
	for (int i = 0; i < KINDS; i++) {
		char path[64];
		int r = child_run(&(struct child){.work = do_nothing}, CLONE_NEWUSER | kinds[i].flag);
		if (r == 0)
			continue;
		snprintf(path, sizeof(path), "/proc/sys/user/%s", kinds[i].sysctl);
		if (r == -ENOSPC)
			finding_fails(finding, "No %s namespace is allowed: raise the sysctl user.%s (it is %ld).",
				      kinds[i].name, kinds[i].sysctl, read_sysctl(path));
		else if (r == -EINVAL && kinds[i].option)
			finding_fails(finding, "The kernel has no %s namespaces: it needs %s.", kinds[i].name,
				      kinds[i].option);
		else
			finding_fails(finding,
				      "A new %s namespace is refused (%s): a security module or seccomp filter around "
				      "this process "
				      "does not allow it.",
				      kinds[i].name, strerrordesc_np(-r));
		return true;
	}
	return false;
}

bool namespaces_allow_container(struct finding *finding)
{
	unsigned all = CLONE_NEWUSER;
	int error = EINTR;
	for (int i = 0; i < KINDS; i++)
		all |= kinds[i].flag;

	int r = child_run(&(struct child){.work = try_proc, .data = &error}, all);
	if (r == 0 && error == 0)
		return true;
	if (r < 0 && explain_kind(finding))
		return false;
	if (r < 0)
		finding_fails(finding, "The namespaces of a container cannot be made together: clone: %s.",
			      strerrordesc_np(-r));
	else if (error == EPERM)
		finding_fails(
			finding,
			"A container needs a /proc of its own, which the kernel refuses where parts of the present "
			"/proc are covered: uncover them (in Docker: --security-opt systempaths=unconfined), or run "
			"as root of the machine.");
	else
		finding_fails(finding, "A container's own /proc cannot be mounted: %s.", strerrordesc_np(error));
	return false;
}
