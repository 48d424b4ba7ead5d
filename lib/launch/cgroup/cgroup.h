/* SPDX-License-Identifier: MIT */
/* Limits by control groups, and where on this host the groups for them can be made. */
#ifndef LAUNCH_CGROUP_CGROUP_H
#define LAUNCH_CGROUP_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launch/plan/cgroups.h"

struct cgroup_place {
	int version; /* 1 or 2 */
	char directory[PLAN_CGROUP_PATH_MAX];
};

/*
 * Where a child group with the controller, such as "memory", would be made. Version 2, where the host has the
 * controller there: the nearest group, from the caller's own one upwards, that hands it down and that the caller may
 * write to, or that has no processes so that the caller can let it hand down more (cgroups(7), "no internal
 * processes"). Else version 1: the caller's own group. 0, or -EOPNOTSUPP with the error set and the remedy in it.
 * Nothing is changed.
 */
int cgroup_find(const char *controller, struct cgroup_place *out_place);

/* What is written to a file of a group, by version. */
struct cgroup_limit {
	const char *controller; /* as version 2 calls it; NULL for what needs none */
	uint32_t flags;         /* plan_write_flags */
	struct {
		char file[64]; /* "" where this version has no such limit: an error, unless it is optional */
		char *value;   /* owned */
	} version[2];          /* 1 and 2 */
};

struct cgroup_limits {
	struct cgroup_limit *items;
	size_t count;
	size_t capacity;
};

/* A device that may be used by programs; see viso_container_allow_device(). */
struct cgroup_device {
	char type;
	int major; /* -1 for any */
	int minor;
	unsigned access; /* BPF_DEVCG_ACC_ of linux/bpf.h */
};

/* Adds a limit, with copies of the strings; a version whose file is NULL has none. 0 or -ENOMEM with the error set. */
int cgroup_limits_add(struct cgroup_limits *limits, const char *controller, uint32_t flags, const char *file_v1,
		      const char *value_v1, const char *file_v2, const char *value_v2);

/* The same with a number, which both versions write alike. */
int cgroup_limits_add_number(struct cgroup_limits *limits, const char *controller, uint32_t flags, const char *file_v1,
			     const char *file_v2, uint64_t value);

void cgroup_limits_clear(struct cgroup_limits *limits);

/* Decides where the groups for the request's limits are made, lets their parents hand the controllers down, and writes
 * both into its plan. 0 or a negative errno with the error set. */
struct launch_request;
int cgroup_add_to_plan(struct launch_request *request);

#endif
