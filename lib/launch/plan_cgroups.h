/* SPDX-License-Identifier: MIT */
/* Control groups: lib/container/limits.c writes what is a container's own, request.c the rest. */
#ifndef LAUNCH_PLAN_CGROUPS_H
#define LAUNCH_PLAN_CGROUPS_H

#include "launch/plan_types.h"

/* A child group to be made below `parent`, with one limit. */
struct plan_cgroup {
	uint32_t version;   /* 1 or 2; 0 for no group */
	plan_offset parent; /* directory */
	uint64_t limit;
};

struct plan_cgroups {
	struct plan_cgroup memory;
	struct plan_cgroup pids;
};

#endif
