/* SPDX-License-Identifier: MIT */
/*
 * Where the devices of a kernel guest wait for the host's fds: one thread for all of a guest's devices that never
 * block. A guest whose devices watch nothing has neither the thread nor the fds. What became ready is told by a number
 * that the device chose, not by an address: it may come once more after the fd was forgotten, when the device has to
 * know by itself that the number means nothing any more.
 */
#ifndef GUEST_DEVICE_LOOP_H
#define GUEST_DEVICE_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { LOOP_HANDLERS_MAX = 32 };

struct loop_handler {
	void (*ready)(void *data, uint64_t number, uint32_t events);
	void *data;
};

struct loop {
	atomic_bool is_open; /* something was watched */
	int epoll;           /* -1 before that, as what follows */
	int wake;            /* an eventfd */
	atomic_bool is_stopping;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool may_run, is_running;
	bool is_paused, is_parked;
	struct loop_handler handlers[LOOP_HANDLERS_MAX];
	int handler_count;
};

void loop_init(struct loop *loop);

/* It is stopped. */
void loop_release(struct loop *loop);

/* Before it runs first. The handler's number, or -ENOSPC. */
int loop_add(struct loop *loop, void (*ready)(void *data, uint64_t number, uint32_t events), void *data);

/*
 * From any thread: `handler` is called with `number` (below 2^56) as long as `fd` is ready for `events` (epoll_ctl(2);
 * 0: only for errors). A second call for the same fd changes events and number. 0 or a negative errno.
 */
int loop_watch(struct loop *loop, int handler, uint64_t number, int fd, uint32_t events);
void loop_forget(struct loop *loop, int fd);

/* The thread begins, as soon as there is something to watch. 0 or a negative errno. */
int loop_start(struct loop *loop);

/* Neither from a handler. No handler runs any more when they return; until loop_resume(), or for ever. */
void loop_pause(struct loop *loop);
void loop_stop(struct loop *loop);
void loop_resume(struct loop *loop);

/* In place of the thread: waits and calls what is ready, once. How many were. */
int loop_run_once(struct loop *loop, int timeout_ms);

#endif
