/* SPDX-License-Identifier: MIT */
/* A process that is like another one: what fork(2) copies. */
#ifndef GUEST_PROGRAM_FORK_H
#define GUEST_PROGRAM_FORK_H

#include <stdbool.h>

struct program;

/*
 * A child of the running process, in the list of processes, with its first task, which the scheduler does not know yet.
 * Its memory is a copy, or with `shares_memory` the same. 0 or -ENOMEM.
 */
int process_copy(struct program *program, bool shares_memory, struct program **out_child);

#endif
