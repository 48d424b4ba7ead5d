/* SPDX-License-Identifier: MIT */
/* The file systems of a container. The object of the failure is a path of the container, which begins with a slash, or
 * a file system or system call. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "launch/explain/subjects.h"
#include "launch/explain/surroundings.h"

static const char *explain_target(int error)
{
	switch (error) {
	case ENOENT:
		return "there is nothing to mount it on, and it could not be made (in a directory of the host never, "
		       "in a read-only root only where nothing is mounted below that and the kernel has overlays); "
		       "make it there, or add it with viso_root_add_directory()";
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
		return "the directory of the upper has to belong to the user of the host program, whose id has to be "
		       "one "
		       "of the container's unless that is root";
	default:
		return NULL;
	}
}

static const char *explain_overlay(int error)
{
	return error == EPERM || error == ENODEV ? "the kernel has no overlays, or none for ordinary users (Linux 5.11)"
						 : "these directories cannot be the layers or the upper of an overlay; "
						   "the kernel log may say why";
}

/* The kernel allows a new /proc only where the present one shows all of itself (mount_too_revealing). */
static void explain_masked_proc(char *text, size_t size)
{
	char masks[ADVICE_MAX / 2];
	surroundings_masks_of_proc(masks, sizeof(masks));
	if (masks[0])
		snprintf(text, size,
			 "parts of the host's /proc are masked by other mounts (%s), so the kernel allows no new one; "
			 "unmask "
			 "them (in Docker: --security-opt systempaths=unconfined)",
			 masks);
	else if (!surroundings_explain_refusal(text, size, "mounting"))
		snprintf(text, size,
			 "the host's /proc is masked in part, or mounted with more restrictions, so the kernel allows "
			 "no new "
			 "one (as inside another container)");
}

/* What the kernel refuses to mount at all. */
static void explain_refusal(char *text, size_t size, const struct report_failure *failure)
{
	if (explain_missing_capability(text, size, CAP_SYS_ADMIN, "CAP_SYS_ADMIN"))
		return;
	if (failure->error == EPERM && !strcmp(failure->object, "proc"))
		explain_masked_proc(text, size);
	else
		surroundings_explain_refusal(text, size, "mounting (fsopen, open_tree, move_mount, mount)");
}

/* By what was to be mounted; NULL where that tells nothing. */
static const char *explain_object(const struct report_failure *failure)
{
	if (failure->object[0] == '/' && failure->object[1])
		return explain_target(failure->error);
	if (!strcmp(failure->object, "upper"))
		return explain_upper(failure->error);
	if (!strcmp(failure->object, "overlay"))
		return explain_overlay(failure->error);
	if (failure->error == ENOENT || failure->error == ENOTDIR)
		return "the root has no such directory, and it could not be made; add empty directories proc, dev and "
		       "tmp";
	return NULL;
}

void explain_mount(char *text, size_t size, const struct report_failure *failure)
{
	const char *known = explain_object(failure);
	if (known)
		snprintf(text, size, "%s", known);
	else if (failure->error == ENOSPC)
		snprintf(text, size, "the sysctl fs.mount-max (%ld) is reached; raise it",
			 surroundings_sysctl("fs/mount-max"));
	else if (failure->error == EPERM || failure->error == EACCES || failure->error == ENOSYS)
		explain_refusal(text, size, failure);
}
