/* SPDX-License-Identifier: MIT */
/* Containers that are kept prepared: viso_container_prepare(). */
#ifndef CONTAINER_PREPARE_H
#define CONTAINER_PREPARE_H

#include <virtiso/container.h>

#include "launch/request.h"

/*
 * Refuses a plan with what cannot be prepared, and says in it what may be. Comes after all other settings. 0 or a
 * negative errno with the error set.
 */
int prepare_add(struct launch_request *request, const viso_container *container);

#endif
