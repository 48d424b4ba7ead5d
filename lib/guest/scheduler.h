/* SPDX-License-Identifier: MIT */
/*
 * Which thread of a guest runs. All of them share one processor and one thread of the host; a thread runs until its
 * system call must wait, until it yields, or until its slice of time is over where others can run. While there is a
 * single one nothing of this costs anything.
 */
#ifndef GUEST_SCHEDULER_H
#define GUEST_SCHEDULER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/program/task.h"

/* As pid_max of a small machine; numbers are taken in turn. */
enum { TASK_FIRST_ID = 2, TASK_ID_MAX = 32768 };

struct scheduler {
	struct task *turn;    /* in the ring of all tasks: the one that is asked first whether it can run */
	struct task *current; /* whose registers are in the processor; NULL after its end */
	struct task *ended;   /* to be freed, by `next` */
	unsigned count;       /* of the ring */
	unsigned waiting;     /* tasks that are parked */
	unsigned polling;     /* of these, tasks that wait for fds or a time */
	bool yields;          /* the current task has had its turn */
	bool has_slices;      /* the timer that ends a slice runs */
	bool has_ticks; /* it is to run in any case: the guest may look for requests for no longer than it should */
	int last_id;
	int64_t last_poll;   /* CLOCK_MONOTONIC */
	int64_t cpu_start;   /* scheduler_clock() when the current task began */
	bool has_cpu_clock;  /* that is CPU time of the host's thread */
	bool wants_cpu_time; /* a program has asked for it */
	struct pollfd *fds;
	size_t fd_capacity;
	struct task *first_futex; /* waiters, in the order in which they came */
	struct task *last_futex;
};

struct instance;

/* The task that follows in the ring; the first one after NULL, NULL after the last one. */
static inline struct task *scheduler_after(const struct scheduler *scheduler, const struct task *task)
{
	if (!task)
		return scheduler->turn;
	return task->next == scheduler->turn ? NULL : task->next;
}

/*
 * The calling thread of the host runs the guest from now on (CLOCK_MONOTONIC); and no longer. A run that is not exact counts the time
 * that it takes but for waits, as a kernel does that does not know when its processor was taken away: to ask for the
 * CPU time of a thread costs a tenth of a call. The first program that asks for its CPU time ends that for good.
 */
void scheduler_start(struct instance *instance, int64_t now, bool exact);
void scheduler_stop(struct instance *instance);

/* Adds a task that can run. It has its `saved` state unless it is the first, whose state is in the processor. */
void scheduler_add(struct instance *instance, struct task *task);

/* Takes it out for ever. It is freed at the next choice, or now where nothing of the task is in use. */
void scheduler_remove(struct instance *instance, struct task *task);
void scheduler_free_ended(struct instance *instance);

/* `task` goes on as `heir`, which has ended: with all that it has but its number. The caller frees `task` alone. */
void scheduler_replace(struct instance *instance, struct task *task, struct task *heir);

/* A number that no task, process or process group has. */
int scheduler_new_id(struct instance *instance);

/*
 * Chooses who runs now, waits where nobody can, and has its state in the processor. False where the guest must be
 * looked after first: a time is over, or a signal has come.
 */
bool scheduler_choose(struct instance *instance);

/* The guest was interrupted: perhaps since the current task has run for long enough. */
void scheduler_end_slice(struct instance *instance);

/* The current task's call cannot go on before one of the fds is ready, one of its objects is woken, or `until`. */
int scheduler_park(struct instance *instance, const struct pollfd *fds, int count, int64_t until);

/* A parked task is to make its call again. */
void scheduler_unpark(struct instance *instance, struct task *task);

/* The CPU time of the current task up to now is counted to it and its process. */
void scheduler_count_time(struct instance *instance);

/* A program asks: what the current task has used since it was switched to. */
int64_t scheduler_current_time(struct instance *instance);

/* In the end, and in a forked child of the host: frees what belongs to it, and all tasks. */
void scheduler_release(struct instance *instance);

#endif
