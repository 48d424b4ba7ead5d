/* SPDX-License-Identifier: MIT */
/* An instance that the launcher holds, and in which commands run until it is closed. */
#ifndef LAUNCH_LAUNCHED_INSTANCE_H
#define LAUNCH_LAUNCHED_INSTANCE_H

#include <virtiso/sandbox.h>

#include "launch/request.h"
#include "sandbox/answer.h"

struct launched_instance {
	int plans;   /* where its commands are sent; -1 where there is no instance */
	int channel; /* to its holder */
};

/* Starts the one of the request. 0 or a negative errno with the error set and nothing left behind. */
int launched_instance_start(struct launched_instance *instance, struct launch_request *request,
			    viso_isolation isolation);

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
