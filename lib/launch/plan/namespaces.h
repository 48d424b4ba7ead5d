/* SPDX-License-Identifier: MIT */
/* Namespaces, ids and kernel parameters: lib/container/namespaces.c writes it. */
#ifndef LAUNCH_PLAN_NAMESPACES_H
#define LAUNCH_PLAN_NAMESPACES_H

#include "launch/plan/types.h"

enum { PLAN_NAMESPACES = 8, PLAN_ID_RANGES_MAX = 32 };

/* As in the files uid_map and gid_map. */
struct plan_id_range {
	uint32_t inside;
	uint32_t outside;
	uint32_t count;
};

struct plan_id_map {
	uint32_t count; /* 0: the default */
	plan_offset first;
};

struct plan_namespaces {
	uint32_t not_own;                 /* shared or joined, by bit of viso_namespace */
	uint32_t joined[PLAN_NAMESPACES]; /* index among the fds of the message, by viso_namespace; 0: not joined */
	plan_offset hostname;             /* 0: as it is */
	plan_offset domainname;
	struct plan_id_map uids;
	struct plan_id_map gids;
	plan_offset clock_offsets;   /* what goes to timens_offsets(5); 0: no time namespace */
	struct plan_strings sysctls; /* path beneath /proc/sys and value, by turns */
};

#endif
