/* SPDX-License-Identifier: MIT */
/*
 * The control groups of a job.
 *
 *   make.c     made, limited, entered, removed
 *   devices.c  the filter for devices of version 2
 *   read.c     figures
 *   freeze.c   stopping and killing all at once
 *   events.c   telling the host that a limit was reached
 */
#ifndef LAUNCHER_CGROUP_H
#define LAUNCHER_CGROUP_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "launch/plan/plan.h"

enum { CGROUPS = PLAN_CGROUPS_MAX };

struct cgroup {
	uint32_t version; /* 0: none, or not ours to remove */
	uint32_t roles;
	char path[PLAN_CGROUP_PATH_MAX + 64];
	int attach_fd;    /* `tasks` or `cgroup.procs`, open for writing */
	int directory_fd; /* O_PATH; of version 2 also for CLONE_INTO_CGROUP */
	int oom_fd;       /* of an instance: how often the kernel killed for want of memory */
};

/* make.c: those of the plan. 0, or -1 with the failure noted; what was made is to be removed in any case. */
int cgroups_make(const struct plan *plan, struct cgroup *groups);
/* All without fds. */
void cgroups_init(struct cgroup *groups);
void cgroups_remove(struct cgroup *groups);
bool has_cgroups(const struct cgroup *groups);
/* The directory of the one of version 2, or -1. */
int cgroups_version_2(const struct cgroup *groups);
/* Moves the calling process in, but for the one of version 2 where clone3 has put it there. */
int cgroups_enter(const struct cgroup *groups, bool cloned_into);
/* Writes to a file of the group. 0, or -1 with errno. */
int cgroup_write(const struct cgroup *group, const char *file, const char *value);
int cgroup_open(const struct cgroup *group, const char *file, int flags);

/* devices.c: 0, or -1 with the failure noted. */
int cgroup_filter_devices(const struct cgroup *group, const struct plan *plan);

/* read.c: the figures that the groups know, by viso_usage; those that they do not know stay. */
void cgroups_read(const struct cgroup *groups, bool at_end, int64_t figures[PLAN_FIGURES]);
/* The number after `key` at the beginning of a line of an open file; 0 where there is none. */
uint64_t read_key(int fd, const char *key);
/* Of an instance: opened, so that they can be read from within Landlock. */
void cgroups_open_oom_kills(struct cgroup *groups);
uint64_t cgroups_oom_kills(const struct cgroup *groups);

/* freeze.c: 0; 1 where there is no freezer; or -1 with errno, ETIMEDOUT where something cannot be frozen now. */
int cgroups_freeze(const struct cgroup *groups);
void cgroups_thaw(const struct cgroup *groups);
/* Kills everything in the group of version 2; false where there is none that can do that (Linux 5.14). */
bool cgroups_kill(const struct cgroup *groups);
/* Of a worker that was killed: by path, since its fds are gone. */
void cgroup_kill_left(const struct cgroup *group);

/* events.c */
enum { EVENT_FDS = 3, EVENT_COUNTERS = 4 };

struct group_events {
	int socket; /* -1 where nobody wants to know */
	uint64_t serial;
	struct pollfd polls[EVENT_FDS];
	int counter_fds[EVENT_COUNTERS];
	uint64_t counts[EVENT_COUNTERS];
	int rechecks;   /* some soon: version 1 tells before the kernel has killed */
	bool is_silent; /* version 1 does not tell of all */
};

/* Looks from now on; costs nothing where the plan names no place for events. */
void events_begin(struct group_events *events, const struct plan *plan, const struct cgroup *groups, int socket);
/* When to look again, UINT64_MAX for when poll(2) says so. */
uint64_t events_next_look_ns(struct group_events *events);
bool events_are_due(const struct group_events *events);
/* Tells what has happened since the last time. */
void events_check(struct group_events *events);
/* Never waits: where the host does not read, it learns less. */
void events_tell(const struct group_events *events, uint32_t event);
void events_end(struct group_events *events);

#endif
