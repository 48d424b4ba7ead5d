/* SPDX-License-Identifier: MIT */
/*
 * Id-mapped mounts: what belongs to the host's id N is shown as the container's id N, which is another one on the host
 * (mount_setattr(2), MOUNT_ATTR_IDMAP). The map is that of a user namespace. The worker keeps one, since its range of
 * ids, which all its containers have, never changes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "mounts.h"

static int namespace_fd = -1;

/* Keeps a user namespace until its maps are written and it is open. */
static int sleep_until_killed(void *unused)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != worker.pid)
		_exit(1);
	for (;;)
		pause();
}

/* The namespace of a task, with the worker's range; -1 with errno. */
static int open_mapped(pid_t pid)
{
	char path[64], map[64];
	static const char *const files[] = {"uid_map", "gid_map"};
	int length = snprintf(map, sizeof(map), "0 %u 65536\n", worker.first_id);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, files[i]);
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		ssize_t written = fd >= 0 && mount_is_proc(fd) ? write(fd, map, (size_t)length) : -1;
		int saved = errno;
		close_quietly(fd);
		errno = saved;
		if (written != length)
			return -1;
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int make_namespace(void)
{
	pid_t pid = clone(sleep_until_killed, worker.child_stack, CLONE_NEWUSER | SIGCHLD, NULL);
	if (pid < 0)
		return -1;
	int fd = open_mapped(pid), saved = errno;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	errno = saved;
	return fd;
}

int mount_map_ids(int fd, bool recursive)
{
	if (namespace_fd < 0 && (namespace_fd = make_namespace()) < 0)
		return -1;
	struct mount_attr set = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)namespace_fd};
	return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &set,
			    sizeof(set));
}

bool mount_map_is_missing(void)
{
	/* No such file system; no such call; a mount that has a map already, or belongs to another user namespace. */
	return errno == EINVAL || errno == ENOSYS || errno == EPERM || errno == EOPNOTSUPP;
}
