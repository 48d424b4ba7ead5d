/* SPDX-License-Identifier: MIT */
/* What the program may do: lib/container/security.c writes it for a container. */
#ifndef LAUNCH_PLAN_SECURITY_H
#define LAUNCH_PLAN_SECURITY_H

#include "launch/plan_types.h"

struct plan_security {
	uint64_t capabilities;    /* that the program keeps, by bit */
	uint64_t landlock_access; /* rights to govern; 0 without Landlock */
	uint64_t landlock_scope;
	uint32_t filter_count; /* of struct sock_filter at `filter`; 0 without seccomp */
	plan_offset filter;
};

#endif
