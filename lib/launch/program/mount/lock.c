/* SPDX-License-Identifier: MIT */
/*
 * Flags that a program with CAP_SYS_ADMIN cannot take back. What we mount is of the container's own mount namespace,
 * and so its flags could be changed by whoever has the capability there: a read-only root would be writable by one
 * mount(2). But where a mount namespace is copied for another user namespace, the kernel locks the flags of the copies
 * (mount_namespaces(7), "Restrictions on mount namespaces"), and copies of these are locked as well. Two processes make
 * such a copy and put it in the place of the fd, since they share our fds.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "mount/mounts.h"

static const char place[] = "x";

/* As fork(2), with these flags. */
static pid_t fork_with(unsigned long flags)
{
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

/* 0, or -1 with the errno with which the child has ended. */
static int await(pid_t pid)
{
	int status = 0;
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
	return status ? -1 : 0;
}

/* The namespaces are new ones, with everything locked. */
static int replace_by_copy(int fd)
{
	int copy = mount_copy(AT_FDCWD, place, AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	return copy >= 0 && dup3(copy, fd, O_CLOEXEC) >= 0 && close(copy) == 0 ? 0 : errno;
}

/* A place for the mount, in a file system of its own that is this process's root: else the kernel takes it for one in a
 * chroot, which may make no user namespace. 0, or -1 with errno. */
static int attach_to_place(int fd, int base)
{
	struct stat st;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount_stack(base) < 0 || fchdir(base) < 0 ||
	    chroot(".") < 0 || fstat(fd, &st) < 0)
		return -1;
	int file = S_ISDIR(st.st_mode) ? mkdirat(base, place, 0700)
				       : openat(base, place, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (file < 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		close(file);
	return (int)syscall(SYS_move_mount, fd, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH);
}

/* In a mount namespace of its own. 0 or an errno. */
static int lock_aside(int fd, int base)
{
	if (attach_to_place(fd, base) < 0)
		return errno;
	pid_t pid = fork_with(CLONE_NEWUSER | CLONE_NEWNS | CLONE_FILES);
	if (pid == 0)
		_exit(replace_by_copy(fd));
	return await(pid) < 0 ? errno : 0;
}

int mount_lock(int fd)
{
	int base = mount_new("tmpfs", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, "tmpfs");
	if (base < 0)
		return -1;
	pid_t pid = fork_with(CLONE_NEWNS | CLONE_FILES);
	if (pid == 0)
		_exit(lock_aside(fd, base));
	int r = await(pid);
	int saved = errno;
	close(base);
	errno = saved;
	return r;
}
