/* SPDX-License-Identifier: MIT */
/* What the parts of a plan have in common. */
#ifndef LAUNCH_PLAN_TYPES_H
#define LAUNCH_PLAN_TYPES_H

#include <stdint.h>

/* Offset of a string, of consecutive NUL-terminated strings, or of an array, from the beginning of the plan; 0 for
 * none. */
typedef uint32_t plan_offset;

struct plan_strings {
	uint32_t count;
	plan_offset first;
};

#endif
