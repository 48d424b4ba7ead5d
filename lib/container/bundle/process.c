/* SPDX-License-Identifier: MIT */
/* "process": the command. */
#include <errno.h>
#include <string.h>

#include "command/command.h"
#include "container/bundle/bundle.h"
#include "container/container.h"
#include "core/cleanup.h"
#include "core/error.h"

enum { COLUMNS = 80, ROWS = 25, SIZE_MOST = 65535 };
static const int64_t id_most = UINT32_MAX - 1;

static int read_arg(struct bundle *bundle, const struct item *item)
{
	if (bundle->command)
		return item_result(item, viso_command_add_arg(bundle->command, item_string(item)));
	bundle->command = viso_command_new(item_string(item));
	return bundle->command ? 0 : item_result(item, -viso_error_number());
}

static int read_args(struct bundle *bundle, const struct item *item)
{
	int r = item_read_list(bundle, item, json_type_string, read_arg);
	if (r == 0 && !bundle->command)
		return item_fail_value(item, "a program is needed");
	return r < 0 ? r : item_result(item, viso_command_clear_env(bundle->command));
}

static int read_variable(struct bundle *bundle, const struct item *item)
{
	const char *text = item_string(item), *equals = strchr(text, '=');
	if (!equals)
		return item_fail_value(item, "NAME=value is wanted");
	_cleanup_free_ char *name = strndup(text, (size_t)(equals - text));
	if (!name)
		return error_memory();
	return item_result(item, viso_command_set_env(bundle->command, name, equals + 1));
}

static int read_env(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_string, read_variable);
}

static int read_cwd(struct bundle *bundle, const struct item *item)
{
	return item_result(item, viso_command_set_cwd(bundle->command, item_string(item)));
}

static int read_groups(struct bundle *bundle, const struct item *item)
{
	unsigned groups[COMMAND_GROUPS_MAX];
	size_t count = json_object_array_length(item->json);
	if (count > COMMAND_GROUPS_MAX)
		return item_fail_unsupported(item, "more than 64 groups");
	for (size_t i = 0; i < count; i++) {
		const struct item group = {
			.parent = item, .index = i, .json = json_object_array_get_idx(item->json, i)};
		int64_t id;
		int r = json_object_is_type(group.json, json_type_int)
				? item_number(&group, 0, id_most, &id)
				: item_fail_value(&group, "a whole number is wanted");
		if (r < 0)
			return r;
		groups[i] = (unsigned)id;
	}
	return item_result(item, viso_command_set_groups(bundle->command, groups, count));
}

static int read_umask(struct bundle *bundle, const struct item *item)
{
	int64_t mask;
	int r = item_number(item, 0, 0777, &mask);
	return r < 0 ? r : item_result(item, viso_command_set_umask(bundle->command, (unsigned)mask));
}

static int read_user(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"uid", json_type_int},
		{"gid", json_type_int},
		{"additionalGids", json_type_array, read_groups},
		{"umask", json_type_int, read_umask},
		{"username", json_type_string, item_refuse},
		{NULL},
	};
	int64_t uid = 0, gid = 0;
	int r = item_find_number(item, "uid", 0, id_most, &uid);
	if (r == 0)
		r = item_find_number(item, "gid", 0, id_most, &gid);
	if (r == 0)
		r = item_result(item, viso_command_set_user(bundle->command, (unsigned)uid, (unsigned)gid));
	return r < 0 ? r : item_read_members(bundle, item, members);
}

static int read_terminal(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {{"height", json_type_int}, {"width", json_type_int}, {NULL}};
	int64_t columns = COLUMNS, rows = ROWS;
	struct item size;
	int r = 0;
	if (!json_object_get_boolean(item->json))
		return 0;
	if (item_find(item->parent, "consoleSize", &size)) {
		r = item_read_members(bundle, &size, members);
		if (r == 0)
			r = item_find_number(&size, "width", 1, SIZE_MOST, &columns);
		if (r == 0)
			r = item_find_number(&size, "height", 1, SIZE_MOST, &rows);
	}
	return r < 0 ? r
		     : item_result(item, viso_command_set_terminal(bundle->command, (unsigned)columns, (unsigned)rows));
}

static int find_limit(const struct item *item, const char *type)
{
	static const char *const names[] = {
		[VISO_RLIMIT_ADDRESS_SPACE] = "RLIMIT_AS", [VISO_RLIMIT_CORE] = "RLIMIT_CORE",
		[VISO_RLIMIT_CPU] = "RLIMIT_CPU",	   [VISO_RLIMIT_DATA] = "RLIMIT_DATA",
		[VISO_RLIMIT_FILE_SIZE] = "RLIMIT_FSIZE",  [VISO_RLIMIT_OPEN_FILES] = "RLIMIT_NOFILE",
		[VISO_RLIMIT_PROCESSES] = "RLIMIT_NPROC",  [VISO_RLIMIT_STACK] = "RLIMIT_STACK",
		[VISO_RLIMIT_LOCKED_MEMORY] = "RLIMIT_MEMLOCK",
	};
	for (int i = 0; i < COMMAND_RLIMITS; i++)
		if (!strcmp(names[i], type))
			return i;
	return item_fail_unsupported(item, "the library does not set this limit");
}

