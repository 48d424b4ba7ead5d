/* SPDX-License-Identifier: MIT */
/*
 * A thread of a program in a guest. The threads of all programs of a guest share one virtual processor, one after the
 * other: a task that does not run has its registers here.
 */
#ifndef GUEST_PROGRAM_TASK_H
#define GUEST_PROGRAM_TASK_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/program/signal/signal.h"

struct program;

struct task {
	struct program *program; /* the process that it belongs to */
	int tid;

	struct task_signals signals;
	uint64_t clear_tid; /* the address of CLONE_CHILD_CLEARTID and set_tid_address(2); 0 for none */

	/* The system call that it makes or made last. */
	uint64_t call_number;
	uint64_t call_args[6];
	bool keeps_registers; /* what the call returns does not go into a register: it has set all of them */
	bool has_deadline;
	int64_t deadline; /* of the first go of a call that is made again; see task_deadline() */
};

/* What task_wait() gives where another task is to run meanwhile: no errno. */
#define TASK_PARKED INT64_MIN

/*
 * For a system call of the task that runs: poll(2) of `count` host fds until `until` (CLOCK_MONOTONIC, nanoseconds;
 * INT64_MAX for ever). The number of ready fds, 0 at that time, or a negative errno that the call must return as it is:
 * -EINTR where the task has a signal to look at or must end. `fds` has room for one more than `count`. Whatever the
 * call did before must be such that it can be done again.
 */
int64_t task_wait(struct program *program, struct pollfd *fds, int count, int64_t until);

/*
 * The end of the wait of a call that may be made again: where `until` was reckoned from a time that began with the
 * call, the moment that the first go reckoned.
 */
int64_t task_deadline(struct program *program, int64_t until);

#endif
