/* SPDX-License-Identifier: MIT */
/* Freezing (cgroup-v2.rst, cgroup.freeze; cgroup-v1/freezer-subsystem.rst) and killing all at once. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "launcher.h"

enum { PATIENCE_MS = 2000 };

static bool is_freezer(const struct cgroup *group)
{
	return group->version == 2 || (group->version == 1 && group->roles & PLAN_CGROUP_FREEZER);
}

static const struct cgroup *find_freezer(const struct cgroup *groups)
{
	for (int i = 0; i < CGROUPS; i++)
		if (is_freezer(&groups[i]))
			return &groups[i];
	return NULL;
}

static void thaw(const struct cgroup *group)
{
	if (group->version == 2)
		cgroup_write(group, "cgroup.freeze", "0");
	else
		cgroup_write(group, "freezer.state", "THAWED");
}

/* Version 2 tells of a change by POLLPRI (kernfs); in version 1 each reading looks again. */
static bool await_frozen(const struct cgroup *group)
{
	int fd = cgroup_open(group, group->version == 2 ? "cgroup.events" : "freezer.state", O_RDONLY);
	bool frozen = false;
	uint64_t end = now_ns() + PATIENCE_MS * 1000000ull;
	while (fd >= 0 && !frozen) {
		char state[16] = "";
		if (group->version == 2)
			frozen = read_key(fd, "frozen") == 1;
		else
			frozen = pread(fd, state, sizeof(state) - 1, 0) > 0 && !strncmp(state, "FROZEN", 6);
		if (frozen || now_ns() >= end)
			break;
		struct pollfd change = {.fd = group->version == 2 ? fd : -1, .events = POLLPRI};
		poll(&change, 1, group->version == 2 ? 100 : 1);
	}
	close_quietly(fd);
	return frozen;
}

bool cgroups_are_frozen(const struct cgroup *groups)
{
	char state[16] = "";
	const struct cgroup *group = find_freezer(groups);
	int fd = group ? cgroup_open(group, group->version == 2 ? "cgroup.freeze" : "freezer.state", O_RDONLY) : -1;
	bool frozen = fd >= 0 && read(fd, state, sizeof(state) - 1) > 0 && (state[0] == '1' || state[0] == 'F');
	close_quietly(fd);
	return frozen;
}

int cgroups_freeze(const struct cgroup *groups)
{
	const struct cgroup *group = find_freezer(groups);
	if (!group)
		return 1;
	if ((group->version == 2 ? cgroup_write(group, "cgroup.freeze", "1")
				 : cgroup_write(group, "freezer.state", "FROZEN")) < 0)
		return errno == ENOENT || errno == EACCES ? 1 : -1; /* before Linux 5.2 */
	if (await_frozen(group))
		return 0;
	thaw(group);
	errno = ETIMEDOUT;
	return -1;
}

void cgroups_thaw(const struct cgroup *groups)
{
	const struct cgroup *group = find_freezer(groups);
	if (group)
		thaw(group);
}

bool cgroups_kill(const struct cgroup *groups)
{
	for (int i = 0; i < CGROUPS; i++)
		if (groups[i].version == 2)
			return cgroup_write(&groups[i], "cgroup.kill", "1") == 0;
	return false;
}

/* What is frozen by version 1 takes no signal, not even SIGKILL, until it is thawed. */
void cgroup_kill_left(const struct cgroup *group)
{
	struct cgroup left = *group;
	if (!is_freezer(group))
		return;
	left.directory_fd = open(group->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (left.version == 2)
		cgroup_write(&left, "cgroup.kill", "1");
	thaw(&left);
	close_quietly(left.directory_fd);
}
