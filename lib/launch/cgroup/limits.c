/* SPDX-License-Identifier: MIT */
/* A list of limits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "launch/cgroup/cgroup.h"

static struct cgroup_limit *add(struct cgroup_limits *limits)
{
	if (limits->count == limits->capacity) {
		size_t capacity = limits->capacity ? 2 * limits->capacity : 8;
		struct cgroup_limit *items = realloc(limits->items, capacity * sizeof(*items));
		if (!items)
			return NULL;
		limits->items = items;
		limits->capacity = capacity;
	}
	struct cgroup_limit *limit = &limits->items[limits->count++];
	memset(limit, 0, sizeof(*limit));
	return limit;
}

static bool set(struct cgroup_limit *limit, int version, const char *file, const char *value)
{
	if (!file)
		return true;
	snprintf(limit->version[version - 1].file, sizeof(limit->version[0].file), "%s", file);
	return (limit->version[version - 1].value = strdup(value)) != NULL;
}

int cgroup_limits_add(struct cgroup_limits *limits, const char *controller, uint32_t flags, const char *file_v1,
		      const char *value_v1, const char *file_v2, const char *value_v2)
{
	struct cgroup_limit *limit = add(limits);
	if (!limit)
		return error_memory();
	limit->controller = controller;
	limit->flags = flags;
	return set(limit, 1, file_v1, value_v1) && set(limit, 2, file_v2, value_v2) ? 0 : error_memory();
}

int cgroup_limits_add_number(struct cgroup_limits *limits, const char *controller, uint32_t flags, const char *file_v1,
			     const char *file_v2, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return cgroup_limits_add(limits, controller, flags, file_v1, text, file_v2, text);
}

void cgroup_limits_clear(struct cgroup_limits *limits)
{
	for (size_t i = 0; i < limits->count; i++)
		for (int version = 0; version < 2; version++)
			free(limits->items[i].version[version].value);
	free(limits->items);
	*limits = (struct cgroup_limits){0};
}
