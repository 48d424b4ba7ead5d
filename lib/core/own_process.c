/* SPDX-License-Identifier: MIT */
#include "core/own_process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/hot.h"

/* Of zeros it is in the memory of no file, as MADV_WIPEONFORK demands; with larger pages it fails. */
enum { PAGE = 4096 };
static _Alignas(PAGE) union {
	struct {
		_Atomic pid_t id; /* 0 where it is not known */
		_Atomic int64_t since;
	};
	char page[PAGE];
} own;

/* Of the process that had it then: a pid alone may be taken again. */
static _Thread_local struct {
	pid_t id;
	int64_t since;
} thread;

static int64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/*
 * False in a child that shares the memory of its parent, with what the C library keeps of the thread that made it: what
 * is remembered there is the parent's. The number of a thread is in its clock (make_thread_cpuclock() of
 * include/linux/posix-timers.h), and asking for that is no system call.
 */
static bool is_known_thread(pid_t id)
{
	enum { KIND_BITS = 3 };
	clockid_t clock;
	return pthread_getcpuclockid(pthread_self(), &clock) == 0 && ~(clock >> KIND_BITS) == id;
}

/* Threads may come here at the same time: the first one's moment stays, since marks have it. */
static pid_t find_out(void)
{
	pid_t id = getpid();
	if (!is_known_thread(gettid()) || madvise(&own, sizeof(own), MADV_WIPEONFORK) < 0)
		return id;
	int64_t unknown = 0;
	atomic_compare_exchange_strong(&own.since, &unknown, now());
	atomic_store(&own.id, id);
	return id;
}

HOT pid_t own_process(void)
{
	pid_t id = atomic_load_explicit(&own.id, memory_order_relaxed);
	return id ? id : find_out();
}

HOT pid_t own_thread(void)
{
	int64_t since = atomic_load_explicit(&own.since, memory_order_relaxed);
	if (since && thread.since == since)
		return thread.id;
	pid_t id = gettid();
	if (!is_known_thread(id))
		return id;
	own_process();
	thread.id = id;
	thread.since = atomic_load(&own.since);
	return id;
}

struct process_mark own_mark(void)
{
	pid_t id = own_process();
	return (struct process_mark){.id = id, .since = atomic_load(&own.since)};
}

/* In a child nothing is known at first, or a later moment. */
HOT bool mark_is_own(const struct process_mark *mark)
{
	return mark->id == own_process() &&
	       (!mark->since || mark->since == atomic_load_explicit(&own.since, memory_order_relaxed));
}
