/* SPDX-License-Identifier: MIT */
#include "guest/vm/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/hot.h"
#include "core/own_process.h"
#include "guest/thread.h"
#include "guest/vm/kick.h"

/* A forked child has no such thread, and the lock may be held: it leaves that of its parent alone, as in shells.c. */
struct watch {
	struct process_mark owner;
	_Atomic int64_t next_look; /* CLOCK_MONOTONIC; INT64_MAX for never */
	pthread_mutex_t lock;      /* guards what follows */
	pthread_cond_t change;
	struct watched *first;
	pthread_t thread;
	bool has_thread;
	bool is_closing;
};

static _Atomic(struct watch *) watch;

static struct watch *watch_new(void)
{
	pthread_condattr_t attributes;
	struct watch *made = calloc(1, sizeof(*made));
	if (!made)
		return NULL;
	made->owner = own_mark();
	atomic_init(&made->next_look, INT64_MAX);
	pthread_mutex_init(&made->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&made->change, &attributes);
	pthread_condattr_destroy(&attributes);
	return made;
}

static struct watch *own_watch(void)
{
	struct watch *now = atomic_load(&watch);
	if (now && mark_is_own(&now->owner))
		return now;
	struct watch *made = watch_new();
	if (!made || atomic_compare_exchange_strong(&watch, &now, made))
		return made;
	pthread_cond_destroy(&made->change);
	pthread_mutex_destroy(&made->lock);
	free(made);
	return now;
}

/* Tells those whose time is over. When to look next. With the lock held. */
static int64_t look(const struct watch *own)
{
	int64_t now = clock_now(CLOCK_MONOTONIC), next = INT64_MAX;
	for (struct watched *watched = own->first; watched; watched = watched->next) {
		int64_t deadline = atomic_load(&watched->deadline);
		if (deadline <= now) {
			watched->tell(watched);
			deadline = now + WATCH_REPEAT_NS;
		}
		if (deadline < next)
			next = deadline;
	}
	return next;
}

/*
 * It works for all threads of the process, but is made by the first one that comes and inherits what that has: also how
 * late it may be woken (PR_SET_TIMERSLACK of prctl(2)), and its processors, which may be in use by others all the time.
 */
static void be_everybodys(void)
{
	static const unsigned long slack_ns = 50000;
	cpu_set_t processors;
	prctl(PR_SET_NAME, "viso-deadlines");
	prctl(PR_SET_TIMERSLACK, slack_ns, 0, 0, 0);
	if (sched_getaffinity(own_process(), sizeof(processors), &processors) == 0)
		sched_setaffinity(0, sizeof(processors), &processors);
}

static void *run_thread(void *data)
{
	struct watch *own = data;
	be_everybodys();
	pthread_mutex_lock(&own->lock);
	while (!own->is_closing) {
		atomic_store(&own->next_look, INT64_MAX);
		int64_t next = look(own);
		atomic_store(&own->next_look, next);
		const struct timespec until = {.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000};
		if (next == INT64_MAX)
			pthread_cond_wait(&own->change, &own->lock);
		else
			pthread_cond_timedwait(&own->change, &own->lock, &until);
	}
	pthread_mutex_unlock(&own->lock);
	return NULL;
}

/*
 * A thread that has its turn after all others of the host's would not come to interrupt one of real-time priority on
 * the same processor, as a timer does. What is asked here the C library remembers.
 */
HOT static bool is_ordinary_thread(void)
{
	struct sched_param parameters;
	int policy;
	return pthread_getschedparam(pthread_self(), &policy, &parameters) == 0 && policy == SCHED_OTHER;
}

/* Nor would one that has a smaller share than the process has otherwise, and may not raise that. */
static bool is_nicer(void)
{
	return getpriority(PRIO_PROCESS, 0) > getpriority(PRIO_PROCESS, (id_t)own_process());
}

/* Of /proc; empty where it cannot be read. */
static void read_groups(const char *path, char *buffer, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buffer, size - 1);
	buffer[n > 0 ? n : 0] = 0;
}

/*
 * Nor would one in other control groups than the process (cgroups(7), "thread mode", or version 1), which may be
 * frozen, or have less of the processors.
 */
static bool is_elsewhere(void)
{
	char own[PATH_MAX], of_process[PATH_MAX];
	read_groups("/proc/thread-self/cgroup", own, sizeof(own));
	read_groups("/proc/self/cgroup", of_process, sizeof(of_process));
	return strcmp(own, of_process) != 0;
}

static bool add(struct watched *watched)
{
	struct watch *own = own_watch();
	if (!own)
		return false;
	pthread_mutex_lock(&own->lock);
	if (!own->has_thread && !is_nicer() && !is_elsewhere())
		own->has_thread = thread_start(&own->thread, run_thread, own) == 0;
	/* While it is ending nothing can be added. */
	if (own->has_thread && !own->is_closing) {
		watched->next = own->first;
		own->first = watched;
		watched->watch = own;
	}
	pthread_mutex_unlock(&own->lock);
	return watched->watch;
}

/* The last one has gone. With the lock held, which is not meanwhile. */
static void end_thread(struct watch *own)
{
	own->is_closing = true;
	pthread_cond_signal(&own->change);
	pthread_mutex_unlock(&own->lock);
	pthread_join(own->thread, NULL);
	pthread_mutex_lock(&own->lock);
	own->has_thread = own->is_closing = false;
}

void watch_remove(struct watched *watched)
{
	struct watch *own = watched->watch;
	if (!own)
		return;
	pthread_mutex_lock(&own->lock);
	struct watched **link = &own->first;
	while (*link != watched)
		link = &(*link)->next;
	*link = watched->next;
	watched->watch = NULL;
	if (!own->first)
		end_thread(own);
	pthread_mutex_unlock(&own->lock);
}

static void wake_for(struct watch *own, int64_t deadline)
{
	pthread_mutex_lock(&own->lock);
	if (deadline < atomic_load(&own->next_look)) {
		atomic_store(&own->next_look, deadline);
		pthread_cond_signal(&own->change);
	}
	pthread_mutex_unlock(&own->lock);
}

HOT bool watch_begin(struct watched *watched, int64_t deadline)
{
	if (!is_ordinary_thread() || (!watched->watch && !add(watched)))
		return false;
	atomic_store(&watched->deadline, deadline);
	if (deadline < atomic_load(&watched->watch->next_look))
		wake_for(watched->watch, deadline);
	return true;
}

HOT void watch_end(struct watched *watched)
{
	atomic_store(&watched->deadline, INT64_MAX);
}
