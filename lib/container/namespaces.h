/* SPDX-License-Identifier: MIT */
/* The settings of a container by subject: namespaces, ids, names and kernel parameters. */
#ifndef CONTAINER_NAMESPACES_H
#define CONTAINER_NAMESPACES_H

#include <virtiso/container.h>

#include "launch/request.h"

struct container_namespaces {
	char *hostname; /* NULL for the default */
};

/* Writes them into the plan of a start. 0 or a negative errno with the error set. */
int namespaces_add(struct launch_request *request, const viso_container *container);

void namespaces_release(struct container_namespaces *namespaces);

#endif
