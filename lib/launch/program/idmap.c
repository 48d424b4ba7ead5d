/* SPDX-License-Identifier: MIT */
/* The ids of a user namespace that was just made. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "mount/mounts.h"

enum { ID_RANGE_SIZE = 65536, MAP_TEXT = PLAN_ID_RANGES_MAX * 34, NUMBER = 12 };

/* 0, or -1 with errno. */
static int try_write(const char *task, const char *file, const char *text)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%s/%s", task, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = -1;
	/* A false /proc could have any file of the host there (CVE-2019-16884, CVE-2025-52881). */
	if (fd >= 0 && mount_is_proc(fd))
		n = write(fd, text, strlen(text));
	else if (fd >= 0)
		errno = EOPNOTSUPP;
	int saved = errno;
	close_quietly(fd);
	errno = saved;
	return n < 0 ? -1 : 0;
}

static int write_proc(const char *task, const char *file, const char *text)
{
	return try_write(task, file, text) < 0 ? fail(VISO_STAGE_USER_NAMESPACE, 0, file) : 0;
}

int idmap_write_range(const char *task, uint32_t first)
{
	char map[64];
	snprintf(map, sizeof(map), "0 %u %d\n", first, ID_RANGE_SIZE);
	return write_proc(task, "uid_map", map) < 0 ? -1 : write_proc(task, "gid_map", map);
}

/* The groups are given up for ever, as the kernel demands of who has no privilege (CVE-2014-8989). */
static int write_own(const char *task, const char *uids, const char *gids)
{
	if (write_proc(task, "setgroups", "deny") < 0 || write_proc(task, "uid_map", uids) < 0)
		return -1;
	return write_proc(task, "gid_map", gids);
}

int idmap_write_one(const char *task, const struct plan *plan, uint32_t uid, uint32_t gid)
{
	char uids[64], gids[64];
	snprintf(uids, sizeof(uids), "%u %u 1\n", plan->uid, uid);
	snprintf(gids, sizeof(gids), "%u %u 1\n", plan->gid, gid);
	return write_own(task, uids, gids);
}

static const struct plan_id_range *ranges_of(const struct plan *plan, const struct plan_id_map *map)
{
	return (const struct plan_id_range *)plan_string(plan, map->first);
}

static void format_map(const struct plan *plan, const struct plan_id_map *map, char text[MAP_TEXT])
{
	const struct plan_id_range *ranges = ranges_of(plan, map);
	size_t length = 0;
	for (uint32_t i = 0; i < map->count; i++)
		length += (size_t)snprintf(text + length, MAP_TEXT - length, "%u %u %u\n", ranges[i].inside,
					   ranges[i].outside, ranges[i].count);
}

static bool is_own_id(const struct plan *plan, const struct plan_id_map *map, uint32_t id)
{
	const struct plan_id_range *range = ranges_of(plan, map);
	return map->count == 1 && range->outside == id && range->count == 1;
}

static _Noreturn void exec_mapper(const char *program, char **argv)
{
	char *env[] = {NULL};
	for (int i = 0; i < 3; i++)
		fcntl(i, F_SETFD, 0);
	execve(program, argv, env);
	_exit(errno == ENOENT ? 127 : 126);
}

/*
 * newuidmap(1) or newgidmap(1), which are privileged and know the caller's ranges in /etc/subuid and /etc/subgid. By
 * their full path: PATH is the host program's affair. What was asked for is the object of a failure.
 */
static int run_mapper(const char *program, const char *task, const struct plan *plan, const struct plan_id_map *map)
{
	const struct plan_id_range *ranges = ranges_of(plan, map);
	char numbers[PLAN_ID_RANGES_MAX][3][NUMBER], object[REPORT_OBJECT_MAX];
	char *argv[2 + 3 * PLAN_ID_RANGES_MAX + 1] = {(char *)program, (char *)task};
	size_t length = (size_t)snprintf(object, sizeof(object), "%s", program);
	for (uint32_t i = 0; i < map->count; i++) {
		const uint32_t values[] = {ranges[i].inside, ranges[i].outside, ranges[i].count};
		for (int j = 0; j < 3; j++) {
			snprintf(numbers[i][j], NUMBER, "%u", values[j]);
			argv[2 + 3 * i + (uint32_t)j] = numbers[i][j];
		}
		if (length + 3 * NUMBER < sizeof(object))
			length += (size_t)snprintf(object + length, sizeof(object) - length, " %u %u %u", values[0],
						   values[1], values[2]);
	}
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		exec_mapper(program, argv);
	if (pid < 0)
		return fail(VISO_STAGE_USER_NAMESPACE, 0, "fork");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return 0;
	return fail(VISO_STAGE_USER_NAMESPACE, WIFEXITED(status) && WEXITSTATUS(status) == 127 ? ENOENT : EPERM,
		    object);
}

/*
 * Root writes the caller's maps; an ordinary user its own id only. The rest is for the privileged helpers, which deny
 * setgroups(2) themselves where the caller's own group alone is mapped.
 */
static int write_chosen(const char *task, const struct plan *plan)
{
	const struct plan_id_map *uids = &plan->namespaces.uids, *gids = &plan->namespaces.gids;
	char uid_map[MAP_TEXT], gid_map[MAP_TEXT];
	format_map(plan, uids, uid_map);
	format_map(plan, gids, gid_map);
	if (!worker.owns_ids && is_own_id(plan, uids, worker.uid) && is_own_id(plan, gids, worker.gid))
		return write_own(task, uid_map, gid_map);
	if (worker.owns_ids)
		return write_proc(task, "uid_map", uid_map) < 0 ? -1 : write_proc(task, "gid_map", gid_map);
	/* Root of a user namespace has privileges enough for the ids that it has there. */
	if (try_write(task, "uid_map", uid_map) == 0)
		return write_proc(task, "gid_map", gid_map);
	if (run_mapper("/usr/bin/newuidmap", task, plan, uids) < 0)
		return -1;
	return run_mapper("/usr/bin/newgidmap", task, plan, gids);
}

int idmap_write(const struct job *job, const char *task)
{
	const struct plan *plan = job->plan;
	if (plan->namespaces.uids.count)
		return write_chosen(task, plan);
	return worker.owns_ids ? idmap_write_range(task, job->host_uid)
			       : idmap_write_one(task, plan, worker.uid, worker.gid);
}

uint32_t idmap_outside(const struct job *job, const struct plan_id_map *map, uint32_t id)
{
	const struct plan_id_range *ranges = ranges_of(job->plan, map);
	if (!map->count)
		return job->host_uid + id;
	for (uint32_t i = 0; i < map->count; i++)
		if (id - ranges[i].inside < ranges[i].count)
			return ranges[i].outside + (id - ranges[i].inside);
	return UINT32_MAX; /* which chown(2) takes for "leave it" */
}