static int read_limit(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {{"type", json_type_string, NULL, true},
						{"soft", json_type_int, NULL, true},
						{"hard", json_type_int, NULL, true},
						{NULL}};
	struct item type, soft, hard;
	int r = item_read_members(bundle, item, members);
	if (r < 0)
		return r;
	item_find(item, "type", &type);
	item_find(item, "soft", &soft);
	item_find(item, "hard", &hard);
	int resource = find_limit(&type, item_string(&type));
	if (resource < 0)
		return resource;
	/* RLIM_INFINITY is the highest number. */
	uint64_t low = json_object_get_uint64(soft.json), high = json_object_get_uint64(hard.json);
	if (json_object_get_int64(soft.json) < 0 || json_object_get_int64(hard.json) < 0)
		return item_fail_value(item, "a limit is not negative");
	if (low > high)
		return item_fail_value(&soft, "it is above the hard limit");
	command_set_rlimits(bundle->command, (viso_rlimit)resource, low, high);
	return 0;
}

static int read_limits(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, read_limit);
}

static int read_no_new_privileges(struct bundle *bundle, const struct item *item)
{
	return item_result(
		item, viso_container_set_new_privileges(bundle->container, !json_object_get_boolean(item->json)));
}

static int read_apparmor(struct bundle *bundle, const struct item *item)
{
	return strcmp(item_string(item), "unconfined") ? item_refuse(bundle, item) : 0;
}

static int read_oom_score(struct bundle *bundle, const struct item *item)
{
	int64_t score;
	int r = item_number(item, -1000, 1000, &score);
	return r < 0 ? r : item_result(item, viso_command_set_oom_score_adj(bundle->command, (int)score));
}

static int find_policy(const struct item *item, const char *name)
{
	static const struct {
		const char *name;
		viso_scheduler policy;
	} policies[] = {{"SCHED_OTHER", VISO_SCHEDULER_OTHER},
			{"SCHED_FIFO", VISO_SCHEDULER_FIFO},
			{"SCHED_RR", VISO_SCHEDULER_RR},
			{"SCHED_BATCH", VISO_SCHEDULER_BATCH},
			{"SCHED_IDLE", VISO_SCHEDULER_IDLE}};
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
		if (!strcmp(policies[i].name, name))
			return policies[i].policy;
	return item_fail_unsupported(item, "the library does not have this policy");
}

static int read_scheduler(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"policy", json_type_string, NULL, true}, {"nice", json_type_int},
		{"priority", json_type_int},		  {"flags", json_type_array, item_refuse},
		{"runtime", json_type_int, item_refuse},  {"deadline", json_type_int, item_refuse},
		{"period", json_type_int, item_refuse},	  {NULL},
	};
	int64_t nice = 0, priority = 0;
	struct item policy, nice_item;
	int r = item_read_members(bundle, item, members);
	if (r == 0)
		r = item_find_number(item, "nice", -20, 19, &nice);
	if (r == 0)
		r = item_find_number(item, "priority", 0, 99, &priority);
	if (r < 0)
		return r;
	item_find(item, "policy", &policy);
	int found = find_policy(&policy, item_string(&policy));
	if (found < 0)
		return found;
	r = item_result(item, viso_command_set_scheduler(bundle->command, (viso_scheduler)found, (int)priority));
	if (r == 0 && item_find(item, "nice", &nice_item))
		r = item_result(&nice_item, viso_command_set_nice(bundle->command, (int)nice));
	return r;
}

int bundle_read_process(struct bundle *bundle, const struct item *item)
{
	/* The program first, since all else is set of the command. */
	static const struct member members[] = {
		{"args", json_type_array, read_args, true},
		{"env", json_type_array, read_env},
		{"cwd", json_type_string, read_cwd, true},
		{"user", json_type_object, read_user},
		{"terminal", json_type_boolean, read_terminal},
		{"consoleSize", json_type_object},
		{"capabilities", json_type_object, bundle_read_capabilities},
		{"rlimits", json_type_array, read_limits},
		{"noNewPrivileges", json_type_boolean, read_no_new_privileges},
		{"apparmorProfile", json_type_string, read_apparmor},
		{"selinuxLabel", json_type_string, item_refuse},
		{"oomScoreAdj", json_type_int, read_oom_score},
		{"scheduler", json_type_object, read_scheduler},
		{"ioPriority", json_type_object, item_refuse},
		{"commandLine", json_type_string, item_refuse},
		{NULL},
	};
	struct item user;
	int r = item_read_members(bundle, item, members);
	/* Without one it is the container's root. */
	if (r == 0 && !item_find(item, "user", &user))
		r = item_result(item, viso_command_set_user(bundle->command, 0, 0));
	return r;
}
