/* SPDX-License-Identifier: MIT */
/*
 * The host program's end of the launcher: one launcher process tree for each host process, started on first use and
 * again where it was killed. Any thread may call these functions.
 */
#ifndef LAUNCH_LAUNCHER_H
#define LAUNCH_LAUNCHER_H

#include "launch/plan/plan.h"

/*
 * Sends a plan with its fds (channel, root, streams), which stay the caller's. 0 or a negative errno with the error
 * set.
 */
int launcher_send(const struct plan *plan, const int *fds, int fd_count);

/* As launcher_send(), over a channel that was kept: the first of the fds. -EPIPE where its worker has ended. */
int launcher_send_over_channel(const struct plan *plan, const int *fds, int fd_count);

/* A channel that was kept, for one more plan; -1 where there is none. */
int launcher_take_channel(void);

/* Gives one up that was kept, so that its worker is there for plans that come otherwise. */
void launcher_drop_channel(void);

/* Keeps the channel of a plan with PLAN_KEEP_CHANNEL whose end was reported; takes it over. */
void launcher_keep_channel(int channel);
/* As launcher_send(), to an instance whose socket that is. -EPIPE where it has ended. */
int launcher_send_to_instance(int socket, const struct plan *plan, const int *fds, int fd_count);

/*
 * Tells the launcher to remove the directory tree `path` when the host program dies. To be called before the directory
 * is made. 0 or a negative errno with the error set.
 */
int launcher_guard_tree(const char *path);

/*
 * Tells the launcher to remove the interfaces of this group when the host program dies, and the bridge where nothing is
 * left on it. To be called before they are made. 0 or a negative errno with the error set.
 */
int launcher_guard_bridge(const char *name, uint32_t group);

/*
 * Waits until an end that was asked for is told at the fd. Whoever of the launcher's processes is stopped meanwhile, by
 * SIGSTOP from outside, is killed after a while: it would never tell.
 */
void launcher_await_end(int fd);
void launcher_kill_stopped(void);

/* The tree is gone or shall be kept: the launcher forgets it. Never fails. */
void launcher_unguard_tree(const char *path);

#endif
