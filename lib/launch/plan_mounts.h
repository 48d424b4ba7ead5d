/* SPDX-License-Identifier: MIT */
/* The part of a plan that is about a container's file systems: lib/container/filesystem.c writes it, program/mounts.c
 * does it. */
#ifndef LAUNCH_PLAN_MOUNTS_H
#define LAUNCH_PLAN_MOUNTS_H

#include "launch/plan_types.h"

struct plan_mounts {
	uint32_t count;
	plan_offset first;
};

#endif
