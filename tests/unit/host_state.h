/* SPDX-License-Identifier: MIT */
/* All of this process that a library could change and must not, as text that can be compared. */
#ifndef HOST_STATE_H
#define HOST_STATE_H

#include <stdbool.h>

/*
 * Of the whole process: ids, capabilities, umask, directory, environment, limits, signal dispositions, timers, flags of
 * prctl, scheduling, namespaces and groups. To be freed.
 */
char *host_state_of_process(void);

/* Of this thread and moment: signal mask and stack, pending signals, number of threads, every open fd. To be freed. */
char *host_state_of_moment(void);

/* Prints the lines that differ. The number of them. */
int host_state_compare(const char *before, const char *after, const char *what);

/*
 * How many fds with close-on-exec are new between two moments; -1 where anything else differs, but, with
 * `threads_may_differ`, the number of threads.
 */
int host_state_new_fds(const char *before, const char *after, bool threads_may_differ);

#endif
