/* SPDX-License-Identifier: MIT */
/* The settings of a container by subject: the network. */
#ifndef CONTAINER_NETWORK_H
#define CONTAINER_NETWORK_H

#include <virtiso/container.h>

#include "launch/request.h"

struct container_network {
	char *parent; /* NULL for the default */
};

/* Writes them into the plan of a start. 0 or a negative errno with the error set. */
int network_add(struct launch_request *request, const viso_container *container);

void network_release(struct container_network *network);

#endif
