/* SPDX-License-Identifier: MIT */
/* epoll_wait(2) and its kin. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "core/cleanup.h"
#include "guest/program/calls.h"
#include "guest/program/events/epoll.h"
#include "guest/program/readiness.h"

enum { HOST_EVENTS = 64 };

/* What events of poll(2) an item waits for; the numbers are the same. */
static const uint32_t polled_events =
	EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLRDHUP;

/* Remembers the edges of the host's files. More than fit are told of at the next look. */
static void take_host_edges(struct epoll *epoll, struct readiness *readiness)
{
	struct epoll_event events[HOST_EVENTS];
	if (epoll->file->fd < 0 || !(readiness_host(readiness, epoll->file->fd, POLLIN) & POLLIN))
		return;
	int count = epoll_wait(epoll->file->fd, events, HOST_EVENTS, 0);
	for (int i = 0; i < count; i++) {
		struct epoll_item *item = events[i].data.ptr;
		item->host_edges |= events[i].events;
	}
}

static uint32_t look_at(struct epoll_item *item, struct readiness *readiness)
{
	if (item->disabled)
		return 0;
	if (item->on_host)
		return item->host_edges & (item->events | EPOLLERR | EPOLLHUP);
	uint32_t ready = (uint16_t)file_poll(item->file, (short)(item->events & polled_events), readiness);
	bool by_edge = (item->events & EPOLLET) && epoll_host_fd(item->file) < 0 && !epoll_of(item->file);
	return by_edge && item->is_told && item->seen == item->file->changes ? 0 : ready;
}

unsigned epoll_check(struct epoll *epoll, struct readiness *readiness, struct epoll_item **out, unsigned max)
{
	unsigned ready = 0;
	readiness_object(readiness, epoll->file);
	take_host_edges(epoll, readiness);
	for (struct epoll_item *item = epoll->first; item; item = item->next) {
		item->ready = look_at(item, readiness);
		if (!item->ready)
			continue;
		if (ready < max)
			out[ready] = item;
		ready++;
	}
	return ready;
}

struct wait {
	struct epoll *epoll;
	struct epoll_item **items;
	unsigned max;
};

static int64_t check(void *data, struct readiness *readiness)
{
	struct wait *wait = data;
	unsigned ready = epoll_check(wait->epoll, readiness, wait->items, wait->max);
	return ready < wait->max ? ready : wait->max;
}

/* The program has been told of an item. */
static void tell(struct epoll_item *item)
{
	item->host_edges = 0;
	item->is_told = true;
	item->seen = item->file->changes;
	item->disabled = item->events & EPOLLONESHOT;
	epoll_move_last(item);
}

static int64_t wait_for_events(struct program *program, const uint64_t *args, int64_t until)
{
	struct file *file = program_file(program, (int)args[0]);
	int max = (int)args[2];
	if (!file)
		return -EBADF;
	struct epoll *epoll = epoll_of(file);
	if (!epoll || max <= 0 || max > INT32_MAX / (int)sizeof(struct epoll_event))
		return -EINVAL;
	if (!space_is_user(args[1], (uint64_t)max * sizeof(struct epoll_event)))
		return -EFAULT;
	struct wait wait = {.epoll = epoll, .max = (unsigned)max < epoll->count ? (unsigned)max : epoll->count};
	_cleanup_free_ struct epoll_item **items = calloc(wait.max + 1, sizeof(struct epoll_item *));
	_cleanup_free_ struct epoll_event *events = calloc(wait.max + 1, sizeof(*events));
	if (!items || !events)
		return -ENOMEM;
	wait.items = items;
	int64_t n = readiness_wait(program, check, &wait, task_deadline(program, until));
	if (n <= 0)
		return n;
	for (int64_t i = 0; i < n; i++)
		events[i] = (struct epoll_event){.events = items[i]->ready, .data.u64 = items[i]->data};
	if (space_write(program->space, args[1], events, (size_t)n * sizeof(*events)) < 0)
		return -EFAULT;
	for (int64_t i = 0; i < n; i++)
		tell(items[i]);
	return n;
}

int64_t call_epoll_wait(struct program *program, const uint64_t args[6])
{
	return wait_for_events(program, args, call_moment_ms((int)args[3]));
}

int64_t call_epoll_pwait(struct program *program, const uint64_t args[6])
{
	int r = signal_use_mask(program, args[4], args[5]);
	return r < 0 ? r : wait_for_events(program, args, call_moment_ms((int)args[3]));
}

int64_t call_epoll_pwait2(struct program *program, const uint64_t args[6])
{
	int64_t until;
	int r = call_moment(program, args[3], &until);
	if (r == 0)
		r = signal_use_mask(program, args[4], args[5]);
	return r < 0 ? r : wait_for_events(program, args, until);
}
