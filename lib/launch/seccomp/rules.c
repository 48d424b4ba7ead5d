/* SPDX-License-Identifier: MIT */
/* Rules of the caller's or of a loaded profile: the names of system calls, and the part of a filter that rules make. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "launch/seccomp/filter.h"

/* Newer than some libseccomp that we are built with; from 424 on the numbers are the same on every processor. */
static const struct {
	const char *name;
	int number;
} new_calls[] = {
	{"openat2", 437},       {"cachestat", 451},         {"fchmodat2", 452},         {"map_shadow_stack", 453},
	{"futex_wake", 454},    {"futex_wait", 455},        {"futex_requeue", 456},     {"statmount", 457},
	{"listmount", 458},     {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461},
	{"mseal", 462},         {"setxattrat", 463},        {"getxattrat", 464},        {"listxattrat", 465},
	{"removexattrat", 466}, {"open_tree_attr", 467},    {"file_getattr", 468},      {"file_setattr", 469},
};
enum { NEW_CALLS = sizeof(new_calls) / sizeof(new_calls[0]) };

int seccomp_number(const char *name)
{
	int number = seccomp_syscall_resolve_name(name);
	if (number >= 0)
		return number;
	for (int i = 0; i < NEW_CALLS; i++)
		if (!strcmp(name, new_calls[i].name))
			return new_calls[i].number;
	/* Those of other processors have numbers below -1 of their own. */
	return number == __NR_SCMP_ERROR ? -ENOENT : -ENXIO;
}

bool seccomp_name(int number, char *name)
{
	char *known = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
	const char *found = known;
	for (int i = 0; i < NEW_CALLS && !found; i++)
		if (number == new_calls[i].number)
			found = new_calls[i].name;
	strncpy(name, found ? found : "unknown", SECCOMP_NAME_MAX - 1);
	name[SECCOMP_NAME_MAX - 1] = '\0';
	free(known);
	return found;
}

int seccomp_rules_add(struct seccomp_rules *rules, const struct seccomp_rule *rule)
{
	if (rules->count == SECCOMP_RULES_MAX)
		return error_fail(VISO_STAGE_ARGUMENT, E2BIG, "seccomp", "more than %d seccomp rules",
				  SECCOMP_RULES_MAX);
	if (rules->count == rules->capacity) {
		size_t capacity = rules->capacity ? 2 * rules->capacity : 8;
		struct seccomp_rule *items = reallocarray(rules->items, capacity, sizeof(*items));
		if (!items)
			return error_memory();
		rules->items = items;
		rules->capacity = capacity;
	}
	rules->items[rules->count++] = *rule;
	return 0;
}

void seccomp_rules_release(struct seccomp_rules *rules)
{
	free(rules->items);
	*rules = (struct seccomp_rules){0};
}

bool seccomp_rules_notify(const struct seccomp_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		if (rules->items[i].action == VISO_SYSCALL_NOTIFY)
			return true;
	return false;
}

uint32_t rule_action(uint32_t action, uint32_t error)
{
	switch (action) {
	case VISO_SYSCALL_ALLOW:
		return SCMP_ACT_ALLOW;
	case VISO_SYSCALL_LOG:
		return SCMP_ACT_LOG;
	case VISO_SYSCALL_NOTIFY:
		return SCMP_ACT_NOTIFY;
	case VISO_SYSCALL_ERROR:
		return SCMP_ACT_ERRNO(error);
	case VISO_SYSCALL_TRAP:
		return SCMP_ACT_TRAP;
	default:
		return SCMP_ACT_KILL_PROCESS;
	}
}

static struct scmp_arg_cmp compare(const struct seccomp_condition *condition)
{
	static const enum scmp_compare operators[] = {
		[COMPARE_NE] = SCMP_CMP_NE,
		[COMPARE_LT] = SCMP_CMP_LT,
		[COMPARE_LE] = SCMP_CMP_LE,
		[COMPARE_EQ] = SCMP_CMP_EQ,
		[COMPARE_GE] = SCMP_CMP_GE,
		[COMPARE_GT] = SCMP_CMP_GT,
		[COMPARE_MASKED] = SCMP_CMP_MASKED_EQ,
	};
	struct scmp_arg_cmp made = {.arg = condition->argument, .op = operators[condition->compare]};
	made.datum_a = condition->compare == COMPARE_MASKED ? condition->other : condition->value;
	made.datum_b = condition->compare == COMPARE_MASKED ? condition->value : 0;
	return made;
}

static int add_rule(scmp_filter_ctx ctx, const struct seccomp_rule *rule)
{
	struct scmp_arg_cmp conditions[SECCOMP_ARGUMENTS];
	for (uint32_t i = 0; i < rule->condition_count; i++)
		conditions[i] = compare(&rule->conditions[i]);
	int r = seccomp_rule_add_array(ctx, rule_action(rule->action, rule->error), rule->number, rule->condition_count,
				       conditions);
	return r == -EEXIST ? 0 : r; /* said twice */
}

/* All rules with one action: those for a call with other ones have been asked before or are asked later. */
static int add_action(struct instructions *to, const struct seccomp_rules *rules, uint32_t action)
{
	int r = 0;
	scmp_filter_ctx ctx = part_new(ASK_NEXT);
	if (!ctx)
		return -ENOMEM;
	for (size_t i = 0; i < rules->count && r == 0; i++)
		if (rule_action(rules->items[i].action, rules->items[i].error) == action)
			r = add_rule(ctx, &rules->items[i]);
	if (r == 0)
		r = instructions_add_part(to, ctx);
	seccomp_release(ctx);
	return r;
}

static bool is_first_with_action(const struct seccomp_rules *rules, size_t index)
{
	const struct seccomp_rule *rule = &rules->items[index];
	for (size_t i = 0; i < index; i++)
		if (rules->items[i].action == rule->action && rules->items[i].error == rule->error)
			return false;
	return true;
}

int rules_add(struct instructions *to, const struct seccomp_rules *rules)
{
	int r = 0;
	for (int action = VISO_SYSCALL_KILL; action >= VISO_SYSCALL_ALLOW; action--)
		for (size_t i = 0; i < rules->count && r == 0; i++)
			if ((int)rules->items[i].action == action && is_first_with_action(rules, i))
				r = add_action(to, rules, rule_action(rules->items[i].action, rules->items[i].error));
	return r;
}
