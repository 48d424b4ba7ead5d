/* SPDX-License-Identifier: MIT */
/*
 * A thread of a program in a guest. The threads of all programs of a guest share one virtual processor, one after the
 * other: a task that does not run has its registers here.
 */
#ifndef GUEST_PROGRAM_TASK_H
#define GUEST_PROGRAM_TASK_H

#include <poll.h>
#include <stdint.h>

struct program;

struct task {
	struct program *program; /* the process that it belongs to */
	int tid;

	uint64_t signal_mask;
	uint64_t signals_pending; /* sent to this thread while they were blocked */
	uint64_t clear_tid;       /* the address of CLONE_CHILD_CLEARTID and set_tid_address(2); 0 for none */
};

/*
 * For a system call of the task that runs: poll(2) of `count` host fds until `until` (CLOCK_MONOTONIC, nanoseconds;
 * INT64_MAX for ever). The number of ready fds, 0 at that time, or a negative errno that the call must return as it is:
 * -EINTR where the task has a signal to look at or must end. `fds` has room for one more than `count`. Whatever the
 * call did before must be such that it can be done again.
 */
int task_wait(struct program *program, struct pollfd *fds, int count, int64_t until);

#endif
