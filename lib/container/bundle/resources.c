/* SPDX-License-Identifier: MIT */
/* "linux.resources", but for devices, and for blockIO, which is in block_io.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/bundle/bundle.h"

/* A limit, where -1 is none. */
static int set_value(struct bundle *bundle, const struct item *item, const char *file, int64_t number)
{
	char text[24];
	snprintf(text, sizeof(text), "%lld", (long long)number);
	return item_result(item, viso_container_set_cgroup_value(bundle->container, file, number < 0 ? "max" : text));
}

static int read_memory_max(struct bundle *bundle, const struct item *item)
{
	int64_t limit;
	int r = item_number(item, -1, INT64_MAX, &limit);
	return r < 0 ? r
		     : item_result(item, viso_container_set_memory_max(bundle->container,
								       limit < 0 ? 0 : (uint64_t)limit));
}

static int read_reservation(struct bundle *bundle, const struct item *item)
{
	int64_t bytes;
	int r = item_number(item, -1, INT64_MAX, &bytes);
	return r < 0 || bytes == 0 ? r : set_value(bundle, item, "memory.low", bytes);
}

/* Of memory and swap together. */
static int read_swap(struct bundle *bundle, const struct item *item)
{
	int64_t both, limit = -1;
	int r = item_number(item, -1, INT64_MAX, &both);
	if (r == 0)
		r = item_find_number(item->parent, "limit", -1, INT64_MAX, &limit);
	if (r < 0 || both == 0)
		return r;
	if (both > 0 && (limit <= 0 || both < limit))
		return item_fail_value(item, "it is the limit of memory and swap together, and not below that of memory");
	uint64_t swap = both < 0 ? INT64_MAX : (uint64_t)(both - limit);
	return item_result(item, viso_container_set_swap_max(bundle->container, swap));
}

static int read_hierarchy(struct bundle *bundle, const struct item *item)
{
	return json_object_get_boolean(item->json) ? 0 : item_fail_unsupported(item, "groups are always counted so");
}

static int read_memory(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"limit", json_type_int, read_memory_max},
		{"reservation", json_type_int, read_reservation},
		{"swap", json_type_int, read_swap},
		{"kernel", json_type_int, item_refuse},
		{"kernelTCP", json_type_int, item_refuse},
		{"swappiness", json_type_int, item_refuse},
		{"disableOOMKiller", json_type_boolean, item_refuse},
		{"useHierarchy", json_type_boolean, read_hierarchy},
		{"checkBeforeUpdate", json_type_boolean}, /* of changes later on, which there are none of */
		{NULL},
	};
	return item_read_members(bundle, item, members);
}

/* From 2..262144 of version 1 to 1..10000 of version 2, as the other runtimes do it. */
static int read_shares(struct bundle *bundle, const struct item *item)
{
	int64_t shares;
	int r = item_number(item, 0, 262144, &shares);
	if (r < 0 || shares == 0)
		return r;
	if (shares < 2)
		return item_fail_value(item, "shares are a number from 2 to 262144");
	return item_result(item, viso_container_set_cpu_weight(bundle->container,
							       (unsigned)(1 + (shares - 2) * 9999 / 262142)));
}

static int read_burst(struct bundle *bundle, const struct item *item)
{
	int64_t burst;
	int r = item_number(item, 0, INT64_MAX, &burst);
	return r < 0 || burst == 0 ? r : set_value(bundle, item, "cpu.max.burst", burst);
}

static int read_idle(struct bundle *bundle, const struct item *item)
{
	int64_t idle;
	int r = item_number(item, 0, 1, &idle);
	return r < 0 || idle == 0 ? r : set_value(bundle, item, "cpu.idle", idle);
}

static int read_cpus(struct bundle *bundle, const struct item *item)
{
	const char *list = item_string(item);
	return *list ? item_result(item, viso_container_set_cpus(bundle->container, list)) : 0;
}

