/* SPDX-License-Identifier: MIT */
/*
 * A thread of a program in a guest. The threads of all programs of a guest share one virtual processor, one after the
 * other: a task that does not run has its registers here.
 */
#ifndef GUEST_PROGRAM_TASK_H
#define GUEST_PROGRAM_TASK_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/program/signal/signal.h"

struct instance;
struct program;
struct viso_hypercall;
struct vcpu_state;

enum task_state {
	TASK_READY,   /* it can run; where `again` is set its system call is made again */
	TASK_WAITING, /* parked within a system call */
	TASK_ENDED,
};

/* Where futex(2) looks for waiters: an address in an address space, or an offset in memory that processes share. */
struct futex_key {
	const void *memory;
	uint64_t address;
};

struct futex_wait {
	struct futex_key key;
	uint32_t bitset;
	bool is_queued;
	bool is_woken;
	struct task *next;
	struct task *previous;
};

struct task {
	struct program *program; /* the process that it belongs to */
	int tid;
	char name[16];
	enum task_state state;
	struct task *next; /* the ring of all tasks of the guest */
	struct task *previous;
	struct vcpu_state
		*saved;   /* its registers; there once the guest has several tasks, valid while it is not current */
	int64_t cpu_time; /* until it was switched away last */

	struct viso_hypercall *hypercall; /* that it waits for; NULL for none */
	struct task_signals signals;
	uint64_t clear_tid;   /* the address of CLONE_CHILD_CLEARTID and set_tid_address(2); 0 for none */
	uint64_t robust_list; /* set_robust_list(2) */

	/* The system call that it makes. */
	uint64_t call_number;
	uint64_t call_args[6];
	bool again;           /* it was parked in it, or interrupted, and must make it again */
	bool keeps_registers; /* what the call returns does not go into a register: it has set all of them */
	bool has_deadline;
	int64_t deadline; /* of the first go; see task_deadline() */
	int64_t progress; /* what the goes so far have moved, for calls that move bytes */
	struct futex_wait futex;
	bool is_repeated;            /* the call is being made again */
	struct program *vfork_child; /* for which it waits in vfork(2) */
	int vfork_pid;

	/* What it waits for. */
	struct pollfd *fds;
	int fd_count;
	int fd_capacity;
	int64_t until;
	const void **objects;
	size_t object_count;
	size_t object_capacity;
};

/* What task_wait() gives where another task is to run meanwhile: beyond all errnos. */
enum { TASK_PARKED = -4097 };

/* A further task, not yet known to the scheduler. NULL without memory. */
struct task *task_new(struct program *program, int tid);

/* Frees it and what it holds; for the first task of a process only the latter. */
void task_free(struct task *task);

/* The first thread of the process, which the program started with. */
bool task_is_leader(const struct task *task);

/* "comm" of proc(5). */
char *task_name(struct task *task);

/*
 * For a system call of the task that runs: poll(2) of `count` host fds until `until` (CLOCK_MONOTONIC, nanoseconds;
 * INT64_MAX for ever). The number of ready fds, 0 at that time, or a negative number that the call must return as it
 * is: -EINTR where the task has a signal to look at or must end; TASK_PARKED where others can run meanwhile. Then the
 * call is made again from its start, with the same arguments, when there is something for it. `fds` has room for one
 * more than `count`. Whatever the call did before must be such that it can be done again.
 */
int task_wait(struct program *program, struct pollfd *fds, int count, int64_t until);

/*
 * Before task_wait(): it waits for this object of the guest's too, whose address is all that matters. Where it was
 * woken, or was for another reason, the call is made again and sees for itself. 0 or -ENOMEM.
 */
int task_wait_for(struct program *program, const void *object);

/* Something has changed about an object: all who wait for it look again. */
void task_wake(struct instance *instance, const void *object);

/* The task has something to look at, such as a signal: where it is parked, it makes its call again. */
void task_interrupt(struct task *task);

/*
 * The end of the wait of a call that may be made again: where `until` was reckoned from the time of the call, the
 * moment that its first go reckoned.
 */
int64_t task_deadline(struct program *program, int64_t until);

#endif
