/* SPDX-License-Identifier: MIT */
/* Starting the launcher program from the host program, without a trace in the host. */
#ifndef LAUNCH_SPAWN_LAUNCHER_H
#define LAUNCH_SPAWN_LAUNCHER_H

#include <stdbool.h>

/*
 * 0 and the host's ends of both sockets, owned by the caller; or a negative errno with the error set. One that is
 * detached ends when both are closed everywhere, not with the host.
 */
int spawn_launcher(bool detached, int *out_requests, int *out_control);

#endif
