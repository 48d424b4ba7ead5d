/* SPDX-License-Identifier: MIT */
/* What others need of futex(2). */
#ifndef GUEST_PROGRAM_FUTEX_H
#define GUEST_PROGRAM_FUTEX_H

#include <stdint.h>

#include "guest/program/task.h"

struct instance;
struct program;
struct scheduler;

/* A task waits for a word, after all others that do. */
void futex_enqueue(struct scheduler *scheduler, struct task *task, struct futex_key key, uint32_t bitset);

/* A task waits for no word any more. */
void futex_dequeue(struct instance *instance, struct task *task);

/* Wakes one waiter of a word of the program's. */
void futex_wake_one(struct program *program, uint64_t address);

/* A task ends: the locks on its list (set_robust_list(2)) are given to others. */
void futex_end_task(struct task *task);

#endif
