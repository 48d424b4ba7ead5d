/* SPDX-License-Identifier: MIT */
/* The network: lib/container/network.c writes it. */
#ifndef LAUNCH_PLAN_NETWORK_H
#define LAUNCH_PLAN_NETWORK_H

#include "launch/plan/types.h"

struct plan_network {
	uint32_t kind; /* viso_network; above VISO_NETWORK_HOST the init waits until the host has made it */
	/* VISO_NETWORK_USER: path and arguments of what carries the packets. It gets the network namespace as its fd 0,
	 * writes to fd 1 when it is ready, and complaints to fd 2. */
	struct plan_strings companion;
};

#endif
