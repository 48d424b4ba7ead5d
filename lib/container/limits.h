/* SPDX-License-Identifier: MIT */
/* The settings of a container by subject: limits by control groups. */
#ifndef CONTAINER_LIMITS_H
#define CONTAINER_LIMITS_H

#include <stdbool.h>
#include <virtiso/container.h>

#include "launch/request.h"

struct container_limits {
	bool any; /* is set beyond what every sandbox has */
};

/* Writes them into the plan of a start. 0 or a negative errno with the error set. */
int limits_add(struct launch_request *request, const viso_container *container);

void limits_release(struct container_limits *limits);

#endif
