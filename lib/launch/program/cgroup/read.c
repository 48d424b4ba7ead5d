/* SPDX-License-Identifier: MIT */
/* What the groups count (cgroup-v2.rst; cgroup-v1/). */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <virtiso/result.h>

#include "launcher.h"

enum how {
	FIRST,   /* the file is a number */
	KEYED,   /* the number behind `key` at the beginning of a line */
	SUMMED,  /* of all numbers behind `key` */
	STALLED, /* of the line "some", total= (accounting/psi.rst) */
};

struct figure {
	viso_usage usage;
	uint32_t version;
	uint32_t role; /* version 1 only */
	bool now;      /* means nothing after the end */
	enum how how;
	const char *file; /* those of one file stand together: it is read once */
	const char *key;
	uint32_t divisor;
};

static const struct figure table[] = {
	{VISO_USAGE_MEMORY, 2, 0, true, FIRST, "memory.current", NULL, 1},
	{VISO_USAGE_MEMORY_PEAK, 2, 0, false, FIRST, "memory.peak", NULL, 1},
	{VISO_USAGE_SWAP, 2, 0, true, FIRST, "memory.swap.current", NULL, 1},
	{VISO_USAGE_SWAP_PEAK, 2, 0, false, FIRST, "memory.swap.peak", NULL, 1},
	{VISO_USAGE_OOM_KILLS, 2, 0, false, KEYED, "memory.events", "oom_kill", 1},
	{VISO_USAGE_MEMORY_MAX_EVENTS, 2, 0, false, KEYED, "memory.events", "max", 1},
	{VISO_USAGE_PROCESSES, 2, 0, true, FIRST, "pids.current", NULL, 1},
	{VISO_USAGE_PROCESSES_PEAK, 2, 0, false, FIRST, "pids.peak", NULL, 1},
	{VISO_USAGE_PROCESSES_MAX_EVENTS, 2, 0, false, KEYED, "pids.events", "max", 1},
	{VISO_USAGE_USER_US, 2, 0, true, KEYED, "cpu.stat", "user_usec", 1},
	{VISO_USAGE_SYSTEM_US, 2, 0, true, KEYED, "cpu.stat", "system_usec", 1},
	{VISO_USAGE_CPU_THROTTLED_US, 2, 0, false, KEYED, "cpu.stat", "throttled_usec", 1},
	{VISO_USAGE_READ_BYTES, 2, 0, false, SUMMED, "io.stat", "rbytes=", 1},
	{VISO_USAGE_WRITTEN_BYTES, 2, 0, false, SUMMED, "io.stat", "wbytes=", 1},
	{VISO_USAGE_CPU_PRESSURE_US, 2, 0, false, STALLED, "cpu.pressure", NULL, 1},
	{VISO_USAGE_MEMORY_PRESSURE_US, 2, 0, false, STALLED, "memory.pressure", NULL, 1},
	{VISO_USAGE_IO_PRESSURE_US, 2, 0, false, STALLED, "io.pressure", NULL, 1},

	{VISO_USAGE_MEMORY, 1, PLAN_CGROUP_MEMORY, true, FIRST, "memory.usage_in_bytes", NULL, 1},
	{VISO_USAGE_MEMORY_PEAK, 1, PLAN_CGROUP_MEMORY, false, FIRST, "memory.max_usage_in_bytes", NULL, 1},
	{VISO_USAGE_SWAP, 1, PLAN_CGROUP_MEMORY, true, KEYED, "memory.stat", "swap", 1},
	{VISO_USAGE_OOM_KILLS, 1, PLAN_CGROUP_MEMORY, false, KEYED, "memory.oom_control", "oom_kill", 1},
	/* With swap accounted, the limit of both together is reached first. */
	{VISO_USAGE_MEMORY_MAX_EVENTS, 1, PLAN_CGROUP_MEMORY, false, FIRST, "memory.failcnt", NULL, 1},
	{VISO_USAGE_MEMORY_MAX_EVENTS, 1, PLAN_CGROUP_MEMORY, false, FIRST, "memory.memsw.failcnt", NULL, 1},
	{VISO_USAGE_PROCESSES, 1, PLAN_CGROUP_PIDS, true, FIRST, "pids.current", NULL, 1},
	{VISO_USAGE_PROCESSES_PEAK, 1, PLAN_CGROUP_PIDS, false, FIRST, "pids.peak", NULL, 1},
	{VISO_USAGE_PROCESSES_MAX_EVENTS, 1, PLAN_CGROUP_PIDS, false, KEYED, "pids.events", "max", 1},
	{VISO_USAGE_CPU_THROTTLED_US, 1, PLAN_CGROUP_CPU, false, KEYED, "cpu.stat", "throttled_time", 1000},
	{VISO_USAGE_READ_BYTES, 1, PLAN_CGROUP_IO, false, SUMMED, "blkio.throttle.io_service_bytes_recursive", " Read ",
	 1},
	{VISO_USAGE_WRITTEN_BYTES, 1, PLAN_CGROUP_IO, false, SUMMED, "blkio.throttle.io_service_bytes_recursive",
	 " Write ", 1},
};

