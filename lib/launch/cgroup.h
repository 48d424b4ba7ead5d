/* SPDX-License-Identifier: MIT */
/* Where on this host a child control group can be made for a controller. */
#ifndef LAUNCH_CGROUP_H
#define LAUNCH_CGROUP_H

#include <limits.h>

struct cgroup_place {
	int version; /* 1 or 2 */
	char directory[PATH_MAX];
};

/*
 * `controller` is "memory" or "pids". Version 2: the nearest ancestor of the caller's group that hands the controller
 * down and that the caller may write to; a group with processes of its own cannot (cgroups(7), "no internal
 * processes"). Else version 1: the caller's own group. 0, or -EOPNOTSUPP with the error set and the remedy in it.
 */
int cgroup_find(const char *controller, struct cgroup_place *out_place);

#endif
