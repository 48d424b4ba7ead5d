/* SPDX-License-Identifier: MIT */
/*
 * Id-mapped mounts: what belongs to the host's id N is shown as the container's id N, which is another one on the host
 * (mount_setattr(2), MOUNT_ATTR_IDMAP). The map is that of a user namespace. The worker keeps one, since its range of
 * ids, which all its containers have, never changes; but for those with ids of the caller's choice.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <virtiso/container_namespaces.h>

#include "mounts.h"

static int namespace_fd = -1;

/* Of a container with ids of the caller's choice, while it is started. */
static struct {
	int fd;
	uint32_t uid; /* of its root, or of the command where it has none */
	uint32_t gid;
} chosen = {.fd = -1};

/* Keeps a user namespace until its maps are written and it is open. */
static int sleep_until_killed(void *unused)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != worker.pid)
		_exit(1);
	for (;;)
		pause();
}

/* The worker's range as the maps of a task. 0, or -1 with errno. */
static int write_range(pid_t pid)
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
	return 0;
}

/* The namespace of a task, with the ids of the job, or the worker's range where that is NULL; -1 with errno. */
static int open_mapped(pid_t pid, const struct job *job)
{
	char path[64];
	snprintf(path, sizeof(path), "%d", (int)pid);
	if ((job ? idmap_write(job, path) : write_range(pid)) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int make_namespace(const struct job *job)
{
	pid_t pid = clone(sleep_until_killed, worker.child_stack, CLONE_NEWUSER | SIGCHLD, NULL);
	if (pid < 0)
		return -1;
	int fd = open_mapped(pid, job), saved = errno;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	errno = saved;
	return fd;
}

int mount_map_ids(int fd, bool recursive)
{
	if (chosen.fd < 0 && namespace_fd < 0 && (namespace_fd = make_namespace(NULL)) < 0)
		return -1;
	int from = chosen.fd >= 0 ? chosen.fd : namespace_fd;
	struct mount_attr set = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)from};
	return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &set,
			    sizeof(set));
}

static uint32_t outside_or(const struct job *job, const struct plan_id_map *map, uint32_t otherwise)
{
	uint32_t root = idmap_outside(job, map, 0);
	return root == UINT32_MAX ? idmap_outside(job, map, otherwise) : root;
}

int mount_choose_ids(const struct job *job)
{
	const struct plan *plan = job->plan;
	uint32_t joined = plan->namespaces.joined[VISO_NAMESPACE_USER];
	chosen.fd = close_quietly(chosen.fd);
	if (!worker.owns_ids || (!joined && !plan->namespaces.uids.count))
		return 0;
	/* Which ids these are on the host is not known. */
	if (joined && (plan->mounts.upper == PLAN_UPPER_DISCARDED || plan->mounts.upper == PLAN_UPPER_DIRECTORY))
		return fail(VISO_STAGE_MOUNT, EOPNOTSUPP, "viso_container_join_namespace: user");
	chosen.fd = joined ? fcntl(job->fds[joined], F_DUPFD_CLOEXEC, 3) : make_namespace(job);
	if (chosen.fd < 0)
		return fail(VISO_STAGE_USER_NAMESPACE, 0, "ids");
	chosen.uid = outside_or(job, &plan->namespaces.uids, plan->uid);
	chosen.gid = outside_or(job, &plan->namespaces.gids, plan->gid);
	return 0;
}

void mount_forget_ids(void)
{
	chosen.fd = close_quietly(chosen.fd);
}

uint32_t mount_root_uid(void)
{
	return chosen.fd >= 0 ? chosen.uid : worker.first_id;
}

uint32_t mount_root_gid(void)
{
	return chosen.fd >= 0 ? chosen.gid : worker.first_id;
}

bool mount_map_is_missing(void)
{
	/* No such file system; no such call; a mount that has a map already, or belongs to another user namespace. */
	return errno == EINVAL || errno == ENOSYS || errno == EPERM || errno == EOPNOTSUPP;
}
