/* SPDX-License-Identifier: MIT */
/*
 * A thread of a program in a guest. The threads of all programs of a guest share one virtual processor, one after the
 * other: a task that does not run has its registers here.
 */
#ifndef GUEST_PROGRAM_TASK_H
#define GUEST_PROGRAM_TASK_H

#include <poll.h>
#include <stdint.h>

struct instance;
struct program;

struct task {
	struct program *program; /* the process that it belongs to */
	int tid;

	uint64_t signal_mask;
	uint64_t signals_pending; /* sent to this thread while they were blocked */
	uint64_t clear_tid;       /* the address of CLONE_CHILD_CLEARTID and set_tid_address(2); 0 for none */
	int64_t progress;         /* what the goes of a call so far have moved, for calls that move bytes */
};

/*
 * Before task_wait(): it waits for this object of the guest's too, whose address is all that matters. Where it was
 * woken, or was for another reason, the call is made again and sees for itself. 0 or -ENOMEM.
 */
int task_wait_for(struct program *program, const void *object);

/* Something has changed about an object: all who wait for it look again. */
void task_wake(struct instance *instance, const void *object);

/* What task_wait() gives where another task is to run meanwhile: beyond all errnos. */
enum { TASK_PARKED = -4097 };

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
