/* SPDX-License-Identifier: MIT */
/* What a command sets of its process: request.c writes it, program/attributes.c does it. */
#ifndef LAUNCH_PLAN_ATTRIBUTES_H
#define LAUNCH_PLAN_ATTRIBUTES_H

#include "launch/plan/types.h"

enum plan_attribute { PLAN_OOM_SCORE_ADJ = 1, PLAN_NICE = 2, PLAN_SCHEDULER = 4, PLAN_UMASK = 8 };

struct plan_attributes {
	uint32_t set; /* of plan_attribute */
	int32_t oom_score_adj;
	int32_t nice;
	int32_t policy;
	int32_t priority;
	uint32_t umask;
	uint32_t cpus_size; /* in bytes; 0: any CPU */
	plan_offset cpus;
};

#endif
