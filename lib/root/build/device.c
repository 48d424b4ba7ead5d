/* SPDX-License-Identifier: MIT */
#include "root/build/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/remove_tree.h"

/* glibc 2.36 has wrappers for these two, older ones have not. */
static int open_tree_clone(const char *path)
{
	return (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

static int move_mount_to(int mount, int parent, const char *name)
{
	return (int)syscall(SYS_move_mount, mount, "", parent, name, MOVE_MOUNT_F_EMPTY_PATH);
}

/* The host's device upon an empty file. -EPERM for all reasons for which a host forbids it. */
static int bind_device(int parent, const char *name, const struct manifest_entry *entry)
{
	struct stat st;
	_cleanup_close_ int device = open_tree_clone(entry->target);
	if (device < 0 || fstat(device, &st) < 0)
		return -EPERM;
	if (st.st_rdev != entry->device || S_ISBLK(st.st_mode) != entry->is_block ||
	    (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
		return -EPERM;
	_cleanup_close_ int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (move_mount_to(device, parent, name) == 0)
		return 0;
	unlinkat(parent, name, 0);
	return -EPERM;
}

int device_make(int parent, const char *name, const struct manifest_entry *entry, bool *out_is_bound)
{
	if (!mknodat(parent, name, (entry->is_block ? S_IFBLK : S_IFCHR) | entry->mode, entry->device))
		return 0;
	if (errno != EPERM && errno != EACCES)
		return -errno;
	/* An ordinary user, or a user namespace. */
	if (entry->is_optional)
		return -EPERM;
	int r = bind_device(parent, name, entry);
	*out_is_bound = r == 0;
	return r;
}

int device_remove(int parent, const char *name)
{
	if (!unlinkat(parent, name, 0))
		return 0;
	if (errno != EBUSY)
		return -errno;
	if (remove_device_mount(parent, name) < 0)
		return -EBUSY;
	return unlinkat(parent, name, 0) < 0 ? -errno : 0;
}
