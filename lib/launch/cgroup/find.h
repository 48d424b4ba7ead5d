/* SPDX-License-Identifier: MIT */
/* Where groups can be made: by delegation in version 2 (cgroups(7), cgroup-v2.rst "Delegation"). */
#ifndef LAUNCH_CGROUP_FIND_H
#define LAUNCH_CGROUP_FIND_H

#include "launch/cgroup/hierarchy.h"

/* The controllers of version 2 that a group needs. */
struct controllers {
	int count;
	const char *names[16];
};

/* Whether the host has the controller in version 2, whoever it is handed down to. */
bool version_2_has(const struct hierarchies *hierarchies, const char *controller);

/*
 * The directory below which a group with all these controllers can be made: that of `parent`, a path from the root of
 * the hierarchy, or, where it is NULL, the nearest one from the caller's own group upwards. With `enable` it is made to
 * hand down those that it does not yet. 0 or a negative errno with the error set.
 */
int find_version_2(const struct hierarchies *hierarchies, const char *parent, const struct controllers *wanted,
		   bool enable, char directory[PLAN_CGROUP_PATH_MAX]);

/* The same in a hierarchy of version 1, where every group hands everything down. */
int find_version_1(const struct hierarchies *hierarchies, const char *parent, const char *controller,
		   char directory[PLAN_CGROUP_PATH_MAX]);

#endif
