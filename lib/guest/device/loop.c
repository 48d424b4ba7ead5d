/* SPDX-License-Identifier: MIT */
#include "guest/device/loop.h"

#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fd.h"
#include "guest/thread.h"

enum { EVENTS_AT_ONCE = 16, NUMBER_BITS = 56, WAKE_HANDLER = 0xff };

static uint64_t pack(int handler, uint64_t number)
{
	return (uint64_t)handler << NUMBER_BITS | (number & ((1ULL << NUMBER_BITS) - 1));
}

void loop_init(struct loop *loop)
{
	*loop = (struct loop){.epoll = -1, .wake = -1};
	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->changed, NULL);
}

/* With the lock. */
static int open_fds(struct loop *loop)
{
	_cleanup_close_ int epoll = fd_above_streams(epoll_create1(EPOLL_CLOEXEC));
	_cleanup_close_ int wake = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = pack(WAKE_HANDLER, 0)};
	if (epoll < 0 || wake < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event) < 0)
		return -errno;
	loop->wake = TAKE_FD(wake);
	loop->epoll = TAKE_FD(epoll);
	return 0;
}

void loop_release(struct loop *loop)
{
	loop->epoll = close_fd(loop->epoll);
	loop->wake = close_fd(loop->wake);
	pthread_cond_destroy(&loop->changed);
	pthread_mutex_destroy(&loop->lock);
}

int loop_add(struct loop *loop, void (*ready)(void *data, uint64_t number, uint32_t events), void *data)
{
	if (loop->handler_count == LOOP_HANDLERS_MAX)
		return -ENOSPC;
	loop->handlers[loop->handler_count] = (struct loop_handler){ready, data};
	return loop->handler_count++;
}

static void *run(void *data);

/* With the lock. */
static int begin(struct loop *loop)
{
	if (!loop->may_run || loop->is_running || loop->epoll < 0)
		return 0;
	int r = thread_start(&loop->thread, run, loop);
	loop->is_running = r == 0;
	return r;
}

static int open_and_begin(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	int r = loop->epoll < 0 ? open_fds(loop) : 0;
	if (r == 0)
		r = begin(loop);
	/* Where it fails, the fds stay for the next time. */
	if (r == 0)
		atomic_store(&loop->is_open, true);
	pthread_mutex_unlock(&loop->lock);
	return r;
}

int loop_watch(struct loop *loop, int handler, uint64_t number, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = pack(handler, number)};
	int r = atomic_load(&loop->is_open) ? 0 : open_and_begin(loop);
	if (r < 0)
		return r;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event) == 0)
		return 0;
	if (errno != ENOENT || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	return 0;
}

void loop_forget(struct loop *loop, int fd)
{
	int saved = errno;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
	errno = saved;
}

int loop_run_once(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int count = epoll_wait(loop->epoll, events, EVENTS_AT_ONCE, timeout_ms);
	for (int i = 0; i < count; i++) {
		int handler = (int)(events[i].data.u64 >> NUMBER_BITS);
		uint64_t number = events[i].data.u64 & ((1ULL << NUMBER_BITS) - 1);
		if (handler < loop->handler_count)
			loop->handlers[handler].ready(loop->handlers[handler].data, number, events[i].events);
	}
	return count > 0 ? count : 0;
}

/* Waits here while it is paused. */
static void park(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	while (loop->is_paused) {
		loop->is_parked = true;
		pthread_cond_broadcast(&loop->changed);
		pthread_cond_wait(&loop->changed, &loop->lock);
	}
	loop->is_parked = false;
	pthread_mutex_unlock(&loop->lock);
}

/*
 * A processor that notifies a device goes on where it shares its CPU with this thread: what is served once it has
 * nothing more to do are many chains at once, for one interrupt, in place of an exit and a switch each (sched(7): a
 * batch thread does not preempt whoever wakes it). Where a CPU is idle nothing changes. Another policy is the host
 * program's own, and musl has no sched_setscheduler(2).
 */
static void let_others_finish(void)
{
	const struct sched_param none = {0};
	if (syscall(SYS_sched_getscheduler, 0) == SCHED_OTHER)
		(void)syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &none);
}

static void *run(void *data)
{
	struct loop *loop = data;
	uint64_t count;
	pthread_setname_np(pthread_self(), "viso-devices");
	let_others_finish();
	park(loop);
	while (!atomic_load(&loop->is_stopping)) {
		loop_run_once(loop, -1);
		while (read(loop->wake, &count, sizeof(count)) > 0)
			park(loop);
	}
	return NULL;
}

static void wake(struct loop *loop)
{
	const uint64_t one = 1;
	if (loop->wake < 0)
		return;
	/* An eventfd that is full wakes as well. */
	while (write(loop->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

int loop_start(struct loop *loop)
{
	atomic_store(&loop->is_stopping, false);
	pthread_mutex_lock(&loop->lock);
	loop->may_run = true;
	int r = begin(loop);
	pthread_mutex_unlock(&loop->lock);
	return r;
}

void loop_pause(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->is_paused = true;
	wake(loop);
	while (loop->is_running && !loop->is_parked)
		pthread_cond_wait(&loop->changed, &loop->lock);
	pthread_mutex_unlock(&loop->lock);
}

void loop_resume(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->is_paused = false;
	pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
}

void loop_stop(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	bool is_running = loop->is_running;
	loop->may_run = false;
	pthread_mutex_unlock(&loop->lock);
	if (!is_running)
		return;
	atomic_store(&loop->is_stopping, true);
	loop_resume(loop);
	wake(loop);
	pthread_join(loop->thread, NULL);
	loop->is_running = false;
}
