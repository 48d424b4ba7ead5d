/* SPDX-License-Identifier: MIT */
/* What a command sets of its process beside limits: the kernel's preference for its end, CPUs, scheduling, umask. */
#ifndef COMMAND_ATTRIBUTES_H
#define COMMAND_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>

enum { COMMAND_CPUS_MAX = 8192, COMMAND_CPU_BITS = 8 * sizeof(unsigned long) }; /* as many as a kernel can have */

struct command_attributes {
	bool has_oom_score_adj;
	bool has_nice;
	bool has_scheduler;
	bool has_umask;
	int oom_score_adj;
	int nice;
	int policy; /* of sched_setscheduler(2) */
	int priority;
	unsigned umask;
	size_t cpu_words; /* 0: any CPU */
	unsigned long *cpus;
};

/* Whether one of them is set. */
bool attributes_are_set(const struct command_attributes *attributes);

void attributes_release(struct command_attributes *attributes);

#endif
