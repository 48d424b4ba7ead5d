/* SPDX-License-Identifier: MIT */
#include "command/attributes.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "core/cleanup.h"
#include "core/error.h"

enum { OOM_SCORE_ADJ_MAX = 1000, NICE_MIN = -20, NICE_MAX = 19, PRIORITY_MAX = 99, UMASK_MAX = 0777 };

static int check(viso_command *command, const char *function)
{
	return handle_check(command ? &command->handle : NULL, function);
}

int viso_command_set_oom_score_adj(viso_command *command, int adjustment)
{
	int r = check(command, __func__);
	if (r < 0)
		return r;
	if (adjustment < -OOM_SCORE_ADJ_MAX || adjustment > OOM_SCORE_ADJ_MAX)
		return error_argument(__func__, "the adjustment is not from -1000 to 1000");
	command->attributes.has_oom_score_adj = true;
	command->attributes.oom_score_adj = adjustment;
	return 0;
}

/* A decimal number below COMMAND_CPUS_MAX; moves on behind it. -1 where there is none. */
static long parse_cpu(const char **next)
{
	long number = 0;
	if (!isdigit((unsigned char)**next))
		return -1;
	for (; isdigit((unsigned char)**next); (*next)++) {
		number = number * 10 + (**next - '0');
		if (number >= COMMAND_CPUS_MAX)
			return -1;
	}
	return number;
}

/* The list format of cpuset(7), without strides. False where it is not one. */
static bool parse_cpus(const char *list, unsigned long *words, size_t *out_count)
{
	long highest = 0;
	for (const char *next = list;; next++) {
		long first = parse_cpu(&next), last = first;
		if (first >= 0 && *next == '-') {
			next++;
			last = parse_cpu(&next);
		}
		if (first < 0 || last < first)
			return false;
		for (long cpu = first; cpu <= last; cpu++)
			words[cpu / COMMAND_CPU_BITS] |= 1ul << cpu % COMMAND_CPU_BITS;
		highest = last > highest ? last : highest;
		if (!*next)
			break;
		if (*next != ',')
			return false;
	}
	*out_count = (size_t)highest / COMMAND_CPU_BITS + 1;
	return true;
}

int viso_command_set_cpu_affinity(viso_command *command, const char *cpus)
{
	int r = check(command, __func__);
	if (r < 0)
		return r;
	if (!cpus || !*cpus)
		return error_argument(__func__, "the list of CPUs is NULL or empty");
	_cleanup_free_ unsigned long *words = calloc(COMMAND_CPUS_MAX / COMMAND_CPU_BITS, sizeof(*words));
	size_t count;
	if (!words)
		return error_memory();
	if (!parse_cpus(cpus, words, &count))
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, cpus,
				  "%s: '%s' is no list of CPUs such as 0-3,8; their numbers are below %d", __func__,
				  cpus, COMMAND_CPUS_MAX);
	free(command->attributes.cpus);
	command->attributes.cpus = TAKE_PTR(words);
	command->attributes.cpu_words = count;
	return 0;
}

int viso_command_set_nice(viso_command *command, int nice)
{
	int r = check(command, __func__);
	if (r < 0)
		return r;
	if (nice < NICE_MIN || nice > NICE_MAX)
		return error_argument(__func__, "the nice value is not from -20 to 19");
	command->attributes.has_nice = true;
	command->attributes.nice = nice;
	return 0;
}

int viso_command_set_scheduler(viso_command *command, viso_scheduler policy, int priority)
{
	int r = check(command, __func__);
	if (r < 0)
		return r;
	bool real_time = policy == VISO_SCHEDULER_FIFO || policy == VISO_SCHEDULER_RR;
	if (!real_time && policy != VISO_SCHEDULER_OTHER && policy != VISO_SCHEDULER_BATCH &&
	    policy != VISO_SCHEDULER_IDLE)
		return error_argument(__func__, "no such policy");
	if (real_time ? priority < 1 || priority > PRIORITY_MAX : priority != 0)
		return error_argument(__func__, "the priority is 1 to 99 for real time, else 0");
	command->attributes.has_scheduler = true;
	command->attributes.policy = (int)policy;
	command->attributes.priority = priority;
	return 0;
}

int viso_command_set_umask(viso_command *command, unsigned mask)
{
	int r = check(command, __func__);
	if (r < 0)
		return r;
	if (mask > UMASK_MAX)
		return error_argument(__func__, "the mask is more than 0777");
	command->attributes.has_umask = true;
	command->attributes.umask = mask;
	return 0;
}

bool attributes_are_set(const struct command_attributes *attributes)
{
	return attributes->has_oom_score_adj || attributes->has_nice || attributes->has_scheduler ||
	       attributes->has_umask || attributes->cpu_words;
}

void attributes_release(struct command_attributes *attributes)
{
	free(attributes->cpus);
}
