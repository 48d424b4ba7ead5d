/* SPDX-License-Identifier: MIT */
/* "hooks". */
#include <string.h>

#include "container/bundle/bundle.h"
#include "container/container.h"
#include "core/error.h"

/* The list of strings, or none. 0 or a negative errno with the error set. */
static int read_strings(struct bundle *bundle, const struct item *hook, const char *name, struct strings *out)
{
	struct item list;
	int r = 0;
	if (!item_find(hook, name, &list))
		return 0;
	for (size_t i = 0; i < json_object_array_length(list.json) && r == 0; i++) {
		const struct item item = {
			.parent = &list, .index = i, .json = json_object_array_get_idx(list.json, i)};
		if (!json_object_is_type(item.json, json_type_string))
			return item_fail_value(&item, "a string is wanted");
		r = strings_add(out, item_string(&item)) < 0 ? error_memory() : 0;
	}
	return r;
}

static int read_hook(struct bundle *bundle, const struct item *item, viso_hook when)
{
	static const struct member members[] = {{"path", json_type_string, NULL, true},
						{"args", json_type_array},
						{"env", json_type_array},
						{"timeout", json_type_int},
						{NULL}};
	struct container_hook hook = {.when = when};
	struct item path;
	int64_t seconds = 0;
	int r = item_read_members(bundle, item, members);
	if (r == 0)
		r = item_find_number(item, "timeout", 1, 1000000, &seconds);
	if (r < 0)
		return r;
	item_find(item, "path", &path);
	if (*item_string(&path) != '/')
		return item_fail_value(&path, "an absolute path is wanted");
	hook.path = strdup(item_string(&path));
	hook.cwd = strdup("/");
	hook.timeout_ms = (uint64_t)seconds * 1000;
	r = read_strings(bundle, item, "args", &hook.argv);
	if (r == 0)
		r = read_strings(bundle, item, "env", &hook.env);
	if (r == 0 && (!hook.path || !hook.cwd ||
		       (!hook.argv.count && strings_add(&hook.argv, item_string(&path)) < 0)))
		r = error_memory();
	if (r == 0)
		return item_result(item, hooks_take(&bundle->container->hooks, &hook));
	hook_release(&hook);
	return r;
}

static int read_create_runtime(struct bundle *bundle, const struct item *item)
{
	return read_hook(bundle, item, VISO_HOOK_CREATE_RUNTIME);
}

static int read_create_container(struct bundle *bundle, const struct item *item)
{
	return read_hook(bundle, item, VISO_HOOK_CREATE_CONTAINER);
}

static int read_start_container(struct bundle *bundle, const struct item *item)
{
	return read_hook(bundle, item, VISO_HOOK_START_CONTAINER);
}

static int read_poststart(struct bundle *bundle, const struct item *item)
{
	return read_hook(bundle, item, VISO_HOOK_POSTSTART);
}

static int read_poststop(struct bundle *bundle, const struct item *item)
{
	return read_hook(bundle, item, VISO_HOOK_POSTSTOP);
}

static int read_create_runtimes(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, read_create_runtime);
}

static int read_create_containers(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, read_create_container);
}

static int read_start_containers(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, read_start_container);
}

static int read_poststarts(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, read_poststart);
}

static int read_poststops(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, read_poststop);
}

int bundle_read_hooks(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		/* The old name of the next one; these go first. */
		{"prestart", json_type_array, read_create_runtimes},
		{"createRuntime", json_type_array, read_create_runtimes},
		{"createContainer", json_type_array, read_create_containers},
		{"startContainer", json_type_array, read_start_containers},
		{"poststart", json_type_array, read_poststarts},
		{"poststop", json_type_array, read_poststops},
		{NULL},
	};
	return item_read_members(bundle, item, members);
}
