/* SPDX-License-Identifier: MIT */
/*
 * Control groups: lib/launch/cgroup/place.c writes this part, program/cgroup/ does it. Version 2 has one group for all
 * controllers that it has on this host, version 1 one for each hierarchy.
 */
#ifndef LAUNCH_PLAN_CGROUPS_H
#define LAUNCH_PLAN_CGROUPS_H

#include "launch/plan/types.h"

enum {
	PLAN_CGROUPS_MAX = 12,      /* the hierarchies of version 1 that there are, and version 2 */
	PLAN_CGROUP_PATH_MAX = 448, /* of a parent directory */
	PLAN_FIGURES = 33,          /* viso_usage */
};

/* What a group is for, in version 1, where a file lies in the hierarchy of its controller only. */
enum plan_cgroup_roles {
	PLAN_CGROUP_MEMORY = 1u << 0,
	PLAN_CGROUP_PIDS = 1u << 1,
	PLAN_CGROUP_CPU = 1u << 2,
	PLAN_CGROUP_IO = 1u << 3,
	PLAN_CGROUP_FREEZER = 1u << 4,
};

enum plan_write_flags {
	PLAN_WRITE_OPTIONAL = 1u << 0, /* where there is no such file, there is nothing to limit */
	PLAN_WRITE_OR_NEXT =
		1u << 1, /* where there is no such file, the next write does it; else that one is left out */
};

struct plan_write {
	plan_offset file;
	plan_offset value;
	uint32_t flags;
};

/* A group to be made below `parent`, with what is to be written to its files, in this order. */
struct plan_cgroup {
	uint32_t version; /* 1 or 2 */
	uint32_t roles;
	plan_offset parent; /* directory */
	uint32_t write_count;
	plan_offset writes; /* of struct plan_write */
};

struct plan_cgroups {
	uint32_t count;
	struct plan_cgroup groups[PLAN_CGROUPS_MAX];
	uint32_t device_count;      /* of struct bpf_insn, for the group of version 2; 0 without a filter */
	plan_offset device_program; /* BPF_PROG_TYPE_CGROUP_DEVICE */
	uint32_t events_fd;         /* where events are told, an index among the fds of the message; 0 for nowhere */
	uint64_t serial;            /* by which the host knows what they are about */
};

/* What the launcher tells there. */
struct event_message {
	uint64_t serial;
	uint32_t event; /* viso_event */
	uint32_t unused;
};

#endif
