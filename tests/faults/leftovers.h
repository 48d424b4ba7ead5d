/* SPDX-License-Identifier: MIT */
/* What must not be left of a host program that has ended. */
#ifndef FAULTS_LEFTOVERS_H
#define FAULTS_LEFTOVERS_H

#include <sys/types.h>

/* Makes a TMPDIR that nobody else uses, and removes it. For cmocka_run_group_tests(), with the root of the tests. */
int leftovers_set_up(void **state);
int leftovers_tear_down(void **state);

/* What there is, before. */
void leftovers_begin(void);
/* Files in TMPDIR, mounts of them, and control groups of these processes. How many there are; names
 * them. */
int leftovers_count(const pid_t *pids, int count);

#endif
