/* SPDX-License-Identifier: MIT */
/* The mounted hierarchies of control groups, and the caller's own group in each. */
#ifndef LAUNCH_CGROUP_HIERARCHY_H
#define LAUNCH_CGROUP_HIERARCHY_H

#include <stdbool.h>

#include "launch/plan/cgroups.h"

struct hierarchy {
	int version;
	/* Version 1: separated by commas, among other mount options; version 2: all that there are, by blanks. */
	char controllers[256];
	char point[PLAN_CGROUP_PATH_MAX];
	char root[PLAN_CGROUP_PATH_MAX]; /* which of its groups is mounted there */
	char own[PLAN_CGROUP_PATH_MAX];  /* directory of the caller's group; "" where it cannot be seen from here */
};

struct hierarchies {
	int count;
	struct hierarchy items[PLAN_CGROUPS_MAX];
};

void hierarchies_read(struct hierarchies *out);

/* That of version 2, or the one of version 1 with the controller; NULL where it is not mounted. */
const struct hierarchy *hierarchy_version_2(const struct hierarchies *hierarchies);
const struct hierarchy *hierarchy_version_1(const struct hierarchies *hierarchies, const char *controller);

/* True where `word` is one of the words of `list`, which are separated by any of `separators`. */
bool has_word(const char *list, const char *word, const char *separators);

/* Whether a file of a group, such as "cgroup.controllers", has the word. */
bool group_file_has(const char *directory, const char *file, const char *word);

#endif
