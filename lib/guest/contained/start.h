/* SPDX-License-Identifier: MIT */
/* Starting the process that serves a guest, in its container. */
#ifndef GUEST_CONTAINED_START_H
#define GUEST_CONTAINED_START_H

#include <stdbool.h>
#include <virtiso/container.h>

#include "guest/contained/service.h"

/* The process ends its guest in time; where it does not, the host ends the process so much later. */
enum { CONTAINED_GRACE_MS = 2000 };

/* All of it is borrowed. */
struct contained_plan {
	viso_guest *owner;           /* whose settings it has */
	const viso_command *command; /* of a clone the streams alone count */
	int settings_fd;             /* of contained_make_settings() */
	int snapshot_fd;             /* of a clone; else -1 */
	int root_fd;
	bool stays;
};

/* A sealed file with the settings and the command, for the process. 0 or a negative errno with the error set. */
int contained_make_settings(const viso_guest *guest, const viso_command *command, bool stays, int *out_fd);

/*
 * Gives the service its sockets and its process. 0 or a negative errno with the error set; then, too, there may be a
 * container and a link, which are the caller's.
 */
int contained_start(struct service *service, const struct contained_plan *plan, viso_container **container);

#endif
