/* SPDX-License-Identifier: MIT */
/* "linux.namespaces", ids, clocks and kernel parameters. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "container/bundle/bundle.h"
#include "core/cleanup.h"
#include "core/error.h"

static const struct {
	const char *name;
	viso_namespace kind;
} kinds[] = {
	{"mount", VISO_NAMESPACE_MOUNT}, {"pid", VISO_NAMESPACE_PID}, {"network", VISO_NAMESPACE_NETWORK},
	{"ipc", VISO_NAMESPACE_IPC},	 {"uts", VISO_NAMESPACE_UTS}, {"user", VISO_NAMESPACE_USER},
	{"cgroup", VISO_NAMESPACE_CGROUP}, {"time", VISO_NAMESPACE_TIME},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static int find_kind(const struct item *item)
{
	for (int i = 0; i < KINDS; i++)
		if (!strcmp(kinds[i].name, item_string(item)))
			return (int)kinds[i].kind;
	return item_fail_value(item, "there is no such namespace");
}

static int join(struct bundle *bundle, const struct item *path, viso_namespace kind)
{
	const char *name = item_string(path);
	if (*name != '/')
		return item_fail_value(path, "an absolute path is wanted");
	_cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return item_result(path, error_fail(VISO_STAGE_ARGUMENT, errno, name, NULL));
	bundle->joined |= 1u << kind;
	return item_result(path, viso_container_join_namespace(bundle->container, kind, fd));
}

static int read_namespace(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"type", json_type_string, NULL, true}, {"path", json_type_string}, {NULL}};
	struct item type, path;
	int r = item_read_members(bundle, item, members);
	if (r < 0)
		return r;
	item_find(item, "type", &type);
	int kind = find_kind(&type);
	if (kind < 0)
		return kind;
	if (bundle->namespaces >> kind & 1)
		return item_fail_value(&type, "it is there twice");
	bundle->namespaces |= 1u << kind;
	return item_find(item, "path", &path) && *item_string(&path) ? join(bundle, &path, (viso_namespace)kind) : 0;
}

/*
 * What is not in the list is the host's. Two are more than asked for: a user namespace is always made, which takes
 * rights away and gives none; and time that nobody moves is the same in each.
 */
static int share_the_rest(struct bundle *bundle, const struct item *item)
{
	int r = 0;
	for (int i = 0; i < KINDS && r == 0; i++) {
		viso_namespace kind = kinds[i].kind;
		if ((bundle->namespaces >> kind & 1) || kind == VISO_NAMESPACE_USER || kind == VISO_NAMESPACE_TIME)
			continue;
		if (kind == VISO_NAMESPACE_MOUNT || kind == VISO_NAMESPACE_PID)
			return item_fail_unsupported(item, kind == VISO_NAMESPACE_PID
							       ? "the host's processes cannot be shared: add \"pid\""
							       : "the host's mounts cannot be shared: add \"mount\"");
		r = item_result(item, viso_container_share_namespace(bundle->container, kind));
	}
	return r;
}

int bundle_read_namespaces(struct bundle *bundle, const struct item *item)
{
	int r = item_read_list(bundle, item, json_type_object, read_namespace);
	return r < 0 ? r : share_the_rest(bundle, item);
}

static int read_range(struct bundle *bundle, const struct item *item, viso_id_kind kind)
{
	static const struct member members[] = {{"containerID", json_type_int, NULL, true},
						{"hostID", json_type_int, NULL, true},
						{"size", json_type_int, NULL, true},
						{NULL}};
	int64_t inside = 0, outside = 0, count = 0;
	int r = item_read_members(bundle, item, members);
	if (r == 0)
		r = item_find_number(item, "containerID", 0, UINT32_MAX, &inside);
	if (r == 0)
		r = item_find_number(item, "hostID", 0, UINT32_MAX, &outside);
	if (r == 0)
		r = item_find_number(item, "size", 1, UINT32_MAX, &count);
	return r < 0 ? r
		     : item_result(item, viso_container_add_id_map(bundle->container, kind, (unsigned)inside,
								   (unsigned)outside, (unsigned)count));
}

static int read_user_range(struct bundle *bundle, const struct item *item)
{
	return read_range(bundle, item, VISO_ID_USER);
}

static int read_group_range(struct bundle *bundle, const struct item *item)
{
	return read_range(bundle, item, VISO_ID_GROUP);
}

static int read_ids(struct bundle *bundle, const struct item *item, item_reader *read)
{
	const unsigned user = 1u << VISO_NAMESPACE_USER;
	if (json_object_array_length(item->json) && (!(bundle->namespaces & user) || (bundle->joined & user)))
		return item_fail_value(item, "ids are mapped in a new user namespace only: add \"user\" to namespaces");
	return item_read_list(bundle, item, json_type_object, read);
}

int bundle_read_user_ids(struct bundle *bundle, const struct item *item)
{
	return read_ids(bundle, item, read_user_range);
}

int bundle_read_group_ids(struct bundle *bundle, const struct item *item)
{
	return read_ids(bundle, item, read_group_range);
}

static int read_offset(struct bundle *bundle, const struct item *item, viso_clock clock)
{
	static const struct member members[] = {{"secs", json_type_int}, {"nanosecs", json_type_int}, {NULL}};
	const int64_t second = 1000000000, most = INT64_MAX / second - 1;
	int64_t seconds = 0, rest = 0;
	int r = item_read_members(bundle, item, members);
	if (r == 0)
		r = item_find_number(item, "secs", -most, most, &seconds);
	if (r == 0)
		r = item_find_number(item, "nanosecs", 0, second - 1, &rest);
	return r < 0 ? r
		     : item_result(item, viso_container_set_clock_offset(bundle->container, clock,
									 seconds * second + rest));
}

static int read_monotonic(struct bundle *bundle, const struct item *item)
{
	return read_offset(bundle, item, VISO_CLOCK_MONOTONIC);
}

static int read_boottime(struct bundle *bundle, const struct item *item)
{
	return read_offset(bundle, item, VISO_CLOCK_BOOTTIME);
}

int bundle_read_time_offsets(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"monotonic", json_type_object, read_monotonic}, {"boottime", json_type_object, read_boottime}, {NULL}};
	if (json_object_object_length(item->json) && !(bundle->namespaces >> VISO_NAMESPACE_TIME & 1))
		return item_fail_value(item, "clocks are moved in a new time namespace only: add \"time\" to namespaces");
	return item_read_members(bundle, item, members);
}

int bundle_read_sysctl(struct bundle *bundle, const struct item *item)
{
	int r = item_check_strings(bundle, item);
	json_object_object_foreach(item->json, name, json)
	{
		const struct item parameter = {.parent = item, .name = name, .json = json};
		if (r == 0)
			r = item_result(&parameter, viso_container_set_sysctl(bundle->container, name,
									      item_string(&parameter)));
	}
	return r;
}
