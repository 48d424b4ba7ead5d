/* SPDX-License-Identifier: MIT */
/* The ids of a user namespace that was just made. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher.h"

enum { ID_RANGE_SIZE = 65536 };

static int write_proc(const char *task, const char *file, const char *text)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%s/%s", task, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int saved = errno;
	close_quietly(fd);
	errno = saved;
	return n < 0 ? fail(VISO_STAGE_USER_NAMESPACE, 0, file) : 0;
}

int idmap_write_range(const char *task, uint32_t first)
{
	char map[64];
	snprintf(map, sizeof(map), "0 %u %d\n", first, ID_RANGE_SIZE);
	return write_proc(task, "uid_map", map) < 0 ? -1 : write_proc(task, "gid_map", map);
}

int idmap_write_one(const char *task, const struct plan *plan, uint32_t uid, uint32_t gid)
{
	char map[64];
	/* The groups are given up for ever, as the kernel demands (CVE-2014-8989). */
	if (write_proc(task, "setgroups", "deny") < 0)
		return -1;
	snprintf(map, sizeof(map), "%u %u 1\n", plan->uid, uid);
	if (write_proc(task, "uid_map", map) < 0)
		return -1;
	snprintf(map, sizeof(map), "%u %u 1\n", plan->gid, gid);
	return write_proc(task, "gid_map", map);
}

uint32_t idmap_outer_id(pid_t pid, const char *file, uint32_t id)
{
	char path[64], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close_quietly(fd);
	text[n > 0 ? n : 0] = '\0';
	for (char *line = text; *line;) {
		uint32_t inside = (uint32_t)strtoul(line, &line, 10), outside = (uint32_t)strtoul(line, &line, 10);
		uint32_t count = (uint32_t)strtoul(line, &line, 10);
		if (id >= inside && id - inside < count)
			return outside + (id - inside);
		while (*line && *line++ != '\n')
			;
	}
	return id;
}
