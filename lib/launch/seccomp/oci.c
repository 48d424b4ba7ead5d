/* SPDX-License-Identifier: MIT */
/*
 * What is not known here is an error, so that no profile is weaker than it reads. Two things are stricter than written:
 * all that kills ends the whole process, and calls of i386 and x32 stay closed, whatever `architectures` says. Of
 * several rules for one call the strictest holds. Several conditions on one argument are alternatives, as the other
 * runtimes have it.
 */
#include "launch/seccomp/oci.h"

#include <errno.h>
#include <json-c/json.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>
#include <sys/utsname.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"

enum { DEPTH_MAX = 16, ERRNO_MAX = 4095 };

struct reading {
	const char *name;
	struct oci_profile profile;
};

static void cleanup_json(json_object **json)
{
	json_object_put(*json);
}

static void cleanup_tokener(json_tokener **tokener)
{
	if (*tokener)
		json_tokener_free(*tokener);
}

static int fail_format(const struct reading *reading, const char *member, const char *what)
{
	return error_fail(VISO_STAGE_SECCOMP, EINVAL, reading->name, "%s is no seccomp profile: %s: %s", reading->name,
			  member, what);
}

static int fail_unsupported(const struct reading *reading, const char *member, const char *value)
{
	return error_fail(VISO_STAGE_SECCOMP, EOPNOTSUPP, reading->name,
			  "%s asks for what there is not: %s%s%s; take it out of the profile", reading->name, member,
			  value ? ": " : "", value ? value : "");
}

