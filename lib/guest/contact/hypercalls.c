/* SPDX-License-Identifier: MIT */
/* The handlers of a guest's hypercalls, and the queue of those that the host program takes itself. */
#include "guest/contact/hypercalls.h"
#include "guest/numbers.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "guest/contact/hypercall.h"
#include "guest/guest.h"
#include "guest/vm/kick.h"

enum { NUMBERS = VISO_HYPERCALL_MAX + 1 };

struct hypercall_handler *hypercall_handler_ref(struct hypercall_handler *handler)
{
	if (handler)
		atomic_fetch_add(&handler->references, 1);
	return handler;
}

void hypercall_handler_unref(struct hypercall_handler *handler, bool is_mine)
{
	if (!handler || atomic_fetch_sub(&handler->references, 1) != 1)
		return;
	if (handler->destroy && is_mine)
		handler->destroy(handler->userdata);
	free(handler);
}

void hypercalls_init(struct guest_hypercalls *hypercalls)
{
	*hypercalls = (struct guest_hypercalls){.fd = -1};
	pthread_mutex_init(&hypercalls->lock, NULL);
}

void hypercalls_release(struct guest_hypercalls *hypercalls, bool is_mine)
{
	for (unsigned i = 0; hypercalls->handlers && i < NUMBERS; i++)
		hypercall_handler_unref(hypercalls->handlers[i], is_mine);
	free(hypercalls->handlers);
	hypercalls->fd = close_fd(hypercalls->fd);
	pthread_mutex_destroy(&hypercalls->lock);
}

static int open_queue(struct guest_hypercalls *hypercalls)
{
	if (hypercalls->fd < 0)
		hypercalls->fd = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	return hypercalls->fd < 0 ? error_fail(VISO_STAGE_GUEST, errno, "eventfd", NULL) : 0;
}

int hypercalls_copy(struct guest_hypercalls *to, const struct guest_hypercalls *from)
{
	if (!from->handlers)
		return 0;
	if (from->fd >= 0 && open_queue(to) < 0)
		return -errno;
	to->handlers = calloc(NUMBERS, sizeof(struct hypercall_handler *));
	if (!to->handlers)
		return error_memory();
	for (unsigned i = 0; i < NUMBERS; i++)
		to->handlers[i] = hypercall_handler_ref(from->handlers[i]);
	return 0;
}

struct hypercall_handler *hypercalls_find(const struct viso_guest *guest, uint64_t number)
{
	const struct guest_hypercalls *hypercalls = &guest->hypercalls;
	return hypercalls->handlers && number < NUMBERS ? hypercalls->handlers[number] : NULL;
}

static int check_setter(viso_guest *guest, unsigned number, const char *function)
{
	int r = guest_check_handler_setter(guest, function);
	if (r == 0 && number >= NUMBERS)
		r = error_argument(function, "a hypercall is a number from 0 to 1023");
	return r;
}

/* Takes `handler` over; NULL for none. */
static int put_handler(struct guest_hypercalls *hypercalls, unsigned number, struct hypercall_handler *handler)
{
	if (!hypercalls->handlers)
		hypercalls->handlers = calloc(NUMBERS, sizeof(handler));
	if (!hypercalls->handlers) {
		free(handler);
		return error_memory();
	}
	struct hypercall_handler *old = hypercalls->handlers[number];
	hypercalls->handlers[number] = handler;
	hypercall_handler_unref(old, true);
	return 0;
}

static struct hypercall_handler *handler_new(viso_hypercall_fn function, void *userdata, viso_destroy_fn destroy)
{
	struct hypercall_handler *handler = calloc(1, sizeof(*handler));
	if (!handler) {
		error_memory();
		return NULL;
	}
	*handler = (struct hypercall_handler){.function = function, .userdata = userdata, .destroy = destroy};
	atomic_init(&handler->references, 1);
	return handler;
}

int hypercalls_set(struct guest_hypercalls *hypercalls, unsigned number, viso_hypercall_fn function)
{
	struct hypercall_handler *handler = handler_new(function, NULL, NULL);
	return handler ? put_handler(hypercalls, number, handler) : -ENOMEM;
}

int viso_guest_set_hypercall_handler(viso_guest *guest, unsigned number, viso_hypercall_fn function, void *userdata,
				     viso_destroy_fn destroy)
{
	int r = check_setter(guest, number, __func__);
	if (r < 0)
		return r;
	struct hypercall_handler *handler = function ? handler_new(function, userdata, destroy) : NULL;
	if (function && !handler)
		return -ENOMEM;
	return put_handler(&guest->hypercalls, number, handler);
}

