/* SPDX-License-Identifier: MIT */
/* Programs that run at certain moments of a container's life: lib/container/hooks.c writes it, program/hooks.c does it.
 */
#ifndef LAUNCH_PLAN_HOOKS_H
#define LAUNCH_PLAN_HOOKS_H

#include "launch/plan/types.h"

enum { PLAN_HOOKS_MAX = 64 };

struct plan_hook {
	uint32_t when; /* viso_hook */
	plan_offset path;
	plan_offset cwd;
	struct plan_strings argv;
	struct plan_strings env;
	uint64_t timeout_ms;
};

struct plan_hooks {
	uint32_t count; /* of struct plan_hook at `first`, in the order in which they run */
	plan_offset first;
	plan_offset state; /* the container's, in JSON, without status, pid and the closing brace */
};

#endif
