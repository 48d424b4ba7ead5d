/* SPDX-License-Identifier: MIT */
/* A process that the launcher runs: what its viso_process does. */
#ifndef LAUNCH_LAUNCHED_H
#define LAUNCH_LAUNCHED_H

#include <virtiso/sandbox.h>

#include "launch/plan/plan.h"
#include "sandbox/process.h"

/* Makes `process` the one behind the channel; takes the channel over. With `keep`, its plan had PLAN_KEEP_CHANNEL. */
void launched_init(viso_process *process, int channel, viso_isolation isolation, bool keep);

/* Its processes are among those of its instance, which is asked instead. */
void launched_in_instance(viso_process *process);

/*
 * Where REPORT_FD_NETWORK came over the channel: makes the network and lets the start go on. 0; or a negative errno
 * with the error set, and what was to start is ended. Takes the socket over.
 */
int launched_connect(int channel, struct process_network *network, int socket);

/* Asks whoever serves the channel to write an answer to the pipe. 0 or a negative errno with the error set. */
int launched_ask(int channel, enum order_kind kind, int pipe);

#endif
