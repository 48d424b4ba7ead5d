/* SPDX-License-Identifier: MIT */
/* An instance that goes on without its host: lib/launch/detached.c writes it, program/detached.c does it. */
#ifndef LAUNCH_PLAN_DETACHED_H
#define LAUNCH_PLAN_DETACHED_H

#include "launch/plan/types.h"

/* Fds of the message, from plan_detached.first_fd on. */
enum plan_detached_fd {
	DETACHED_DIRECTORY,
	DETACHED_LOCK,
	DETACHED_LISTENER,
	/* The host's ends of the launcher's sockets: held, so that it does not end while the instance runs. */
	DETACHED_REQUESTS,
	DETACHED_CONTROL,
	/* The host's ends of the instance's own, for those that attach. */
	DETACHED_PLANS,
	DETACHED_CHANNEL,
	DETACHED_FDS,
};

struct plan_detached {
	uint32_t first_fd;
	plan_offset name;
};

/* What the holder sends to who attaches, with the sockets for plans and channel, the plan as a memfd, and the root. */
enum { ATTACH_PLANS, ATTACH_CHANNEL, ATTACH_PLAN, ATTACH_ROOT, ATTACH_FDS };

struct attach_hello {
	uint32_t version;
	uint32_t sizes[3]; /* of plan, report and order: both ends must have been built alike */
};

#endif
