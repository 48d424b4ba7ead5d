/* SPDX-License-Identifier: MIT */
#include "root/skeleton.h"

#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "root/path.h"

/* The numbers are those of Documentation/admin-guide/devices.txt of the kernel. */
static const struct {
	const char *target;
	unsigned major, minor;
} devices[] = {
	{"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7}, {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9},
};

static const struct {
	const char *target;
	unsigned mode;
} directories[] = {{"/dev", 0755}, {"/etc", 0755}, {"/proc", 0755}, {"/sys", 0755}, {"/tmp", 01777}};

/* The ids that commands have by default, and the one that the kernel shows for those that a user namespace does not
 * know. */
static const char passwd[] = "root:x:0:0:root:/:/bin/sh\n"
			     "user:x:1000:1000:user:/:/bin/sh\n"
			     "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
static const char group[] = "root:x:0:\n"
			    "user:x:1000:\n"
			    "nogroup:x:65534:\n";

/*
 * Where a target lies with the links that were added. False where something else than a directory stands above it: such
 * a root does without.
 */
static bool find_place(const struct plan *plan, const char *target, bool last, char *out, int *out_result)
{
	*out_result = plan_follow(plan, target, last, out);
	if (*out_result < 0)
		return false;
	char parent[PATH_MAX];
	strcpy(parent, out);
	path_pop(parent);
	const struct plan_entry *entry = plan_find(plan, parent[0] ? parent : "/");
	return !entry || entry->type == PLAN_DIRECTORY;
}

int skeleton_add(struct plan *plan)
{
	char target[PATH_MAX];
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(directories) / sizeof(directories[0]); i++)
		if (find_place(plan, directories[i].target, true, target, &r))
			r = plan_add_directory(plan, target, directories[i].mode, PLAN_KEEP);
	for (size_t i = 0; r >= 0 && i < sizeof(devices) / sizeof(devices[0]); i++)
		if (find_place(plan, devices[i].target, false, target, &r))
			r = plan_add_device(plan, target, makedev(devices[i].major, devices[i].minor), 0666, PLAN_KEEP);
	if (r >= 0 && find_place(plan, "/etc/passwd", false, target, &r))
		r = plan_add_data(plan, target, passwd, sizeof(passwd) - 1, 0644, PLAN_KEEP);
	if (r >= 0 && find_place(plan, "/etc/group", false, target, &r))
		r = plan_add_data(plan, target, group, sizeof(group) - 1, 0644, PLAN_KEEP);
	return r;
}
