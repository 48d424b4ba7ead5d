/* SPDX-License-Identifier: MIT */
/* The settings of a container by subject: capabilities, system calls, Landlock. */
#ifndef CONTAINER_SECURITY_H
#define CONTAINER_SECURITY_H

#include <stdint.h>
#include <virtiso/container.h>

#include "launch/request.h"

struct container_security {
	uint64_t capabilities;
};

/* Writes them into the plan of a start. 0 or a negative errno with the error set. */
int security_add(struct launch_request *request, const viso_container *container);

void security_release(struct container_security *security);

#endif
