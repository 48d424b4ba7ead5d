/* SPDX-License-Identifier: MIT */
/* Which groups a start makes: the limits of the request, by controller and version, into its plan. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "launch/cgroup/devices.h"
#include "launch/cgroup/find.h"
#include "launch/request.h"

/* A group to be: of version 2, or of a hierarchy of version 1. */
struct group {
	const struct hierarchy *hierarchy;
	uint32_t roles;
	char parent[PLAN_CGROUP_PATH_MAX];
};

struct placing {
	struct launch_request *request;
	struct hierarchies hierarchies;
	struct controllers controllers; /* of version 2 */
	int count;
	struct group groups[PLAN_CGROUPS_MAX];
};

/* The names of version 1 where they are other ones. */
static const char *name_in_version_1(const char *controller)
{
	return strcmp(controller, "io") ? controller : "blkio";
}

static uint32_t role_of(const char *controller)
{
	static const struct {
		const char *controller;
		uint32_t role;
	} roles[] = {
		{"memory", PLAN_CGROUP_MEMORY}, {"pids", PLAN_CGROUP_PIDS},       {"cpu", PLAN_CGROUP_CPU},
		{"io", PLAN_CGROUP_IO},         {"freezer", PLAN_CGROUP_FREEZER},
	};
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (!strcmp(roles[i].controller, controller))
			return roles[i].role;
	return 0;
}

static int version_of(const struct placing *placing, const struct cgroup_limit *limit)
{
	if (!limit->controller)
		return 2;
	return version_2_has(&placing->hierarchies, limit->controller) ? 2 : 1;
}

static const struct hierarchy *hierarchy_of(const struct placing *placing, const struct cgroup_limit *limit)
{
	if (version_of(placing, limit) == 2)
		return hierarchy_version_2(&placing->hierarchies);
	return hierarchy_version_1(&placing->hierarchies, name_in_version_1(limit->controller));
}

static struct group *find_group(struct placing *placing, const struct hierarchy *hierarchy)
{
	for (int i = 0; i < placing->count; i++)
		if (placing->groups[i].hierarchy == hierarchy)
			return &placing->groups[i];
	return NULL;
}

/* That of the hierarchy, made where there is none yet. No hierarchy has more than one, so there is room. */
static struct group *get_group(struct placing *placing, const struct hierarchy *hierarchy)
{
	struct group *group = find_group(placing, hierarchy);
	if (!group) {
		group = &placing->groups[placing->count++];
		*group = (struct group){.hierarchy = hierarchy};
	}
	return group;
}

static void want_controller(struct controllers *wanted, const char *controller)
{
	for (int i = 0; i < wanted->count; i++)
		if (!strcmp(wanted->names[i], controller))
			return;
	if (wanted->count < (int)(sizeof(wanted->names) / sizeof(wanted->names[0])))
		wanted->names[wanted->count++] = controller;
}

static int place_version_1(struct placing *placing, const char *controller)
{
	const char *name = name_in_version_1(controller);
	char directory[PLAN_CGROUP_PATH_MAX];
	int r = find_version_1(&placing->hierarchies, placing->request->cgroup_parent, name, directory);
	if (r < 0)
		return r;
	struct group *group = get_group(placing, hierarchy_version_1(&placing->hierarchies, name));
	group->roles |= role_of(controller);
	strcpy(group->parent, directory);
	return 0;
}

static int place_limit(struct placing *placing, const struct cgroup_limit *limit)
{
	int version = version_of(placing, limit);
	const char *file = limit->version[version - 1].file, *other = limit->version[2 - version].file;
	if (!*file && limit->flags & PLAN_WRITE_OPTIONAL)
		return 0;
	if (!*file)
		return error_fail(
			VISO_STAGE_CGROUP, EOPNOTSUPP, other,
			"%s is of control groups of version %d, and this host has the %s controller in version "
			"%d",
			other, 3 - version, limit->controller, version);
	if (version == 1)
		return place_version_1(placing, limit->controller);
	const struct hierarchy *two = hierarchy_version_2(&placing->hierarchies);
	if (two)
		get_group(placing, two);
	if (limit->controller)
		want_controller(&placing->controllers, limit->controller);
	return two ? 0 : find_version_2(&placing->hierarchies, NULL, &placing->controllers, false, NULL);
}

static int place_version_2(struct placing *placing)
{
	const struct hierarchy *two = hierarchy_version_2(&placing->hierarchies);
	struct group *group = two ? find_group(placing, two) : NULL;
	return group ? find_version_2(&placing->hierarchies, placing->request->cgroup_parent, &placing->controllers,
				      true, group->parent)
		     : 0;
}

/*
 * Where a container has limits of its own, it has a group to freeze it by and to read its pressure from, if that can be
 * had; below a parent that was named it must.
 */
