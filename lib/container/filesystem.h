/* SPDX-License-Identifier: MIT */
/* The settings of a container by subject: what is mounted besides the root. */
#ifndef CONTAINER_FILESYSTEM_H
#define CONTAINER_FILESYSTEM_H

#include <stdbool.h>
#include <virtiso/container.h>

#include "launch/request.h"

struct container_filesystem {
	bool writable; /* the root itself */
};

/* Writes them into the plan of a start. 0 or a negative errno with the error set. */
int filesystem_add(struct launch_request *request, const viso_container *container);

void filesystem_release(struct container_filesystem *filesystem);

#endif