/* A string, or NULL where there is none or it is something else. */
static const char *string_member(json_object *json, const char *member)
{
	json_object *value = json_object_object_get(json, member);
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

/* 0 and `out`, which is NULL where there is no such list; or a negative errno. */
static int list_member(const struct reading *reading, json_object *json, const char *member, json_object **out)
{
	*out = json_object_object_get(json, member);
	if (!*out || json_object_is_type(*out, json_type_array))
		return 0;
	*out = NULL;
	return fail_format(reading, member, "no list");
}

static int check_members(const struct reading *reading, json_object *json, const char *const *known)
{
	json_object_object_foreach(json, member, value)
	{
		const char *const *name = known;
		(void)value;
		while (*name && strcmp(*name, member))
			name++;
		if (!*name)
			return fail_unsupported(reading, member, NULL);
	}
	return 0;
}

static int parse_action(const struct reading *reading, const char *member, const char *text, uint32_t *out)
{
	static const struct {
		const char *name;
		viso_syscall_action action;
	} actions[] = {
		{"SCMP_ACT_ALLOW", VISO_SYSCALL_ALLOW},      {"SCMP_ACT_LOG", VISO_SYSCALL_LOG},
		{"SCMP_ACT_NOTIFY", VISO_SYSCALL_NOTIFY},    {"SCMP_ACT_ERRNO", VISO_SYSCALL_ERROR},
		{"SCMP_ACT_TRAP", VISO_SYSCALL_TRAP},        {"SCMP_ACT_KILL", VISO_SYSCALL_KILL},
		{"SCMP_ACT_KILL_THREAD", VISO_SYSCALL_KILL}, {"SCMP_ACT_KILL_PROCESS", VISO_SYSCALL_KILL},
	};
	if (!text)
		return fail_format(reading, member, "missing or no string");
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (!strcmp(text, actions[i].name)) {
			*out = actions[i].action;
			return 0;
		}
	/* Without a tracer it would be ENOSYS; and none can be had. */
	if (!strcmp(text, "SCMP_ACT_TRACE"))
		return fail_unsupported(reading, member, text);
	return fail_format(reading, member, "no such action");
}

/* The number, or where there is none the name of an errno; EPERM where there is neither. */
static int parse_errno(const struct reading *reading, json_object *json, const char *number, const char *text,
		       uint32_t action, uint32_t *out)
{
	json_object *value = json_object_object_get(json, number);
	const char *name = string_member(json, text);
	int error = EPERM;
	if (action != VISO_SYSCALL_ERROR)
		return 0;
	if (value) {
		if (!json_object_is_type(value, json_type_int))
			return fail_format(reading, number, "no number");
		error = json_object_get_int(value);
	} else if (name) {
		for (error = 1; error <= ERRNO_MAX; error++)
			if (strerrorname_np(error) && !strcmp(strerrorname_np(error), name))
				break;
	}
	if (error < 0 || error > ERRNO_MAX)
		return fail_format(reading, number, "no errno");
	*out = (uint32_t)error;
	return 0;
}

static int parse_condition(const struct reading *reading, json_object *json, struct seccomp_condition *out)
{
	static const char *const known[] = {"index", "value", "valueTwo", "op", NULL};
	static const char *const operators[] = {
		[COMPARE_NE] = "SCMP_CMP_NE",
		[COMPARE_LT] = "SCMP_CMP_LT",
		[COMPARE_LE] = "SCMP_CMP_LE",
		[COMPARE_EQ] = "SCMP_CMP_EQ",
		[COMPARE_GE] = "SCMP_CMP_GE",
		[COMPARE_GT] = "SCMP_CMP_GT",
		[COMPARE_MASKED] = "SCMP_CMP_MASKED_EQ",
	};
	if (!json_object_is_type(json, json_type_object))
		return fail_format(reading, "args", "no object");
	int r = check_members(reading, json, known);
	if (r < 0)
		return r;
	json_object *index = json_object_object_get(json, "index"), *value = json_object_object_get(json, "value");
	json_object *two = json_object_object_get(json, "valueTwo");
	const char *text = string_member(json, "op");
	if (!json_object_is_type(index, json_type_int) || !json_object_is_type(value, json_type_int) ||
	    (two && !json_object_is_type(two, json_type_int)) || !text)
		return fail_format(reading, "args", "index, value and op are needed");
	int argument = json_object_get_int(index);
	if (argument < 0 || argument >= SECCOMP_ARGUMENTS)
		return fail_format(reading, "index", "an argument is a number from 0 to 5");
	uint32_t compare = 0;
	while (compare <= COMPARE_MASKED && strcmp(operators[compare], text))
		compare++;
	if (compare > COMPARE_MASKED)
		return fail_format(reading, "op", "no such comparison");
	uint64_t first = json_object_get_uint64(value), second = two ? json_object_get_uint64(two) : 0;
	bool masked = compare == COMPARE_MASKED; /* the first is the mask then */
	*out = (struct seccomp_condition){.argument = (uint32_t)argument,
					  .compare = compare,
					  .value = masked ? second : first,
					  .other = masked ? first : 0};
	return 0;
}

static int add_rule(struct oci_profile *profile, const struct oci_rule *rule)
{
	if (profile->count == SECCOMP_RULES_MAX)
		return error_fail(VISO_STAGE_SECCOMP, E2BIG, "seccomp", "more than %d seccomp rules",
				  SECCOMP_RULES_MAX);
	if (profile->count == profile->capacity) {
		size_t capacity = profile->capacity ? 2 * profile->capacity : 64;
		struct oci_rule *items = reallocarray(profile->items, capacity, sizeof(*items));
		if (!items)
			return error_memory();
		profile->items = items;
		profile->capacity = capacity;
	}
	profile->items[profile->count++] = *rule;
	return 0;
}

struct conditions {
	struct seccomp_condition items[SECCOMP_ARGUMENTS];
	uint32_t count;
	bool alternatives;
};

static int parse_conditions(const struct reading *reading, json_object *entry, struct conditions *out)
{
	json_object *args;
	unsigned seen = 0;
	int r = list_member(reading, entry, "args", &args);
	size_t count = args ? json_object_array_length(args) : 0;
	if (r == 0 && count > SECCOMP_ARGUMENTS)
		return fail_format(reading, "args", "more than 6");
	for (size_t i = 0; i < count && r == 0; i++) {
		r = parse_condition(reading, json_object_array_get_idx(args, i), &out->items[i]);
		if (r == 0 && (seen >> out->items[i].argument & 1))
			out->alternatives = true;
		if (r == 0)
			seen |= 1u << out->items[i].argument;
	}
	out->count = (uint32_t)count;
	return r;
}

static int add_call(struct reading *reading, const char *name, const struct oci_rule *like,
		    const struct conditions *conditions)
{
	struct oci_rule rule = *like;
	int number = seccomp_number(name);
	if (number < 0) {
		if (number == -ENOENT)
			log_info("%s: no system call %s is known; the rule is passed over", reading->name, name);
		return 0;
	}
	rule.rule.number = number;
	if (!conditions->alternatives) {
		rule.rule.condition_count = conditions->count;
		memcpy(rule.rule.conditions, conditions->items, conditions->count * sizeof(conditions->items[0]));
		return add_rule(&reading->profile, &rule);
	}
	int r = 0;
	rule.rule.condition_count = 1;
	for (uint32_t i = 0; i < conditions->count && r == 0; i++) {
		rule.rule.conditions[0] = conditions->items[i];
		r = add_rule(&reading->profile, &rule);
	}
	return r;
}

static int parse_capabilities(const struct reading *reading, json_object *json, uint64_t *out)
{
	json_object *list;
	int r = list_member(reading, json, "caps", &list);
	for (size_t i = 0; r == 0 && list && i < json_object_array_length(list); i++) {
		json_object *item = json_object_array_get_idx(list, i);
		cap_value_t value;
		if (!json_object_is_type(item, json_type_string) ||
		    cap_from_name(json_object_get_string(item), &value) < 0 || value > 63)
			return fail_format(reading, "caps", "no such capability");
		*out |= UINT64_C(1) << value;
	}
	return r;
}

/* Processors by the names that these profiles have for them, which are those of Go. */
static bool is_this_processor(const char *name)
{
#if defined(__x86_64__)
	return !strcmp(name, "amd64") || !strcmp(name, "x86_64");
#else
	return !strcmp(name, "arm64") || !strcmp(name, "aarch64");
#endif
}

static int find_processor(const struct reading *reading, json_object *json, bool *out_named, bool *out_found)
{
	json_object *list;
	int r = list_member(reading, json, "arches", &list);
	*out_named = list && json_object_array_length(list) > 0;
	for (size_t i = 0; r == 0 && list && i < json_object_array_length(list); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(list, i));
		*out_found |= name && is_this_processor(name);
	}
	return r;
}