static int place_companion(struct placing *placing)
{
	const struct hierarchies *hierarchies = &placing->hierarchies;
	const struct hierarchy *two = hierarchy_version_2(hierarchies);
	const struct controllers none = {0};
	char directory[PLAN_CGROUP_PATH_MAX];
	const char *parent = placing->request->cgroup_parent;
	if (two && find_group(placing, two))
		return 0;
	int r = two ? find_version_2(hierarchies, parent, &none, false, directory) : -ENOENT;
	if (r == 0)
		strcpy(get_group(placing, two)->parent, directory);
	else if (hierarchy_version_1(hierarchies, "freezer") && !(two && parent))
		r = place_version_1(placing, "freezer");
	return parent ? r : 0;
}

/* Devices are filtered by the controller of version 1 where the host has it, else by BPF, which needs none. */
static int place_devices(struct placing *placing)
{
	struct launch_request *request = placing->request;
	const struct hierarchy *one = hierarchy_version_1(&placing->hierarchies, "devices");
	if (!request->filters_devices)
		return 0;
	if (one)
		return devices_add_lines(&request->limits, request->devices, request->device_count);
	const struct hierarchy *two = hierarchy_version_2(&placing->hierarchies);
	if (!two)
		return error_fail(
			VISO_STAGE_CGROUP, EOPNOTSUPP, "devices",
			"a filter for devices needs the devices controller of version 1, or control groups of "
			"version 2; this host has mounted neither");
	get_group(placing, two);
	_cleanup_free_ struct bpf_insn *program =
		devices_make_program(request->devices, request->device_count, &request->plan->cgroups.device_count);
	if (!program)
		return error_memory();
	plan_offset offset =
		request_add_bytes(request, program, request->plan->cgroups.device_count * sizeof(*program));
	request->plan->cgroups.device_program = offset;
	return request->error;
}

/* A new group of cpuset in version 1 has neither CPUs nor memory, and takes no process before (cpuset(7)). */
static int complete_cpuset(struct placing *placing)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	struct cgroup_limits *limits = &placing->request->limits;
	const struct hierarchy *one = hierarchy_version_1(&placing->hierarchies, "cpuset");
	const struct group *group = one ? find_group(placing, one) : NULL;
	size_t count = limits->count;
	int r = 0;
	for (int i = 0; group && i < 2 && r == 0; i++) {
		char path[PLAN_CGROUP_PATH_MAX + 64], text[4096];
		bool is_set = false;
		for (size_t j = 0; j < count; j++)
			is_set |= !strcmp(limits->items[j].version[0].file, files[i]);
		if (is_set)
			continue;
		snprintf(path, sizeof(path), "%s/%s", group->parent, files[i]);
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (n <= 0)
			return error_fail(VISO_STAGE_CGROUP, n < 0 ? errno : EINVAL, path, NULL);
		text[n] = '\0';
		r = cgroup_limits_add(limits, "cpuset", 0, files[i], text, NULL, NULL);
	}
	return r;
}

/* What is written to the group's files, in the order in which it was set. */
static int add_writes(struct placing *placing, const struct group *group, plan_offset *out_writes, uint32_t *out_count)
{
	struct launch_request *request = placing->request;
	_cleanup_free_ struct plan_write *writes = calloc(request->limits.count + 1, sizeof(*writes));
	if (!writes)
		return error_memory();
	uint32_t count = 0;
	for (size_t i = 0; i < request->limits.count; i++) {
		const struct cgroup_limit *limit = &request->limits.items[i];
		int index = version_of(placing, limit) - 1;
		if (!*limit->version[index].file || hierarchy_of(placing, limit) != group->hierarchy)
			continue;
		writes[count].file = request_add_string(request, limit->version[index].file);
		writes[count].value = request_add_string(request, limit->version[index].value);
		writes[count++].flags = limit->flags;
	}
	*out_count = count;
	*out_writes = request_add_bytes(request, writes, count * sizeof(*writes));
	return request->error;
}

static int add_group(struct placing *placing, const struct group *group)
{
	struct launch_request *request = placing->request;
	struct plan_cgroup added = {.version = (uint32_t)group->hierarchy->version, .roles = group->roles};
	int r = add_writes(placing, group, &added.writes, &added.write_count);
	added.parent = request_add_string(request, group->parent);
	struct plan_cgroups *cgroups = &request->plan->cgroups;
	if (r == 0)
		cgroups->groups[cgroups->count++] = added;
	return r < 0 ? r : request->error;
}

int cgroup_add_to_plan(struct launch_request *request)
{
	if (!request->limits.count && !request->filters_devices && !request->cgroup_parent)
		return 0;
	struct placing placing = {.request = request};
	hierarchies_read(&placing.hierarchies);
	int r = place_devices(&placing);
	for (size_t i = 0; r == 0 && i < request->limits.count; i++)
		r = place_limit(&placing, &request->limits.items[i]);
	if (r == 0)
		r = place_version_2(&placing);
	if (r == 0)
		r = complete_cpuset(&placing);
	if (r == 0 && request->wants_freezer)
		r = place_companion(&placing);
	for (int i = 0; r == 0 && i < placing.count; i++)
		r = add_group(&placing, &placing.groups[i]);
	return r;
}
