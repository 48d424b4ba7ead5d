/* SPDX-License-Identifier: MIT */
/*
 * Time limits of calls without a timer for each: to make, set and delete one takes a fifth of what a call takes. One
 * thread of the library's own looks after those of all guests that are called again and again; there is one for as
 * long as there are such guests.
 *
 * No time limit is missed: whoever begins a call puts its deadline down, and then looks when the thread will look
 * next; the thread says that it never will, and then looks at all deadlines. So at least one of the two sees what the
 * other did, and where the thread comes too late for a deadline the caller wakes it.
 */
#ifndef GUEST_VM_WATCH_H
#define GUEST_VM_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* How often whoever has exceeded its time is told so: it may just be in between. */
enum { WATCH_REPEAT_NS = 10 * 1000000 };

struct watch;

struct watched {
	_Atomic int64_t deadline;              /* CLOCK_MONOTONIC, nanoseconds; INT64_MAX for none */
	void (*tell)(struct watched *watched); /* by the thread: the deadline is over */
	struct watch *watch;                   /* of the process; NULL while it is not looked after */
	struct watched *next;
};

/*
 * The calling thread's time is limited; it has set `tell`. False where that cannot be left to the watch. By one thread
 * at a time.
 */
bool watch_begin(struct watched *watched, int64_t deadline);
void watch_end(struct watched *watched);

/* It will not be used any more. When this returns nobody is told. */
void watch_remove(struct watched *watched);

#endif
