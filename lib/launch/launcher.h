/* SPDX-License-Identifier: MIT */
/*
 * The host program's end of the launcher: one launcher process tree for each host process, started on first use and
 * again where it was killed. Any thread may call these functions.
 */
#ifndef LAUNCH_LAUNCHER_H
#define LAUNCH_LAUNCHER_H

#include "launch/plan.h"

/*
 * Sends a plan with its fds (channel, root, streams), which stay the caller's. 0 or a negative errno with the error
 * set.
 */
int launcher_send(const struct plan *plan, const int *fds, int fd_count);

/* As launcher_send(), to an instance whose socket that is. -EPIPE where it has ended. */
int launcher_send_to_instance(int socket, const struct plan *plan, const int *fds, int fd_count);

/*
 * Tells the launcher to remove the directory tree `path` when the host program dies. To be called before the directory
 * is made. 0 or a negative errno with the error set.
 */
int launcher_guard_tree(const char *path);

/* The tree is gone or shall be kept: the launcher forgets it. Never fails. */
void launcher_unguard_tree(const char *path);

#endif