/* The number after `key` at the beginning of a line; -1 where there is none. */
static int64_t keyed(const char *text, const char *key)
{
	size_t length = strlen(key);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, length) && line[length] == ' ')
			return (int64_t)strtoull(line + length, NULL, 10);
	}
	return -1;
}

static int64_t sum_of(const char *text, const char *key)
{
	int64_t sum = 0;
	for (const char *next = text; (next = strstr(next, key)); next += strlen(key))
		sum += (int64_t)strtoull(next + strlen(key), NULL, 10);
	return sum;
}

static int64_t stalled(const char *text)
{
	const char *total = strncmp(text, "some", 4) ? NULL : strstr(text, "total=");
	return total ? (int64_t)strtoull(total + 6, NULL, 10) : -1;
}

static int64_t find_in(const char *text, const struct figure *figure)
{
	switch (figure->how) {
	case KEYED:
		return keyed(text, figure->key);
	case SUMMED:
		return sum_of(text, figure->key);
	case STALLED:
		return stalled(text);
	default:
		return *text >= '0' && *text <= '9' ? (int64_t)strtoull(text, NULL, 10) : -1;
	}
}

static bool read_file(const struct cgroup *group, const char *file, char *text, size_t size)
{
	int fd = cgroup_open(group, file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
	close_quietly(fd);
	text[n > 0 ? n : 0] = '\0';
	/* io.stat is empty as long as nothing was read or written. */
	return n >= 0;
}

static void add(int64_t *figure, int64_t value)
{
	*figure = (*figure < 0 ? 0 : *figure) + value;
}

static void read_group(const struct cgroup *group, bool at_end, int64_t figures[PLAN_FIGURES])
{
	static char text[8192];
	const char *in_text = "";
	bool readable = false;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct figure *figure = &table[i];
		if (figure->version != group->version || (group->version == 1 && !(figure->role & group->roles)) ||
		    (at_end && figure->now))
			continue;
		if (strcmp(in_text, figure->file)) {
			readable = read_file(group, figure->file, text, sizeof(text));
			in_text = figure->file;
		}
		int64_t value = readable ? find_in(text, figure) : -1;
		if (value >= 0)
			add(&figures[figure->usage], value / figure->divisor);
	}
}

void cgroups_read(const struct cgroup *groups, bool at_end, int64_t figures[PLAN_FIGURES])
{
	for (int i = 0; i < CGROUPS; i++)
		if (groups[i].version)
			read_group(&groups[i], at_end, figures);
}

uint64_t read_key(int fd, const char *key)
{
	char text[1024];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	int64_t value = key ? keyed(text, key) : (int64_t)strtoull(text, NULL, 10);
	return value < 0 ? 0 : (uint64_t)value;
}

void cgroups_open_oom_kills(struct cgroup *groups)
{
	for (int i = 0; i < CGROUPS; i++)
		if (groups[i].version == 2 || (groups[i].version && groups[i].roles & PLAN_CGROUP_MEMORY))
			groups[i].oom_fd = cgroup_open(
				&groups[i], groups[i].version == 1 ? "memory.oom_control" : "memory.events", O_RDONLY);
}

uint64_t cgroups_oom_kills(const struct cgroup *groups)
{
	uint64_t kills = 0;
	for (int i = 0; i < CGROUPS; i++)
		kills += read_key(groups[i].oom_fd, "oom_kill");
	return kills;
}
