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

/* Paths of the container are absolute, all else has no slash at its beginning. */
static const char *explain_target(int error)
{
	switch (error) {
	case ENOENT:
		return "the root has nothing there to mount it on; add it with viso_root_add_directory(), or let it be "
		       "made by viso_container_set_upper_discarded()";
	case ENOTDIR:
		return "a directory is to be mounted there, and the root has something else";
	case EISDIR:
		return "a file is to be mounted there, and the root has a directory";
	case ELOOP:
		return "the root has a symbolic link there or on the way, and none is followed, since it may lead "
		       "anywhere; give the path that it stands for";
	case EINVAL:
		return "the source cannot be shown: file systems are mounted below it (take VISO_MOUNT_RECURSIVE), or "
		       "it is no file of a mounted file system";
	case ESTALE:
		return "the path of the source leads to another file by now";
	case EOPNOTSUPP:
		return "this file system or kernel cannot show other owners; leave VISO_MOUNT_ID_MAPPED out";
	case EPERM:
		return "the kernel does not allow this mount here; VISO_MOUNT_ID_MAPPED needs root of the host, proc "
		       "and sysfs need those of the host unmasked, and sysfs a network namespace of the container";
	default:
		return NULL;
	}
}

static const char *explain_upper(int error)
{
	switch (error) {
	case EBUSY:
		return "another instance uses the directory of the upper; end that, or give each one of its own";
	case EOPNOTSUPP:
		return "the file system of the directory of the upper, or the kernel (Linux 5.19), cannot show other "
		       "owners, so the next instance would not have the files; take another file system";
	case EACCES:
		return "the directory of the upper has to belong to the user of the host program";
	default:
		return NULL;
	}
}

static const char *explain_mount(int error, const char *object)
{
	if (object[0] == '/')
		return explain_target(error);
	if (!strcmp(object, "upper"))
		return explain_upper(error);
	if (!strcmp(object, "overlay"))
		return error == EPERM || error == ENODEV
			       ? "the kernel has no overlays, or none for ordinary users (Linux 5.11)"
			       : "these directories cannot be the layers or the upper of an overlay; the kernel log "
				 "may "
				 "say why";
	if (error == ENOENT || error == ENOTDIR)
		return "the root has no such directory; a container's root needs empty directories proc, dev and tmp";
	if (error == EPERM && !strcmp(object, "proc"))
		return "the host's /proc is masked in part, so the kernel allows no new one (as inside another "
		       "container)";
	return NULL;
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
		return explain_mount(failure->error, failure->object);
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
