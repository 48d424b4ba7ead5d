/* SPDX-License-Identifier: MIT */
/*
 * Knowing again everything that comes from one test host, wherever it was reparented to: by an odd resource limit
 * (RLIMIT_MSGQUEUE), which every descendant inherits and anybody can read.
 */
#ifndef TEST_MARKED_H
#define TEST_MARKED_H

#include <sys/types.h>

/* A mark that no other process of this machine has. */
unsigned mark_new(void);
/* For the host of the test: what it starts from now on bears the mark, and so does it. */
void mark_this_process(unsigned mark);
/* The marked processes but `except`, with this command name or any (NULL). The number; up to `max` pids where not NULL.
 */
int marked_processes(unsigned mark, const char *name, pid_t except, pid_t *pids, int max);
/* Waits until no marked process is left; fails, having named and killed those that are, after half a
 * minute. */
void assert_no_marked(unsigned mark);
/* How many control groups are left which a process of these made, or any that has ended where `pids` is NULL; names
 * them.
 */
int cgroups_left(const pid_t *pids, int count);
/* Waits until there are none, as above: a launcher that lives on removes those of a killed worker a moment later. */
void assert_no_cgroups(const pid_t *pids, int count);

#endif
