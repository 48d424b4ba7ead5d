/* SPDX-License-Identifier: MIT */
/*
 * The signals of a program in a guest: what is sent, what is pending, what its threads block, and what happens when it
 * goes on. Nothing is done to a program at the moment when a signal is sent to it: that is at its next return.
 */
#ifndef GUEST_PROGRAM_SIGNAL_SIGNAL_H
#define GUEST_PROGRAM_SIGNAL_SIGNAL_H

#include "guest/program/signal/queue.h"
#include "guest/program/signal/timers.h"

enum { PROGRAM_SIGNALS = 64, SIGNALS_QUEUED_DEFAULT = 1024, SIGNALS_QUEUED_MAX = 8192 };

/* What may not be blocked, ignored or handled. */
#define SIGNALS_FIXED (1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1))

/* What the guest's kernel interface calls struct sigaction. */
struct signal_action {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

/* Of a process. */
struct process_signals {
	struct signal_action actions[PROGRAM_SIGNALS + 1];
	struct signal_queue pending; /* for whichever thread takes it first */
	unsigned budget;             /* how many more may be in the queues of the process */
	struct timers timers;
};

/* sigaltstack(2); no size: there is none. */
struct signal_stack {
	uint64_t start;
	uint64_t size;
	uint32_t flags; /* SS_AUTODISARM or 0 */
};

/* Of a thread. */
struct task_signals {
	uint64_t mask;
	uint64_t saved_mask; /* what comes back after a call that has a mask of its own, such as ppoll(2) */
	bool has_saved_mask;
	uint64_t waited; /* for which sigtimedwait(2) waits although they are blocked */
	struct signal_queue pending;
	struct signal_stack stack;
	/* What the frame of a handler tells of the last exception. */
	uint64_t trap;
	uint64_t trap_error;
	uint64_t trap_address;
};

struct program;
struct task;

void signals_init(struct process_signals *signals);
void signals_release(struct process_signals *signals);
void task_signals_release(struct task_signals *signals);

/* The signals of a child of fork(2), of a new thread, and after execve(2). */
void signals_copy(struct process_signals *child, const struct process_signals *parent);
void task_signals_copy(struct task_signals *child, const struct task_signals *parent, bool shares_memory);
void signals_exec(struct program *program);

/* A siginfo_t as kill(2) and as the kernel make it. */
siginfo_t signal_from_program(const struct program *sender, int signal, int code);
siginfo_t signal_from_kernel(int signal);

/*
 * Sends a signal to a process, or to one of its threads. Ignored ones are dropped. 0; -EAGAIN where a real-time signal
 * finds the queue full.
 */
int signal_send(struct program *program, struct task *task, const siginfo_t *info);

/* A thread has ended: what it was to take for the process goes to others that wait. */
void signals_retarget(struct program *program);

/* Sends the running thread a signal that its system call caused. */
void signal_send_self(struct program *program, int signal);

/*
 * An instruction of the running thread, or the kernel on its behalf, caused it: it is neither ignored nor blocked;
 * where the program asked for that, it ends. `detail` is for the description of its end; NULL for none.
 */
void signal_force(struct program *program, const siginfo_t *info, const char *detail);

/* Whether the thread has a signal to take: a call that waits is to end. */
bool signal_is_pending(const struct task *task);

/*
 * Before the running thread goes on: takes its signals, which may enter handlers or end the program. Where a system
 * call was interrupted, true tells that it has been decided how that ends; false that it is to be made again.
 */
bool signals_deliver(struct program *program, bool interrupted_call);

/* The signal mask of a system call such as ppoll(2), until the call ends. The address may be 0. 0 or a negative errno.
 */
int signal_use_mask(struct program *program, uint64_t address, uint64_t size);
void signal_restore_mask(struct task *task);

/* Sets the mask of a thread. */
void signal_set_mask(struct task *task, uint64_t mask);

/* True for a call that ends with EINTR after a handler even with SA_RESTART (signal(7)). */
bool signal_never_restarts(uint64_t number, const uint64_t args[6]);

/* core(5) */
bool signal_makes_core(int signal);

#endif
