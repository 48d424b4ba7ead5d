/* SPDX-License-Identifier: MIT */
#include "launch/cgroup/find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "launch/cgroup/cgroup.h"

bool version_2_has(const struct hierarchies *hierarchies, const char *controller)
{
	const struct hierarchy *two = hierarchy_version_2(hierarchies);
	return two && has_word(two->controllers, controller, " \n");
}

static bool is_writable(const char *directory, const char *file)
{
	char path[PLAN_CGROUP_PATH_MAX + 64];
	snprintf(path, sizeof(path), "%s/%s", directory, file);
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

/*
 * A process may be moved from the caller's group into a child of this one where the caller may write to `cgroup.procs`
 * here, at their common ancestor (cgroup-v2.rst, "Delegation Containment").
 */
static bool is_delegated(const char *directory)
{
	return is_writable(directory, ".") && is_writable(directory, "cgroup.procs") &&
	       !group_file_has(directory, "cgroup.type", "threaded");
}

/* The root may have processes besides (cgroup-v2.rst, "No Internal Process Constraint"); only it has no type. */
static bool may_hand_down(const char *directory)
{
	char path[PLAN_CGROUP_PATH_MAX + 64], byte;
	if (!is_writable(directory, "cgroup.subtree_control"))
		return false;
	snprintf(path, sizeof(path), "%s/cgroup.type", directory);
	if (access(path, F_OK) < 0)
		return true;
	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, &byte, 1) == 0;
}

static bool hands_down(const char *directory, const char *controller)
{
	return group_file_has(directory, "cgroup.subtree_control", controller);
}

static bool hands_all_down(const char *directory, const struct controllers *wanted)
{
	for (int i = 0; i < wanted->count; i++)
		if (!hands_down(directory, wanted->names[i]))
			return false;
	return true;
}

static bool could_hand_all_down(const char *directory, const struct controllers *wanted)
{
	for (int i = 0; i < wanted->count; i++)
		if (!group_file_has(directory, "cgroup.controllers", wanted->names[i]))
			return false;
	return may_hand_down(directory);
}

/* It stays so: others may rely on it from now on. */
static bool write_controller(const char *directory, const char *controller)
{
	char path[PLAN_CGROUP_PATH_MAX + 64], text[64];
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", directory);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	int length = snprintf(text, sizeof(text), "+%s", controller);
	return fd >= 0 && write(fd, text, (size_t)length) == length;
}

static bool let_hand_down(const char *directory, const struct controllers *wanted)
{
	for (int i = 0; i < wanted->count; i++)
		if (!hands_down(directory, wanted->names[i]) && !write_controller(directory, wanted->names[i]))
			return false;
	return true;
}

/*
 * Below a parent that was named, groups on the way to it may have to hand the controller down first. With `enable` it
 * is done; else it is only looked whether it could be.
 */
static bool bring_down(const struct hierarchy *two, const char *directory, const char *controller, bool enable)
{
	char above[PLAN_CGROUP_PATH_MAX];
	if (hands_down(directory, controller))
		return true;
	if (!may_hand_down(directory))
		return false;
	if (!group_file_has(directory, "cgroup.controllers", controller)) {
		strcpy(above, directory);
		char *slash = strrchr(above, '/');
		if (!slash || (size_t)(slash - above) < strlen(two->point))
			return false;
		*slash = '\0';
		if (!bring_down(two, above, controller, enable))
			return false;
	}
	return !enable || write_controller(directory, controller);
}

typedef bool (*fitness)(const char *directory, const struct controllers *wanted);

/* The nearest fitting one, from `start` up to the mount point. */
static bool walk_up(const struct hierarchy *two, fitness fits, const struct controllers *wanted,
		    char directory[PLAN_CGROUP_PATH_MAX])
{
	size_t top = strlen(two->point);
	strcpy(directory, two->own);
	while (*directory) {
		if (is_delegated(directory) && fits(directory, wanted))
			return true;
		char *slash = strrchr(directory, '/');
		if (!slash || (size_t)(slash - directory) < top)
			return false;
		*slash = '\0';
	}
	return false;
}