static int read_nodes(struct bundle *bundle, const struct item *item)
{
	const char *list = item_string(item);
	return *list ? item_result(item, viso_container_set_memory_nodes(bundle->container, list)) : 0;
}

static int read_cpu(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"shares", json_type_int, read_shares},
		{"quota", json_type_int},
		{"period", json_type_int},
		{"burst", json_type_int, read_burst},
		{"realtimeRuntime", json_type_int, item_refuse},
		{"realtimePeriod", json_type_int, item_refuse},
		{"cpus", json_type_string, read_cpus},
		{"mems", json_type_string, read_nodes},
		{"idle", json_type_int, read_idle},
		{NULL},
	};
	int64_t quota = -1, period = 0;
	int r = item_read_members(bundle, item, members);
	if (r == 0)
		r = item_find_number(item, "quota", -1, INT64_MAX, &quota);
	if (r == 0)
		r = item_find_number(item, "period", 0, INT64_MAX, &period);
	if (r < 0 || (quota <= 0 && period == 0))
		return r;
	return item_result(item, viso_container_set_cpu_max(bundle->container, quota < 0 ? 0 : (uint64_t)quota,
							    (uint64_t)period));
}

static int read_processes_max(struct bundle *bundle, const struct item *item)
{
	int64_t limit;
	int r = item_number(item, -1, INT64_MAX, &limit);
	return r < 0 || limit <= 0
		       ? r
		       : item_result(item, viso_container_set_processes_max(bundle->container, (uint64_t)limit));
}

static int read_pids(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {{"limit", json_type_int, read_processes_max, true}, {NULL}};
	return item_read_members(bundle, item, members);
}

/* "2MB" */
static int read_page_size(const struct item *item, uint64_t *out)
{
	static const char *const units[] = {"KB", "MB", "GB"};
	char *end;
	const char *text = item_string(item);
	unsigned long long number = strtoull(text, &end, 10);
	for (int i = 0; i < 3; i++)
		if (*text >= '1' && *text <= '9' && !strcmp(end, units[i]) && number < 1 << 20) {
			*out = (uint64_t)number << 10 * (i + 1);
			return 0;
		}
	return item_fail_value(item, "a size such as 2MB is wanted");
}

static int read_huge_pages(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"pageSize", json_type_string, NULL, true}, {"limit", json_type_int, NULL, true}, {NULL}};
	struct item page_size;
	uint64_t bytes = 0;
	int64_t limit = 0;
	int r = item_read_members(bundle, item, members);
	if (r == 0)
		r = item_find_number(item, "limit", 0, INT64_MAX, &limit);
	if (r < 0)
		return r;
	item_find(item, "pageSize", &page_size);
	r = read_page_size(&page_size, &bytes);
	return r < 0 ? r : item_result(item, viso_container_set_hugetlb_max(bundle->container, bytes, (uint64_t)limit));
}

static int read_huge_page_limits(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, read_huge_pages);
}

static int read_unified(struct bundle *bundle, const struct item *item)
{
	int r = item_check_strings(bundle, item);
	json_object_object_foreach(item->json, name, json)
	{
		const struct item value = {.parent = item, .name = name, .json = json};
		if (r == 0)
			r = item_result(&value, viso_container_set_cgroup_value(bundle->container, name,
										item_string(&value)));
	}
	return r;
}

int bundle_read_resources(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"memory", json_type_object, read_memory},
		{"cpu", json_type_object, read_cpu},
		{"pids", json_type_object, read_pids},
		{"blockIO", json_type_object, bundle_read_block_io},
		{"hugepageLimits", json_type_array, read_huge_page_limits},
		{"devices", json_type_array, bundle_read_device_rules},
		{"unified", json_type_object, read_unified},
		{"network", json_type_object, item_refuse},
		{"rdma", json_type_object, item_refuse},
		{NULL},
	};
	return item_read_members(bundle, item, members);
}
