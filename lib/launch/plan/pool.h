/* SPDX-License-Identifier: MIT */
/* Prepared containers: lib/container/prepare.c writes it, program/pool.c does it. */
#ifndef LAUNCH_PLAN_POOL_H
#define LAUNCH_PLAN_POOL_H

#include <stdint.h>

enum plan_pool_flags {
	POOL_PREPARE = 1u << 0,  /* no command: only what is prepared is made, and waits at the channel */
	POOL_PREPARED = 1u << 1, /* of a prepared container: laid out so that most of it can be made ahead */
	POOL_NETWORK = 1u << 2,  /* its network namespace may be one that pristine.c keeps */
};

struct plan_pool {
	uint32_t flags;
};

#endif
