/* SPDX-License-Identifier: MIT */
/* Starting the process that serves a guest, in its container. */
#ifndef GUEST_CONTAINED_START_H
#define GUEST_CONTAINED_START_H

#include <stdbool.h>
#include <virtiso/container.h>

#include "guest/contained/service.h"

/* The process ends its guest in time; where it does not, the host ends the process so much later. */
enum { CONTAINED_GRACE_MS = 2000 };

/*
 * Gives the service its sockets and its process. 0 or a negative errno with the error set; then, too, there may be a
 * container and a link, which are the caller's.
 */
int contained_start(struct service *service, const viso_command *command, int root_fd, bool stays,
		    viso_container **container);

#endif
