/* SPDX-License-Identifier: MIT */
/* What others need of futex(2). */
#ifndef GUEST_PROGRAM_FUTEX_H
#define GUEST_PROGRAM_FUTEX_H

#include <stdint.h>

struct instance;
struct program;
struct task;

/* A task waits for no word any more. */
void futex_dequeue(struct instance *instance, struct task *task);

/* Wakes one waiter of a word of the program's. */
void futex_wake_one(struct program *program, uint64_t address);

/* A task ends: the locks on its list (set_robust_list(2)) are given to others. */
void futex_end_task(struct task *task);

#endif