/* "5.8": whether this kernel is as new. */
static int check_kernel(const struct reading *reading, json_object *json, bool *out_new_enough)
{
	const char *text = string_member(json, "minKernel");
	int wanted[2], found[2];
	struct utsname name;
	*out_new_enough = true;
	if (!json_object_object_get(json, "minKernel"))
		return 0;
	if (!text || sscanf(text, "%d.%d", &wanted[0], &wanted[1]) != 2)
		return fail_format(reading, "minKernel", "no version");
	if (uname(&name) == 0 && sscanf(name.release, "%d.%d", &found[0], &found[1]) == 2)
		*out_new_enough = found[0] > wanted[0] || (found[0] == wanted[0] && found[1] >= wanted[1]);
	return 0;
}

/* 0 where the rule never holds here, 1 where it may, by the container's capabilities; or a negative errno. */
static int parse_circumstances(const struct reading *reading, json_object *entry, const char *member, bool include,
			       uint64_t *out_capabilities)
{
	static const char *const known[] = {"caps", "arches", "minKernel", NULL};
	bool named = false, found = false, new_enough = true;
	json_object *json = json_object_object_get(entry, member);
	if (!json)
		return 1;
	if (!json_object_is_type(json, json_type_object))
		return fail_format(reading, member, "no object");
	int r = check_members(reading, json, known);
	if (r == 0)
		r = parse_capabilities(reading, json, out_capabilities);
	if (r == 0)
		r = find_processor(reading, json, &named, &found);
	if (r == 0)
		r = check_kernel(reading, json, &new_enough);
	if (r < 0)
		return r;
	if (include)
		return (!named || found) && new_enough;
	return !found && !(json_object_object_get(json, "minKernel") && new_enough);
}

static int parse_entry(struct reading *reading, json_object *entry)
{
	static const char *const known[] = {"names", "name",     "action",   "errnoRet", "errno",
					    "args",  "includes", "excludes", "comment",  NULL};
	struct oci_rule rule = {0};
	struct conditions conditions = {0};
	json_object *names;
	if (!json_object_is_type(entry, json_type_object))
		return fail_format(reading, "syscalls", "no object");
	int r = check_members(reading, entry, known);
	if (r == 0)
		r = parse_action(reading, "action", string_member(entry, "action"), &rule.rule.action);
	if (r == 0)
		r = parse_errno(reading, entry, "errnoRet", "errno", rule.rule.action, &rule.rule.error);
	if (r == 0)
		r = parse_conditions(reading, entry, &conditions);
	if (r == 0)
		r = list_member(reading, entry, "names", &names);
	if (r < 0)
		return r;
	int included = parse_circumstances(reading, entry, "includes", true, &rule.included);
	if (included < 0)
		return included;
	int excluded = parse_circumstances(reading, entry, "excludes", false, &rule.excluded);
	if (included == 0 || excluded <= 0)
		return excluded < 0 ? excluded : 0;
	const char *single = string_member(entry, "name");
	if (!names && !single)
		return fail_format(reading, "names", "missing");
	if (!names)
		return add_call(reading, single, &rule, &conditions);
	for (size_t i = 0; r == 0 && i < json_object_array_length(names); i++) {
		json_object *name = json_object_array_get_idx(names, i);
		r = json_object_is_type(name, json_type_string)
			    ? add_call(reading, json_object_get_string(name), &rule, &conditions)
			    : fail_format(reading, "names", "no string");
	}
	return r;
}

