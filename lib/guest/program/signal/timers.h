/* SPDX-License-Identifier: MIT */
/* Timers of a process that send signals: setitimer(2), timer_create(2), and the soft limit of RLIMIT_CPU. */
#ifndef GUEST_PROGRAM_SIGNAL_TIMERS_H
#define GUEST_PROGRAM_SIGNAL_TIMERS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { INTERVAL_TIMERS = 3, TIMERS_MAX = 256 };

/* Nanoseconds of the timer's clock. */
struct alarm {
	int64_t next; /* INT64_MAX: it does not run */
	int64_t interval;
};

struct posix_timer {
	bool used;
	int clock; /* by which it runs: CLOCK_REALTIME only for absolute times, else CLOCK_MONOTONIC or CPU time */
	bool is_realtime;
	bool is_absolute; /* it was set to a moment, and not to a while */
	int signal;       /* 0 for none */
	int tid;          /* SIGEV_THREAD_ID; 0 for the process */
	sigval_t value;
	int overrun; /* of the signal that was taken last */
	struct alarm alarm;
};

struct timers {
	struct alarm interval[INTERVAL_TIMERS]; /* ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF */
	struct posix_timer *posix;              /* by id */
	size_t posix_count;
	int64_t cpu_warning; /* CPU time of the next SIGXCPU */
	int64_t next;        /* when they are to be looked at (CLOCK_MONOTONIC) */
};

struct instance;
struct program;

void timers_init(struct timers *timers);
void timers_release(struct timers *timers);

/*
 * For a snapshot or a clone: the same timers in `to`. What was left of their times is left again, after so many
 * nanoseconds in which they stood still, and of so much CPU time that is not counted any more. 0 or -ENOMEM.
 */
int timers_copy(struct timers *to, const struct timers *from, int64_t frozen_ns, int64_t cpu_time);

/* After execve(2): what timer_create(2) made is gone. */
void timers_exec(struct timers *timers);

/* Sends the signals of the timers that are due, of one process or of all, and has the guest woken for the next one. */
void timers_check(struct program *program);
void timers_check_all(struct instance *instance);

/* A signal that a timer sent has been taken. */
void timers_taken(struct timers *timers, const siginfo_t *info);

#endif
