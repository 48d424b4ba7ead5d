/* SPDX-License-Identifier: MIT */
#include "launch/explain.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "launch/explain/subjects.h"
#include "launch/explain/surroundings.h"

/* Root that lacks it, as in most containers, finds out late. */
static bool explain_missing_capability(char *text, size_t size, int capability, const char *name)
{
	if (geteuid() != 0 || surroundings_has_capability(capability))
		return false;
	snprintf(text, size, "the caller is root, but without %s (CapEff in /proc/self/status); give it that, or run as an "
		 "ordinary user",
		 name);
	return true;
}

static void explain_chroot(char *text, size_t size, viso_isolation isolation)
{
	if (explain_missing_capability(text, size, CAP_SYS_CHROOT, "CAP_SYS_CHROOT"))
		return;
	if (surroundings_explain_refusal(text, size, "chroot"))
		return;
	snprintf(text, size, "%s",
		 isolation == VISO_ISOLATION_JAIL
			 ? "a jail needs CAP_SYS_CHROOT, which this root, or user namespace, does not give; take a guest"
			 : "the host does not permit it");
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

/* The kernel allows a new /proc only where the present one shows all of itself (mount_too_revealing). */
static void explain_masked_proc(char *text, size_t size)
{
	char masks[ADVICE_MAX / 2];
	surroundings_masks_of_proc(masks, sizeof(masks));
	if (masks[0])
		snprintf(text, size,
			 "parts of the host's /proc are masked by other mounts (%s), so the kernel allows no new one; unmask "
			 "them (in Docker: --security-opt systempaths=unconfined)",
			 masks);
	else if (!surroundings_explain_refusal(text, size, "mounting"))
		snprintf(text, size,
			 "the host's /proc is masked in part, or mounted with more restrictions, so the kernel allows no new "
			 "one (as inside another container)");
}

static void explain_mount(char *text, size_t size, const struct report_failure *failure)
{
	if (failure->error == ENOENT || failure->error == ENOTDIR)
		snprintf(text, size,
			 "the root has no such directory; a container's root needs empty directories proc, dev and tmp");
	else if (failure->error == ENOSPC)
		snprintf(text, size, "the sysctl fs.mount-max (%ld) is reached; raise it",
			 surroundings_sysctl("fs/mount-max"));
	else if (failure->error != EPERM && failure->error != EACCES && failure->error != ENOSYS)
		return;
	else if (explain_missing_capability(text, size, CAP_SYS_ADMIN, "CAP_SYS_ADMIN"))
		return;
	else if (failure->error == EPERM && !strcmp(failure->object, "proc"))
		explain_masked_proc(text, size);
	else
		surroundings_explain_refusal(text, size, "mounting (fsopen, open_tree, move_mount, mount)");
}

static const char *explain_credentials(viso_isolation isolation, int error)
{
	if (error != EINVAL)
		return "the caller may not take this user or these groups; that needs root of the host, not of a user "
		       "namespace";
	return isolation == VISO_ISOLATION_JAIL
		       ? "a jail of an ordinary user has one uid and gid, those with which it was started"
		       : "viso_command_set_user: the id is not mapped in the container; without "
			 "viso_container_add_id_map() ids are below 65536";
}

/* What to do about it, where that is known; else it stays empty. */
static void advise(char *text, size_t size, viso_isolation isolation, const struct report_failure *failure)
{
	const char *known = NULL;
	switch (failure->stage) {
	case VISO_STAGE_CLONE:
		explain_clone(text, size, failure->error);
		break;
	case VISO_STAGE_USER_NAMESPACE:
		explain_user_namespace(text, size, failure);
		break;
	case VISO_STAGE_NAMESPACE:
		explain_namespace(text, size, failure);
		break;
	case VISO_STAGE_CHROOT:
		if (failure->error == EPERM)
			explain_chroot(text, size, isolation);
		break;
	case VISO_STAGE_CREDENTIALS:
		known = explain_credentials(isolation, failure->error);
		break;
	case VISO_STAGE_RLIMIT:
		explain_attribute(text, size, failure);
		break;
	case VISO_STAGE_CWD:
		known = "the working directory is not in the root, or not for this user";
		break;
	case VISO_STAGE_EXEC:
		if (failure->error == EAGAIN)
			explain_clone(text, size, EAGAIN);
		else
			known = explain_exec(isolation, failure->error, failure->object);
		break;
	case VISO_STAGE_MOUNT:
		explain_mount(text, size, failure);
		break;
	default:
		break;
	}
	if (known)
		snprintf(text, size, "%s", known);
}

int explain_failure(viso_isolation isolation, const struct report_failure *failure)
{
	char what[ADVICE_MAX] = "";
	advise(what, sizeof(what), isolation, failure);
	const char *reason = strerrordesc_np(failure->error);
	const char *stage = viso_stage_name((viso_stage)failure->stage);
	bool same = !strcmp(stage, failure->object);
	return error_fail((viso_stage)failure->stage, failure->error, failure->object,
			  "%s cannot start: %s%s%s: %s%s%s", viso_isolation_name(isolation), stage, same ? "" : ": ",
			  same ? "" : failure->object, reason ? reason : "unknown error", what[0] ? "; " : "", what);
}
