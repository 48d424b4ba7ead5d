/* SPDX-License-Identifier: MIT */
/*
 * Telling the host that a limit was reached. poll(2) watches the counters of version 2 (kernfs). Version 1 has an
 * eventfd for memory.oom_control, which tells before anything is killed; of its other limits it tells nothing, so that
 * they are looked at from time to time.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <virtiso/sandbox.h>

#include "launcher.h"

enum { OOM_KILLS, HIGH, MAX, PIDS };
enum { RECHECKS = 20, SOON_NS = 5000000, LATER_NS = 200000000 };

static const struct {
	uint32_t event;
	const char *key;
} counters[EVENT_COUNTERS] = {
	[OOM_KILLS] = {VISO_EVENT_OUT_OF_MEMORY, "oom_kill"},
	[HIGH] = {VISO_EVENT_MEMORY_HIGH, "high"},
	[MAX] = {VISO_EVENT_MEMORY_MAX, "max"},
	[PIDS] = {VISO_EVENT_PROCESSES_MAX, "max"},
};

void events_tell(const struct group_events *events, uint32_t event)
{
	const struct event_message message = {.serial = events->serial, .event = event};
	if (events->socket >= 0)
		send(events->socket, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* memory.failcnt of version 1 is a number without a key. */
static uint64_t count(const struct group_events *events, int counter)
{
	bool bare = counter == MAX && events->counter_fds[MAX] != events->counter_fds[OOM_KILLS] &&
		    events->counter_fds[HIGH] < 0;
	return read_key(events->counter_fds[counter], bare ? NULL : counters[counter].key);
}

static void watch(struct group_events *events, int fd, short what)
{
	for (int i = 0; i < EVENT_FDS && fd >= 0; i++)
		if (events->polls[i].fd < 0) {
			events->polls[i] = (struct pollfd){.fd = fd, .events = what};
			return;
		}
}

/* cgroup-v1/memory.rst, "OOM Control": "<eventfd> <fd of memory.oom_control>" */
static void watch_oom_of_version_1(struct group_events *events, const struct cgroup *group)
{
	char text[32];
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	snprintf(text, sizeof(text), "%d %d", fd, events->counter_fds[OOM_KILLS]);
	if (fd >= 0 && cgroup_write(group, "cgroup.event_control", text) == 0)
		watch(events, fd, POLLIN);
	else
		close_quietly(fd);
}

static void watch_memory(struct group_events *events, const struct cgroup *group)
{
	int *fds = events->counter_fds;
	if (group->version == 2) {
		fds[OOM_KILLS] = fds[HIGH] = fds[MAX] = cgroup_open(group, "memory.events", O_RDONLY);
		watch(events, fds[MAX], POLLPRI);
	} else if (group->roles & PLAN_CGROUP_MEMORY) {
		fds[OOM_KILLS] = cgroup_open(group, "memory.oom_control", O_RDONLY);
		/* With swap accounted, the limit of both together is reached first. */
		fds[MAX] = cgroup_open(group, "memory.memsw.failcnt", O_RDONLY);
		if (fds[MAX] < 0)
			fds[MAX] = cgroup_open(group, "memory.failcnt", O_RDONLY);
		events->is_silent = true;
		watch_oom_of_version_1(events, group);
	}
}

static void watch_pids(struct group_events *events, const struct cgroup *group)
{
	if (group->version == 1 && !(group->roles & PLAN_CGROUP_PIDS))
		return;
	int fd = cgroup_open(group, "pids.events", O_RDONLY);
	if (fd < 0)
		return;
	events->counter_fds[PIDS] = fd;
	events->is_silent |= group->version == 1;
	watch(events, fd, POLLPRI);
}

uint64_t events_next_look_ns(struct group_events *events)
{
	if (events->rechecks > 0) {
		events->rechecks--;
		return SOON_NS;
	}
	return events->is_silent ? LATER_NS : UINT64_MAX;
}

bool events_are_due(const struct group_events *events)
{
	bool due = events->rechecks > 0 || events->is_silent;
	for (int i = 0; i < EVENT_FDS; i++)
		due |= events->polls[i].fd >= 0 && events->polls[i].revents;
	return due;
}

static void take_eventfds(struct group_events *events)
{
	uint64_t times;
	for (int i = 0; i < EVENT_FDS; i++)
		if (events->polls[i].fd >= 0 && events->polls[i].events == POLLIN && events->polls[i].revents) {
			(void)!read(events->polls[i].fd, &times, sizeof(times));
			events->rechecks = RECHECKS;
		}
}

void events_check(struct group_events *events)
{
	bool changed[EVENT_COUNTERS];
	take_eventfds(events);
	for (int i = 0; i < EVENT_COUNTERS; i++) {
		uint64_t now = events->counter_fds[i] < 0 ? 0 : count(events, i);
		changed[i] = now > events->counts[i];
		events->counts[i] = now;
	}
	/* Linux 6.18 no longer counts in memory.failcnt. */
	changed[MAX] |= changed[OOM_KILLS];
	if (changed[OOM_KILLS])
		events->rechecks = 0;
	for (int i = EVENT_COUNTERS - 1; i >= 0; i--)
		if (changed[i])
			events_tell(events, counters[i].event);
}

void events_begin(struct group_events *events, const struct plan *plan, const struct cgroup *groups, int socket)
{
	*events = (struct group_events){.socket = socket, .serial = plan->cgroups.serial};
	for (int i = 0; i < EVENT_FDS; i++)
		events->polls[i].fd = -1;
	for (int i = 0; i < EVENT_COUNTERS; i++)
		events->counter_fds[i] = -1;
	for (int i = 0; i < CGROUPS && socket >= 0; i++)
		if (groups[i].version && groups[i].directory_fd >= 0) {
			/* Where version 1 has memory, the group of version 2 has no such file, and the other way round.
			 */
			if (events->counter_fds[OOM_KILLS] < 0)
				watch_memory(events, &groups[i]);
			if (events->counter_fds[PIDS] < 0)
				watch_pids(events, &groups[i]);
		}
	/* The groups are new, and the program may have reached a limit already. */
	if (socket >= 0)
		events_check(events);
}

void events_end(struct group_events *events)
{
	if (events->socket >= 0)
		events_check(events);
	for (int i = 0; i < EVENT_FDS; i++)
		if (events->polls[i].events == POLLIN)
			close_quietly(events->polls[i].fd);
	close_quietly(events->counter_fds[OOM_KILLS]);
	if (events->counter_fds[MAX] != events->counter_fds[OOM_KILLS])
		close_quietly(events->counter_fds[MAX]);
	close_quietly(events->counter_fds[PIDS]);
}
