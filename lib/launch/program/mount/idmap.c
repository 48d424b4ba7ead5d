/* SPDX-License-Identifier: MIT */
/*
 * Id-mapped mounts: what belongs to the host's id N is shown as the container's id N, which is another one on the host
 * (mount_setattr(2), MOUNT_ATTR_IDMAP). The map is that of a user namespace. The worker keeps one for its range of ids,
 * which never changes; for ids that the caller chose there is one for each mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "mount/mounts.h"

static int kept_namespace = -1;

/* Keeps a user namespace until its maps are written and it is open: then nobody has the other end of the pipe. */
static int wait_for_end(void *argument)
{
	const int *ends = argument;
	char byte;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != worker.pid)
		_exit(1);
	close(ends[1]);
	(void)!read(ends[0], &byte, 1);
	_exit(0);
}

/* The namespace of a task, with the maps of this job's container; -1 with errno. */
static int open_mapped(const struct job *job, pid_t pid)
{
	char path[64], task[16];
	snprintf(task, sizeof(task), "%d", (int)pid);
	snprintf(path, sizeof(path), "/proc/%s/ns/user", task);
	return idmap_write(job, task) < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
}

static int make_namespace(const struct job *job)
{
	int ends[2], fd = -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = clone(wait_for_end, worker.child_stack, CLONE_NEWUSER | SIGCHLD, ends);
	if (pid > 0)
		fd = open_mapped(job, pid);
	int saved = errno;
	close(ends[0]);
	close(ends[1]);
	while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	errno = saved;
	return fd;
}

static int map_by(int user_namespace, int fd, bool recursive)
{
	struct mount_attr set = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user_namespace};
	return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &set,
			    sizeof(set));
}

int mount_map_ids(const struct job *job, int fd, bool recursive)
{
	uint32_t joined = job->plan->namespaces.joined[VISO_NAMESPACE_USER];
	if (joined)
		return map_by(job->fds[joined], fd, recursive);
	if (mount_shows_owners(job)) {
		if (kept_namespace < 0 && (kept_namespace = make_namespace(job)) < 0)
			return -1;
		return map_by(kept_namespace, fd, recursive);
	}
	int chosen = make_namespace(job);
	int r = chosen < 0 ? -1 : map_by(chosen, fd, recursive), saved = errno;
	close_quietly(chosen);
	errno = saved;
	return r;
}

bool mount_map_is_missing(void)
{
	/* No such file system; no such call; a mount that has a map already, or belongs to another user namespace. */
	return errno == EINVAL || errno == ENOSYS || errno == EPERM || errno == EOPNOTSUPP;
}
