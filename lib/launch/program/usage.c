/* SPDX-License-Identifier: MIT */
/* What processes use now: by their control groups, and by /proc what those do not count. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtiso/result.h>

#include "launcher.h"

_Static_assert((int)PLAN_FIGURES == (int)VISO_USAGE_INTERRUPTS + 1, "the plan has a place for each figure");

/* Sums over processes. */
struct sums {
	uint64_t user_ticks;
	uint64_t system_ticks;
	uint64_t minor_faults;
	uint64_t major_faults;
	uint64_t threads;
	uint64_t memory_kib; /* of pages that several share only their part */
	uint64_t largest_kib;
};

static bool read_of(int32_t pid, const char *file, char *text, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
	close_quietly(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static uint64_t kib_after(const char *text, const char *key)
{
	const char *found = strstr(text, key);
	return found ? strtoull(found + strlen(key), NULL, 10) : 0;
}

/* proc_pid_stat(5): the fields from the third on; with those of children that were waited for. */
static void add_stat(struct sums *sums, const char *text)
{
	const char *end = strrchr(text, ')');
	unsigned long long minor[2], major[2], user, system, threads;
	long long user_of_children, system_of_children;
	if (!end || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %llu %llu %llu %llu %llu %llu %lld %lld %*d %*d %llu",
			   &minor[0], &minor[1], &major[0], &major[1], &user, &system, &user_of_children,
			   &system_of_children, &threads) != 9)
		return;
	sums->minor_faults += minor[0] + minor[1];
	sums->major_faults += major[0] + major[1];
	sums->user_ticks += user + (uint64_t)user_of_children;
	sums->system_ticks += system + (uint64_t)system_of_children;
	sums->threads += threads;
}

static void add_memory(struct sums *sums, int32_t pid)
{
	char text[4096];
	uint64_t kib = read_of(pid, "status", text, sizeof(text)) ? kib_after(text, "VmRSS:") : 0;
	uint64_t most = kib_after(text, "VmHWM:");
	if (most > sums->largest_kib)
		sums->largest_kib = most;
	if (read_of(pid, "smaps_rollup", text, sizeof(text)))
		kib = kib_after(text, "\nPss:");
	sums->memory_kib += kib;
}

static void set_unless_known(int64_t *figure, uint64_t value)
{
	if (*figure < 0)
		*figure = (int64_t)value;
}

static uint64_t ticks_to_us(uint64_t ticks)
{
	return ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static void read_processes(pid_t ancestor, struct pids_of_ours hidden, int64_t figures[PLAN_FIGURES])
{
	struct sums sums = {0};
	char text[1024];
	const int32_t *pids;
	int count;
	bool wants_memory = figures[VISO_USAGE_MEMORY] < 0 || figures[VISO_USAGE_MEMORY_PEAK] < 0;
	pids_find(ancestor, hidden, &pids, &count);
	for (int i = 0; i < count; i++) {
		if (read_of(pids[i], "stat", text, sizeof(text)))
			add_stat(&sums, text);
		if (wants_memory)
			add_memory(&sums, pids[i]);
	}
	set_unless_known(&figures[VISO_USAGE_USER_US], ticks_to_us(sums.user_ticks));
	set_unless_known(&figures[VISO_USAGE_SYSTEM_US], ticks_to_us(sums.system_ticks));
	set_unless_known(&figures[VISO_USAGE_MEMORY], sums.memory_kib * 1024);
	set_unless_known(&figures[VISO_USAGE_MEMORY_PEAK], sums.largest_kib * 1024);
	set_unless_known(&figures[VISO_USAGE_MINOR_FAULTS], sums.minor_faults);
	set_unless_known(&figures[VISO_USAGE_MAJOR_FAULTS], sums.major_faults);
	set_unless_known(&figures[VISO_USAGE_PROCESSES], sums.threads);
}

static void take_off(int64_t *figure, int own)
{
	if (*figure >= own)
		*figure -= own;
}

/* A container's init is in its group, but none of the program's processes. */
static void read_groups(const struct cgroup *groups, bool at_end, int own, int64_t figures[PLAN_FIGURES])
{
	for (int i = 0; i < PLAN_FIGURES; i++)
		figures[i] = -1;
	cgroups_read(groups, at_end, figures);
	/* Linux 6.18 no longer counts in memory.failcnt. */
	if (figures[VISO_USAGE_MEMORY_MAX_EVENTS] < figures[VISO_USAGE_OOM_KILLS])
		figures[VISO_USAGE_MEMORY_MAX_EVENTS] = figures[VISO_USAGE_OOM_KILLS];
	take_off(&figures[VISO_USAGE_PROCESSES], own);
	take_off(&figures[VISO_USAGE_PROCESSES_PEAK], own);
}

void read_usage(const struct cgroup *groups, pid_t ancestor, struct pids_of_ours hidden, int own,
		int64_t figures[PLAN_FIGURES])
{
	read_groups(groups, false, own, figures);
	if (ancestor > 0)
		read_processes(ancestor, hidden, figures);
}

void read_final_usage(const struct cgroup *groups, int own, int64_t figures[PLAN_FIGURES])
{
	read_groups(groups, true, own, figures);
}

void send_answer(int pipe, const void *data, size_t size)
{
	/* It is new, so there is room. */
	(void)!write(pipe, data, size);
}