static int parse_flags(struct reading *reading, json_object *json)
{
	/* The process that is filtered has one thread, and the library waits killably by itself. */
	static const struct {
		const char *name;
		uint32_t flag;
	} known[] = {
		{"SECCOMP_FILTER_FLAG_TSYNC", 0},
		{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 0},
		{"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
		{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	};
	json_object *list;
	int r = list_member(reading, json, "flags", &list);
	for (size_t i = 0; r == 0 && list && i < json_object_array_length(list); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(list, i));
		size_t j = 0;
		while (name && j < sizeof(known) / sizeof(known[0]) && strcmp(name, known[j].name))
			j++;
		if (!name || j == sizeof(known) / sizeof(known[0]))
			return fail_unsupported(reading, "flags", name);
		reading->profile.flags |= known[j].flag;
	}
	return r;
}

static int parse_profile(struct reading *reading, json_object *json)
{
	static const char *const known[] = {
		"defaultAction", "defaultErrnoRet", "defaultErrno",     "architectures", "archMap",
		"flags",         "listenerPath",    "listenerMetadata", "syscalls",      NULL};
	struct oci_profile *profile = &reading->profile;
	json_object *syscalls;
	if (!json_object_is_type(json, json_type_object))
		return fail_format(reading, "the whole", "no object");
	int r = check_members(reading, json, known);
	if (r == 0)
		r = parse_action(reading, "defaultAction", string_member(json, "defaultAction"), &profile->action);
	/* A rule for each call that the host is asked about takes names. */
	if (r == 0 && profile->action == VISO_SYSCALL_NOTIFY)
		r = fail_unsupported(reading, "defaultAction", "SCMP_ACT_NOTIFY");
	const char *listener = string_member(json, "listenerPath");
	if (r == 0 && listener && *listener)
		r = fail_unsupported(reading, "listenerPath", listener);
	if (r == 0)
		r = parse_errno(reading, json, "defaultErrnoRet", "defaultErrno", profile->action, &profile->error);
	if (r == 0)
		r = parse_flags(reading, json);
	if (r == 0)
		r = list_member(reading, json, "syscalls", &syscalls);
	for (size_t i = 0; r == 0 && syscalls && i < json_object_array_length(syscalls); i++)
		r = parse_entry(reading, json_object_array_get_idx(syscalls, i));
	return r;
}

int oci_profile_parse(const char *text, size_t size, const char *name, struct oci_profile *out_profile)
{
	struct reading reading = {.name = name};
	_cleanup_(cleanup_tokener) json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
		return error_memory();
	_cleanup_(cleanup_json) json_object *json = json_tokener_parse_ex(tokener, text, (int)size);
	enum json_tokener_error error = json_tokener_get_error(tokener);
	if (error != json_tokener_success)
		return fail_format(&reading, "JSON", json_tokener_error_desc(error));
	if (!json && strncmp(text, "null", 4))
		return error_memory();
	for (size_t i = json_tokener_get_parse_end(tokener); i < size; i++)
		if (!text[i] || !strchr(" \t\r\n", text[i]))
			return fail_format(&reading, "JSON", "something stands behind the object");
	int r = parse_profile(&reading, json);
	if (r < 0)
		oci_profile_release(&reading.profile);
	else
		*out_profile = reading.profile;
	return r;
}

void oci_profile_release(struct oci_profile *profile)
{
	free(profile->items);
	*profile = (struct oci_profile){0};
}

int oci_profile_rules(const struct oci_profile *profile, uint64_t capabilities, struct seccomp_rules *rules)
{
	int r = 0;
	for (size_t i = 0; i < profile->count && r == 0; i++)
		if ((profile->items[i].included & ~capabilities) == 0 &&
		    (profile->items[i].excluded & capabilities) == 0)
			r = seccomp_rules_add(rules, &profile->items[i].rule);
	return r;
}
