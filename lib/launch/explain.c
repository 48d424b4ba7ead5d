/* SPDX-License-Identifier: MIT */
#include "launch/explain.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

/* The first number of a file; -1 where it cannot be read. */
static long read_number(const char *path)
{
	long number = -1;
	FILE *file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%ld", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

static const char *why_no_user_namespace(void)
{
	if (read_number("/proc/sys/user/max_user_namespaces") == 0)
		return "user namespaces are switched off; set sysctl user.max_user_namespaces above 0";
	if (read_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
		return "ordinary users may not make user namespaces; set sysctl kernel.unprivileged_userns_clone=1";
	if (read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		return "AppArmor keeps user namespaces from ordinary users; set sysctl "
		       "kernel.apparmor_restrict_unprivileged_userns=0 "
		       "or give the program a profile with userns";
	return "this host does not let the caller make a user namespace (a limit was reached, or a security module or "
	       "seccomp "
	       "filter forbids it)";
}

static const char *why_not_root(viso_isolation isolation)
{
	return isolation == VISO_ISOLATION_JAIL
		       ? "a jail needs CAP_SYS_CHROOT, which this root, or user namespace, does not give; take a guest"
		       : "the host does not permit it";
}

/* What is mounted in a container hides what the root has there. */
static bool is_hidden(const char *path)
{
	static const char *const mounts[] = {"/tmp/", "/dev/", "/proc/"};
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++)
		if (!strncmp(path, mounts[i], strlen(mounts[i])))
			return true;
	return false;
}

static const char *explain_exec(viso_isolation isolation, int error, const char *object)
{
	switch (error) {
	case ENOENT:
		if (isolation == VISO_ISOLATION_CONTAINER && is_hidden(object))
			return "a container has a /tmp, /dev and /proc of its own, which hide what the root has there; "
			       "put the program "
			       "elsewhere in the root";
		return "no such program in the root, or the interpreter or loader that it names is not there; add it "
		       "with "
		       "viso_root_add_program()";
	case EACCES:
		return "the program may not be executed by the user that the command runs as";
	case ENOEXEC:
		return "it is neither a program for this machine nor a script with #!";
	case E2BIG:
		return "arguments and environment are larger than the kernel takes; see the stack limit in execve(2)";
	default:
		return NULL;
	}
}

static const char *explain_landlock(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return "the container has no such path; take it out of viso_container_add_landlock_path()";
	case ELOOP:
		return "a symbolic link is on the way, which is not followed; name the path that it leads to";
	default:
		return NULL;
	}
}

/* What to do about it, where that is known; NULL else. */
static const char *advice(viso_isolation isolation, const struct report_failure *failure)
{
	switch (failure->stage) {
	case VISO_STAGE_USER_NAMESPACE:
		return why_no_user_namespace();
	case VISO_STAGE_CHROOT:
		return failure->error == EPERM ? why_not_root(isolation) : NULL;
	case VISO_STAGE_CREDENTIALS:
		if (failure->error == EINVAL)
			return isolation == VISO_ISOLATION_JAIL ? "a jail of an ordinary user has one uid and gid, "
								  "those with which it was started"
								: "ids of a container are below 65536";
		return "the caller may not take this user or these groups; that needs root of the host, not of a user "
		       "namespace";
	case VISO_STAGE_RLIMIT:
		return failure->error == EPERM
			       ? "a limit cannot be raised above the host program's own without privilege"
			       : NULL;
	case VISO_STAGE_CWD:
		return "the working directory is not in the root, or not for this user";
	case VISO_STAGE_EXEC:
		return explain_exec(isolation, failure->error, failure->object);
	case VISO_STAGE_MOUNT:
		if (failure->error == ENOENT || failure->error == ENOTDIR)
			return "the root has no such directory; a container's root needs empty directories proc, dev "
			       "and tmp";
		if (failure->error == EPERM && !strcmp(failure->object, "proc"))
			return "the host's /proc is masked in part, so the kernel allows no new one (as inside another "
			       "container)";
		return NULL;
	case VISO_STAGE_LANDLOCK:
		return explain_landlock(failure->error);
	case VISO_STAGE_SECCOMP:
		if (failure->error == EBUSY)
			return "a seccomp filter around the host program asks a supervisor about calls, and the kernel "
			       "has one such filter only; run the host program outside of it";
		if (failure->error == EACCES)
			return "without no_new_privs a filter needs CAP_SYS_ADMIN in the container's user namespace";
		return NULL;
	default:
		return NULL;
	}
}

int explain_failure(viso_isolation isolation, const struct report_failure *failure)
{
	const char *what = advice(isolation, failure);
	const char *reason = strerrordesc_np(failure->error);
	const char *stage = viso_stage_name((viso_stage)failure->stage);
	bool same = !strcmp(stage, failure->object);
	return error_fail((viso_stage)failure->stage, failure->error, failure->object,
			  "%s cannot start: %s%s%s: %s%s%s", viso_isolation_name(isolation), stage, same ? "" : ": ",
			  same ? "" : failure->object, reason ? reason : "unknown error", what ? "; " : "",
			  what ? what : "");
}
