/* SPDX-License-Identifier: MIT */
/* The network: lib/container/network.c writes it. */
#ifndef LAUNCH_PLAN_NETWORK_H
#define LAUNCH_PLAN_NETWORK_H

#include "launch/plan_types.h"

struct plan_network {
	uint32_t kind; /* viso_network */
};

#endif
