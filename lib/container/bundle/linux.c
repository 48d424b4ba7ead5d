/* SPDX-License-Identifier: MIT */
/* "linux", whose parts are in namespaces.c, devices.c and resources.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/bundle/bundle.h"
#include "container/container.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"

static int read_mask(struct bundle *bundle, const struct item *item)
{
	return item_result(item, viso_container_add_mask(bundle->container, item_string(item)));
}

static int read_masks(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_string, read_mask);
}

static int read_read_only_path(struct bundle *bundle, const struct item *item)
{
	return item_result(item, viso_container_add_read_only(bundle->container, item_string(item)));
}

static int read_read_only_paths(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_string, read_read_only_path);
}

/* A group of the library's naming is made where the file's would be; a relative one is the runtime's to place. */
static int read_groups_path(struct bundle *bundle, const struct item *item)
{
	const char *path = item_string(item), *slash = strrchr(path, '/');
	if (*path != '/') {
		log_info("bundle: linux.cgroupsPath: %s is not absolute; the library chooses the place", path);
		return 0;
	}
	_cleanup_free_ char *parent = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!parent)
		return error_memory();
	return item_result(item, viso_container_set_cgroup_parent(bundle->container, parent));
}

static int read_propagation(struct bundle *bundle, const struct item *item)
{
	const char *value = item_string(item);
	return !*value || !strcmp(value, "private") || !strcmp(value, "rprivate")
		       ? 0
		       : item_fail_unsupported(item, "the container's mounts are always private");
}

static int read_personality(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"domain", json_type_string, NULL, true}, {"flags", json_type_array, item_refuse}, {NULL}};
	struct item domain;
	int r = item_read_members(bundle, item, members);
	if (r < 0)
		return r;
	item_find(item, "domain", &domain);
	return !strcmp(item_string(&domain), "LINUX") ? 0 : item_fail_unsupported(&domain, "LINUX is the only one");
}

int bundle_read_seccomp(struct bundle *bundle, const struct item *item)
{
	struct oci_profile profile;
	if (!seccomp_is_built())
		return item_fail_unsupported(item, "the library was built without seccomp");
	const char *text = json_object_to_json_string_ext(item->json, JSON_C_TO_STRING_PLAIN);
	if (!text)
		return error_memory();
	int r = oci_profile_parse(text, strlen(text), "linux.seccomp", &profile);
	if (r == 0)
		security_take_profile(bundle->container, &profile);
	return r;
}

int bundle_read_linux(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"namespaces", json_type_array, bundle_read_namespaces, true},
		{"uidMappings", json_type_array, bundle_read_user_ids},
		{"gidMappings", json_type_array, bundle_read_group_ids},
		{"timeOffsets", json_type_object, bundle_read_time_offsets},
		{"sysctl", json_type_object, bundle_read_sysctl},
		{"devices", json_type_array, bundle_read_devices},
		{"cgroupsPath", json_type_string, read_groups_path},
		{"resources", json_type_object, bundle_read_resources},
		{"rootfsPropagation", json_type_string, read_propagation},
		{"seccomp", json_type_object, bundle_read_seccomp},
		{"maskedPaths", json_type_array, read_masks},
		{"readonlyPaths", json_type_array, read_read_only_paths},
		{"personality", json_type_object, read_personality},
		{"mountLabel", json_type_string, item_refuse},
		{"intelRdt", json_type_object, item_refuse},
		{NULL},
	};
	return item_read_members(bundle, item, members);
}
