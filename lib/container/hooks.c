/* SPDX-License-Identifier: MIT */
/* Hooks; program/hooks.c runs them. */
#include "container/hooks.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "container/container.h"
#include "core/cleanup.h"
#include "core/error.h"

static const uint64_t default_timeout_ms = 30000;

void hook_release(struct container_hook *hook)
{
	free(hook->path);
	free(hook->cwd);
	strings_clear(&hook->argv);
	strings_clear(&hook->env);
}

int hooks_take(struct container_hooks *hooks, struct container_hook *hook)
{
	int r = 0;
	if (hooks->count == PLAN_HOOKS_MAX)
		r = error_fail(VISO_STAGE_ARGUMENT, E2BIG, hook->path, "a container has at most %d hooks",
			       PLAN_HOOKS_MAX);
	struct container_hook *items =
		r < 0 ? NULL : reallocarray(hooks->items, hooks->count + 1, sizeof(*hooks->items));
	if (items) {
		hooks->items = items;
		items[hooks->count++] = *hook;
		return 0;
	}
	hook_release(hook);
	return r < 0 ? r : error_memory();
}

static int copy_strings(struct strings *to, const struct strings *from)
{
	for (size_t i = 0; i < from->count; i++)
		if (strings_add(to, from->items[i]) < 0)
			return -ENOMEM;
	return 0;
}

/* What a hook has no use for is not passed over in silence. */
static int check_command(const viso_command *command, const char *function)
{
	if (command->argv.items[0][0] != '/')
		return error_argument(function, "the program of a hook is an absolute path");
	return command->has_user || command->group_count || command->added_count || command->terminal.columns
		       ? error_argument(function,
					"of its command a hook has the arguments, the environment, the working "
					"directory and the time limit only")
		       : 0;
}

int viso_container_add_hook(viso_container *container, viso_hook when, const viso_command *command)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (when < VISO_HOOK_CREATE_RUNTIME || when > VISO_HOOK_POSTSTOP)
		return error_argument(__func__, "there is no such moment");
	if (!command)
		return error_argument(__func__, "the command is NULL");
	r = check_command(command, __func__);
	if (r < 0)
		return r;
	struct container_hook hook = {.when = when,
				      .path = strdup(command->argv.items[0]),
				      .cwd = strdup(command->cwd),
				      .timeout_ms = command->timeout_ms};
	if (hook.path && hook.cwd && copy_strings(&hook.argv, &command->argv) == 0 &&
	    copy_strings(&hook.env, &command->env) == 0)
		return hooks_take(&container->hooks, &hook);
	hook_release(&hook);
	return error_memory();
}

static int add_member(struct json_object *state, const char *name, const char *value)
{
	json_object *json = json_object_new_string(value);
	if (json && json_object_object_add(state, name, json) == 0)
		return 0;
	json_object_put(json);
	return -ENOMEM;
}

/* The part of the state that does not change, without its end; the launcher adds status and pid (runtime.md, "State").
 */
static int add_state(struct launch_request *request, const viso_container *container)
{
	static atomic_uint last;
	char id[32];
	snprintf(id, sizeof(id), "viso-%d-%u", getpid(), atomic_fetch_add(&last, 1) + 1);
	const bool named = container->detached.directory >= 0;
	const char *bundle = container->hooks.bundle;
	json_object *state = json_object_new_object();
	if (!state || add_member(state, "ociVersion", "1.1.0") < 0 ||
	    add_member(state, "id", named ? container->detached.name : id) < 0 ||
	    add_member(state, "bundle", bundle ? bundle : "") < 0) {
		json_object_put(state);
		return error_memory();
	}
	const char *text =
		json_object_to_json_string_ext(state, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	plan_offset offset = text ? request_add_string(request, text) : 0;
	if (offset)
		((char *)request->plan)[offset + strlen(text) - 1] = '\0';
	request->plan->hooks.state = offset;
	json_object_put(state);
	return offset ? 0 : error_memory();
}

static struct plan_strings add_strings(struct launch_request *request, const struct strings *list)
{
	struct plan_strings added = {.count = (uint32_t)list->count, .first = request->plan->head.size};
	for (size_t i = 0; i < list->count; i++)
		request_add_string(request, list->items[i]);
	return added;
}

/* The worker runs these while the init waits, which waits for the host program's network before that. */
static int check_network(const struct launch_request *request, const struct container_hooks *hooks)
{
	for (size_t i = 0; i < hooks->count; i++)
		if (hooks->items[i].when == VISO_HOOK_CREATE_RUNTIME && request->plan->network.kind > VISO_NETWORK_HOST)
			return error_fail(
				VISO_STAGE_HOOK, EOPNOTSUPP, hooks->items[i].path,
				"a hook of VISO_HOOK_CREATE_RUNTIME cannot be together with an interface that "
				"the library makes; take VISO_NETWORK_NONE, or another moment");
	return 0;
}

int hooks_add(struct launch_request *request, const viso_container *container)
{
	const struct container_hooks *hooks = &container->hooks;
	struct plan_hook planned[PLAN_HOOKS_MAX];
	if (!hooks->count)
		return 0;
	int r = check_network(request, hooks);
	if (r < 0)
		return r;
	for (size_t i = 0; i < hooks->count; i++) {
		const struct container_hook *hook = &hooks->items[i];
		planned[i] = (struct plan_hook){
			.when = hook->when,
			.path = request_add_string(request, hook->path),
			.cwd = request_add_string(request, hook->cwd),
			.argv = add_strings(request, &hook->argv),
			.env = add_strings(request, &hook->env),
			.timeout_ms = hook->timeout_ms ? hook->timeout_ms : default_timeout_ms,
		};
	}
	plan_offset first = request_add_bytes(request, planned, hooks->count * sizeof(planned[0]));
	request->plan->hooks.first = first;
	request->plan->hooks.count = (uint32_t)hooks->count;
	r = add_state(request, container);
	return r < 0 ? r : request->error;
}

void hooks_release(struct container_hooks *hooks)
{
	for (size_t i = 0; i < hooks->count; i++)
		hook_release(&hooks->items[i]);
	free(hooks->items);
	free(hooks->bundle);
}
