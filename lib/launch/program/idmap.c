/* SPDX-License-Identifier: MIT */
/* The ids of a user namespace that was just made. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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