int viso_guest_queue_hypercall(viso_guest *guest, unsigned number)
{
	int r = check_setter(guest, number, __func__);
	if (r == 0)
		r = open_queue(&guest->hypercalls);
	if (r < 0)
		return r;
	return hypercalls_set(&guest->hypercalls, number, NULL);
}

void hypercalls_enqueue(struct guest_hypercalls *hypercalls, viso_hypercall *hypercall)
{
	pthread_mutex_lock(&hypercalls->lock);
	hypercall->next = NULL;
	hypercall->is_queued = true;
	if (hypercalls->last)
		hypercalls->last->next = hypercall;
	else
		hypercalls->first = hypercall;
	hypercalls->last = hypercall;
	eventfd_write(hypercalls->fd, 1);
	pthread_mutex_unlock(&hypercalls->lock);
}

/* With the lock held. */
static void queue_unlink(struct guest_hypercalls *hypercalls, viso_hypercall *hypercall)
{
	viso_hypercall *before = NULL, *at = hypercalls->first;
	while (at && at != hypercall) {
		before = at;
		at = at->next;
	}
	if (!at)
		return;
	if (before)
		before->next = at->next;
	else
		hypercalls->first = at->next;
	if (hypercalls->last == at)
		hypercalls->last = before;
	at->is_queued = false;
	eventfd_t count;
	if (!hypercalls->first)
		eventfd_read(hypercalls->fd, &count);
}

bool hypercalls_dequeue(struct guest_hypercalls *hypercalls, viso_hypercall *hypercall)
{
	pthread_mutex_lock(&hypercalls->lock);
	bool was_queued = hypercall->is_queued;
	if (was_queued)
		queue_unlink(hypercalls, hypercall);
	pthread_mutex_unlock(&hypercalls->lock);
	return was_queued;
}

static viso_hypercall *queue_take(struct guest_hypercalls *hypercalls)
{
	pthread_mutex_lock(&hypercalls->lock);
	viso_hypercall *hypercall = hypercalls->first;
	if (hypercall)
		queue_unlink(hypercalls, hypercall);
	pthread_mutex_unlock(&hypercalls->lock);
	return hypercall;
}

static int check_queue(viso_guest *guest, const char *function)
{
	int r = sandbox_check_use(guest ? &guest->sandbox : NULL, function);
	if (r == 0 && guest->hypercalls.fd < 0)
		r = error_fail(VISO_STAGE_ARGUMENT, EBADF, function,
			       "%s: no hypercall is to be queued; call viso_guest_queue_hypercall() before", function);
	return r;
}

int viso_guest_hypercall_fd(viso_guest *guest)
{
	int r = check_queue(guest, __func__);
	return r < 0 ? r : guest->hypercalls.fd;
}

/* Milliseconds until `end`, rounded up; -1 for ever. */
static int milliseconds_left(int64_t end)
{
	if (end == INT64_MAX)
		return -1;
	int64_t left = end - clock_now(CLOCK_MONOTONIC);
	return left > 0 ? (int)((left + 999999) / 1000000) : 0;
}

int viso_guest_next_hypercall(viso_guest *guest, int timeout_ms, viso_hypercall **out_hypercall)
{
	if (!out_hypercall)
		return error_argument(__func__, "out_hypercall is NULL");
	if (timeout_ms < -1)
		return error_argument(__func__, "the time limit is negative; -1 is for none");
	int r = check_queue(guest, __func__);
	if (r < 0)
		return r;
	int64_t end = timeout_ms < 0 ? INT64_MAX : clock_now(CLOCK_MONOTONIC) + (int64_t)timeout_ms * 1000000;
	viso_hypercall *hypercall;
	while (!(hypercall = queue_take(&guest->hypercalls))) {
		struct pollfd fd = {.fd = guest->hypercalls.fd, .events = POLLIN};
		int left = milliseconds_left(end);
		if (left == 0)
			return error_fail(VISO_STAGE_GUEST, ETIMEDOUT, __func__, "no hypercall came in %d ms",
					  timeout_ms);
		if (poll(&fd, 1, left) < 0)
			return error_fail(VISO_STAGE_GUEST, errno, "poll", NULL);
	}
	*out_hypercall = hypercall;
	return 0;
}
