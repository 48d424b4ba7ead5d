/* SPDX-License-Identifier: MIT */
/* Starting the launcher program from the host program, without a trace in the host. */
#ifndef LAUNCH_SPAWN_LAUNCHER_H
#define LAUNCH_SPAWN_LAUNCHER_H

/* 0 and the host's ends of both sockets, owned by the caller; or a negative errno with the error set. */
int spawn_launcher(int *out_requests, int *out_control);

#endif
