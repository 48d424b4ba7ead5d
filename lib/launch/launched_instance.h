/* SPDX-License-Identifier: MIT */
/* An instance that the launcher holds, and in which commands run until it is closed. */
#ifndef LAUNCH_LAUNCHED_INSTANCE_H
#define LAUNCH_LAUNCHED_INSTANCE_H

#include <virtiso/sandbox.h>

#include "launch/request.h"
#include "sandbox/answer.h"
#include "sandbox/sandbox.h"

struct launched_instance {
	int plans;         /* where its commands are sent; -1 where there is no instance */
	int channel;       /* to its holder */
	int root;          /* O_PATH fd of its root directory, as it sees it itself */
	int init;          /* of a container: its pid; 0 where it is not known */
	struct plan *plan; /* of a container: its own, from which those of its commands are made; else NULL */
	struct process_network *network; /* likewise, where something of it is made from outside; else NULL */
};

/* One that is none. */
#define LAUNCHED_INSTANCE_NONE ((struct launched_instance){.plans = -1, .channel = -1, .root = -1})

/*
 * Starts the one of the request, with its network, which is taken over; where `entry` is not NULL, under a launcher of
 * its own that goes on without the host. 0 or a negative errno with the error set and nothing left behind.
 */
struct detached_entry;
int launched_instance_start(struct launched_instance *instance, struct launch_request *request,
			    viso_isolation isolation, const struct detached_entry *entry,
			    struct process_network *network);

/*
 * Makes it the sandbox's, at `place`, which the sandbox's lock guards. Where another thread was faster it is ended, as
 * it is where the sandbox was closed meanwhile: then -ESTALE with the error set.
 */
int launched_instance_keep(struct launched_instance *place, viso_sandbox *sandbox, struct launched_instance *fresh);

/* The socket of the one at `place`, or -1. */
int launched_instance_plans(const struct launched_instance *place, viso_sandbox *sandbox);

/* Ends everything in it and waits until it is gone. Both sockets stay open: other threads may be using them. */
void launched_instance_end(struct launched_instance *instance);

/* Closes the sockets; in a forked child, without ending anything. */
void launched_instance_release(struct launched_instance *instance);

/* What all in it use now, as process_usage(). 0 or a negative errno with the error set. */
int launched_instance_usage(const struct launched_instance *instance, int64_t figures[RESULT_USAGE_COUNT]);

/* Stops everything in it, or lets it go on; the same. 1 where there is one, 0 where there is none. */
int launched_instance_pause(const struct launched_instance *instance, bool pause);

/* Adds its processes. 0 or a negative errno with the error set. */
int launched_instance_pids(const struct launched_instance *instance, struct pids *pids);

#endif
