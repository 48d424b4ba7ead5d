/* SPDX-License-Identifier: MIT */
/* The system calls by which mounts are made. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "mount/mounts.h"

int mount_new(const char *type, const struct option *options, unsigned attributes, const char *object)
{
	int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	if (context < 0)
		return fail(VISO_STAGE_MOUNT, 0, object);
	int mount_fd = -1;
	for (; options && options->key; options++)
		if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, options->key, options->value, 0) < 0) {
			fail(VISO_STAGE_MOUNT, 0, options->key);
			goto out;
		}
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount_fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
	if (mount_fd < 0)
		fail(VISO_STAGE_MOUNT, 0, object);
out:
	close(context);
	return mount_fd;
}

int mount_copy(int dir, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
}

static bool is_same(int one, int other)
{
	struct stat a, b;
	return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int mount_path(int fd, char *path, size_t size)
{
	char link[32];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, size - 1);
	path[length < 0 ? 0 : length] = '\0';
	return length < 0 ? -1 : 0;
}

/* `fd` where it is the same file as the wanted one. */
static int same_or_stale(int fd, int wanted)
{
	if (fd < 0 || is_same(fd, wanted))
		return fd;
	close(fd);
	errno = ESTALE;
	return -1;
}

int mount_copy_by_path(int fd, unsigned flags)
{
	char path[4096];
	if (mount_path(fd, path, sizeof(path)) < 0)
		return -1;
	return same_or_stale(mount_copy(AT_FDCWD, path, flags | AT_SYMLINK_NOFOLLOW), fd);
}

int mount_reopen(int fd)
{
	char path[4096];
	if (mount_path(fd, path, sizeof(path)) < 0)
		return -1;
	return same_or_stale(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), fd);
}

int mount_restrict(int fd, uint64_t attributes, bool recursive)
{
	struct mount_attr set = {.attr_set = attributes, .propagation = MS_PRIVATE};
	return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &set,
			    sizeof(set));
}

bool mount_is_proc(int fd)
{
	struct statfs st;
	return fstatfs(fd, &st) == 0 && st.f_type == PROC_SUPER_MAGIC;
}

int mount_open_fds(void)
{
	int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || mount_is_proc(fd))
		return fd;
	close(fd);
	errno = EOPNOTSUPP;
	return -1;
}

/* For Linux 5.10 and 5.11. */
static int remount(int fd, uint64_t attributes)
{
	char path[32];
	int fds = mount_open_fds();
	if (fds < 0)
		return -1;
	close(fds);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (mount(NULL, path, NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	/* MOUNT_ATTR_RDONLY, _NOSUID, _NODEV and _NOEXEC have the numbers of their MS_ flags. */
	return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | (unsigned long)attributes, NULL);
}

int mount_restrict_attached(int fd, uint64_t attributes, bool recursive)
{
	/* Any other error than this one says that the call is there. */
	if (syscall(SYS_mount_setattr, -1, "", 0, NULL, 0) < 0 && errno != ENOSYS)
		return 0;
	if (remount(fd, attributes) < 0)
		return -1;
	errno = EOPNOTSUPP;
	return recursive ? -1 : 0;
}

int mount_stack(int mount_fd)
{
	return (int)syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
}
