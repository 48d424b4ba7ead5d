/* SPDX-License-Identifier: MIT */
/* What the program may do: lib/container/security.c writes it for a container, lib/jail/jail.c for a jail. */
#ifndef LAUNCH_PLAN_SECURITY_H
#define LAUNCH_PLAN_SECURITY_H

#include "launch/plan/types.h"

/* By bit; none is what a program has by default. */
struct plan_capabilities {
	uint64_t effective;
	uint64_t permitted;
	uint64_t inheritable;
	uint64_t bounding;
	uint64_t ambient;
};

enum plan_security_flags {
	PLAN_OWN_SECUREBITS = 1u << 0,  /* those of the plan, not the strict ones */
	PLAN_NEW_PRIVILEGES = 1u << 1,  /* without no_new_privs */
	PLAN_FILTER_NOTIFIES = 1u << 2, /* the host gets the filter's listener */
	PLAN_FILTER_HAS_PASS = 1u << 3,
};

/* Of an array at `landlock_paths`. */
struct plan_landlock_path {
	uint64_t access; /* rights as the kernel has them, which it knows all */
	plan_offset path;
};

struct plan_security {
	struct plan_capabilities capabilities;
	uint32_t flags;
	uint32_t securebits;
	uint64_t landlock_access; /* rights to govern; 0 without Landlock */
	uint64_t landlock_scope;
	uint32_t landlock_count; /* of a container */
	plan_offset landlock_paths;
	uint32_t filter_count; /* of struct sock_filter at `filter`; 0 without seccomp */
	plan_offset filter;
	uint32_t filter_flags; /* of seccomp(2), besides those that the other flags bring */
	/*
	 * Fourth and fifth argument with which the filter lets the launcher's own calls through, up to and including
	 * its execve(2), whatever the rules are. They are random for each start and nowhere in the program's memory.
	 */
	uint64_t pass[2];
};

#endif
