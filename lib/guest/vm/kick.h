/* SPDX-License-Identifier: MIT */
/*
 * Stopping a guest, by any thread or by time, without a signal handler and without touching the host program's own.
 *
 * The thread that runs the guest has one signal blocked. KVM_RUN unblocks it for its own duration (KVM_SET_SIGNAL_MASK)
 * and returns when it is pending; it is then taken off the thread by sigtimedwait(2). A signal that comes between two
 * runs stays pending and ends the next one, so no wake-up is lost: what KVM's immediate_exit, set before the signal,
 * would give to a thread that has a handler. Where the library waits for the guest (a read from a pipe, a sleep) it
 * polls an eventfd beside, which there is as long as a thread runs the guest and has waited.
 */
#ifndef GUEST_VM_KICK_H
#define GUEST_VM_KICK_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "guest/vm/watch.h"

/* How long a thread of the guest runs while others could. */
enum { KICK_SLICE_NS = 5000000 };

enum stop {
	STOP_NONE = 0,
	STOP_KILLED,    /* by the host program */
	STOP_TIMED_OUT, /* these end the guest; those that follow do not */
	STOP_CPU_TIME,
	STOP_PAUSED,    /* another thread wants the guest: kick_pause() */
	STOP_SIGNALLED, /* the host program has sent signals: kick_take_signals() */
	STOP_ALARM,     /* a timer of a program's is due: kick_set_alarm() */
};

struct gate;
struct vm;

struct kick {
	struct gate *gate;      /* unlocked while the thread waits */
	struct kick *outer;     /* of the guest whose handler runs this one, in the same thread */
	struct kick **place;    /* where the thread that runs the guest has the innermost of them */
	_Atomic pid_t thread;   /* that runs the guest; 0 while none does */
	atomic_uint wakers;     /* threads that may be about to send that one a signal */
	atomic_bool is_woken;   /* it has been sent one since it began */
	pthread_mutex_t lock;   /* guards stop_fd; held while something is sent */
	int stop_fd;            /* an eventfd, readable from the stop on; -1 before the thread waits */
	atomic_ullong signals;  /* that the host program has sent, as a set; SIGKILL stays */
	atomic_bool is_paused;  /* the thread is to leave the guest */
	int64_t deadline;       /* CLOCK_MONOTONIC, nanoseconds; INT64_MAX for none */
	int64_t cpu_deadline;   /* CPU time of the thread; INT64_MAX for none */
	int64_t alarm;          /* CLOCK_MONOTONIC; INT64_MAX for none */
	int64_t waited;         /* how long it has waited in all, nanoseconds */
	struct watched watched; /* the deadline, where no timer of its own keeps it */
	unsigned limited_runs;  /* that had timers */
	timer_t timers[2];
	int timer_count;
	timer_t alarm_timer; /* made when it is needed first */
	bool has_alarm_timer;
	timer_t slice_timer;
	bool has_slice_timer;
	uint64_t old_mask;
	bool old_pending[2]; /* whether SIGPIPE and SIGXFSZ were pending already */
	siginfo_t foreign;   /* a signal of the host program's that was found in place of ours; si_signo 0 for none */
};

void kick_init(struct kick *kick);
void kick_release(struct kick *kick);

/*
 * The calling thread begins to run the guest: its signals are arranged, and its time is limited (0: not). 0 or a
 * negative errno with the error set. Then kick_leave() must follow, which leaves the thread's signals as they were; it
 * is told whether the guest may have had the host write to something, which may have raised some.
 */
int kick_enter(struct kick *kick, struct vm *vm, int64_t deadline, int64_t cpu_limit);
void kick_leave(struct kick *kick, bool has_written);

/* In the running thread: the guest is interrupted again and again, so that its threads take turns; or no longer. */
int kick_set_slices(struct kick *kick, bool on);

/* From any thread: the guest is sent this signal. */
void kick_stop(struct kick *kick, int signal);

/* From any thread: the one that runs the guest is to leave it, until kick_unpause(). */
void kick_pause(struct kick *kick);
void kick_unpause(struct kick *kick);

/* In the running thread: why it was interrupted, the most important reason; takes the pending wake-up away. */
enum stop kick_check(struct kick *kick);

/* While no thread runs the guest: whatever signal was sent counts no longer. */
void kick_forget(struct kick *kick);

/* In the running thread: the signals that the host program has sent, which are then taken. */
uint64_t kick_take_signals(struct kick *kick);

/* In the running thread: it is to be interrupted at that time (CLOCK_MONOTONIC, nanoseconds; INT64_MAX for not). */
void kick_set_alarm(struct kick *kick, int64_t when);

/*
 * In the running thread: whether the guest must end or has a signal to look at. For calls that work for long: what is
 * pending is left for kick_check().
 */
bool kick_is_due(const struct kick *kick);
/* Whether it must end. For calls that no signal interrupts. */
bool kick_must_end(const struct kick *kick);
/* kick_is_due() where the caller has just looked at the clock (CLOCK_MONOTONIC). */
bool kick_is_due_at(const struct kick *kick, int64_t now);

/*
 * In the running thread: poll(2) until `until` (CLOCK_MONOTONIC, nanoseconds; INT64_MAX for ever). The number of ready
 * fds, 0 at that time, -EINTR where the guest must end. `fds` has room for one more than `count`.
 */
int kick_wait(struct kick *kick, struct pollfd *fds, int count, int64_t until);

/* A clock in nanoseconds. */
int64_t clock_now(clockid_t clock);

#endif