static int fail_version_2(const struct hierarchy *two, const struct controllers *wanted)
{
	const char *name = wanted->count ? wanted->names[0] : "cgroup";
	for (int i = 0; i < wanted->count; i++)
		if (!group_file_has(two->own, "cgroup.controllers", wanted->names[i]))
			name = wanted->names[i];
	if (*two->own && is_delegated(two->own) && group_file_has(two->own, "cgroup.controllers", name))
		return error_fail(VISO_STAGE_CGROUP, EOPNOTSUPP, name,
				  "the limit needs the %s controller; the only control group that is the caller's, "
				  "%s, has processes of its own and so cannot hand it down: start the host program in "
				  "a child of that group (in a systemd unit: DelegateSubgroup=)",
				  name, two->own);
	return error_fail(
		VISO_STAGE_CGROUP, EOPNOTSUPP, name,
		"the limit needs the %s controller, which no control group that the caller may write to hands "
		"down; as root, or in a systemd unit or slice with Delegate=%s, one does",
		name, wanted->count ? name : "yes");
}

/* `parent` below the mount point. 0 or a negative errno with the error set. */
static int parent_directory(const struct hierarchy *hierarchy, const char *parent, char directory[PLAN_CGROUP_PATH_MAX])
{
	if (snprintf(directory, PLAN_CGROUP_PATH_MAX, "%s%s", hierarchy->point, strcmp(parent, "/") ? parent : "") >=
	    PLAN_CGROUP_PATH_MAX)
		return error_fail(VISO_STAGE_CGROUP, ENOENT, parent, "the path of the control group is too long");
	if (access(directory, F_OK) < 0)
		return error_fail(VISO_STAGE_CGROUP, ENOENT, directory,
				  "%s: there is no such control group; make it, or name another one", directory);
	if (!is_delegated(directory))
		return error_fail(VISO_STAGE_CGROUP, EACCES, directory,
				  "%s: the caller may not make a group there; it needs write access to the directory "
				  "and its cgroup.procs",
				  directory);
	return 0;
}

static int take_parent(const struct hierarchy *two, const char *parent, const struct controllers *wanted, bool enable,
		       char directory[PLAN_CGROUP_PATH_MAX])
{
	const char *name = NULL;
	int r = parent_directory(two, parent, directory);
	if (r < 0)
		return r;
	for (int i = 0; i < wanted->count && !name; i++)
		if (!bring_down(two, directory, wanted->names[i], enable))
			name = wanted->names[i];
	if (!name)
		return 0;
	return error_fail(
		VISO_STAGE_CGROUP, EOPNOTSUPP, name,
		"%s does not hand the %s controller down; write +%s to its cgroup.subtree_control, and to those "
		"above it, for which they must have no processes of their own",
		directory, name, name);
}

int find_version_2(const struct hierarchies *hierarchies, const char *parent, const struct controllers *wanted,
		   bool enable, char directory[PLAN_CGROUP_PATH_MAX])
{
	const struct hierarchy *two = hierarchy_version_2(hierarchies);
	if (!two)
		return error_fail(VISO_STAGE_CGROUP, EOPNOTSUPP, "cgroup2",
				  "this setting needs control groups of version 2, which this host has not mounted");
	if (parent)
		return take_parent(two, parent, wanted, enable, directory);
	if (walk_up(two, hands_all_down, wanted, directory))
		return 0;
	if (walk_up(two, could_hand_all_down, wanted, directory) && (!enable || let_hand_down(directory, wanted)))
		return 0;
	return fail_version_2(two, wanted);
}

int find_version_1(const struct hierarchies *hierarchies, const char *parent, const char *controller,
		   char directory[PLAN_CGROUP_PATH_MAX])
{
	const struct hierarchy *one = hierarchy_version_1(hierarchies, controller);
	if (one && parent)
		return parent_directory(one, parent, directory);
	if (one && *one->own && is_writable(one->own, ".")) {
		strcpy(directory, one->own);
		return 0;
	}
	return error_fail(
		VISO_STAGE_CGROUP, EOPNOTSUPP, controller,
		"the limit needs a control group, and this host gives the caller no %s controller; as root, or in a "
		"systemd unit or slice with Delegate=yes, it does",
		controller);
}

int cgroup_find(const char *controller, struct cgroup_place *out_place)
{
	struct hierarchies hierarchies;
	const struct controllers wanted = {.count = 1, .names = {controller}};
	hierarchies_read(&hierarchies);
	out_place->version = version_2_has(&hierarchies, controller) ? 2 : 1;
	if (out_place->version == 2)
		return find_version_2(&hierarchies, NULL, &wanted, false, out_place->directory);
	return find_version_1(&hierarchies, NULL, controller, out_place->directory);
}
