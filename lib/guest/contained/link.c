/* SPDX-License-Identifier: MIT */
#include "guest/contained/link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/contact/hypercall.h"
#include "guest/contained/message.h"
#include "guest/guest.h"
#include "guest/vm/kick.h"

/*
 * HYPERCALLS_MAX: of which one process may wait for the answers; a guest has fewer threads. PATIENCE_MS: for a
 * response; it serves a system call first, which may copy a file.
 */
enum { HYPERCALLS_MAX = 16384, PATIENCE_MS = 60000 };

struct contained_link {
	atomic_uint references;
	pthread_mutex_t lock; /* guards what follows, and what hypercalls have */
	int socket;
	int end;               /* borrowed; -1 before and after */
	bool is_closed;        /* nothing can be asked any more */
	atomic_ullong signals; /* that were sent; without the lock */
	uint64_t serial;
	viso_hypercall *waiting; /* borrowed; as in a gate */
	unsigned count;
	uint8_t response[sizeof(struct contained_response) + CONTAINED_PIECE];
};

struct contained_link *link_new(int socket)
{
	struct contained_link *link = calloc(1, sizeof(*link));
	if (!link) {
		error_memory();
		close_fd(socket);
		return NULL;
	}
	atomic_init(&link->references, 1);
	pthread_mutex_init(&link->lock, NULL);
	link->socket = socket;
	link->end = -1;
	return link;
}

struct contained_link *link_ref(struct contained_link *link)
{
	atomic_fetch_add(&link->references, 1);
	return link;
}

void link_unref(struct contained_link *link)
{
	if (atomic_fetch_sub(&link->references, 1) != 1)
		return;
	close_fd(link->socket);
	pthread_mutex_destroy(&link->lock);
	free(link);
}

void link_start(struct contained_link *link, int end)
{
	link->end = end;
}

static int send_request(struct contained_link *link, const struct contained_request *request, const void *data,
			int flags)
{
	size_t size = request->kind == REQUEST_WRITE ? request->size : 0;
	struct iovec parts[2] = {{(void *)request, sizeof(*request)}, {(void *)data, size}};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = size ? 2 : 1};
	ssize_t n;
	while ((n = sendmsg(link->socket, &message, MSG_NOSIGNAL | flags)) < 0 && errno == EINTR)
		;
	return n < 0 ? -errno : 0;
}

int link_signal(struct contained_link *link, int signal)
{
	const struct contained_request request = {.kind = REQUEST_SIGNAL, .value = signal};
	int r = send_request(link, &request, NULL, MSG_DONTWAIT);
	if (r == -EAGAIN)
		return error_fail(VISO_STAGE_PROCESS, EAGAIN, "signal", "the guest takes no more signals now");
	if (r == 0)
		atomic_fetch_add(&link->signals, 1);
	return 0; /* or it has just ended */
}

uint64_t link_signals(struct contained_link *link)
{
	return atomic_load(&link->signals);
}

void link_interrupt(struct contained_link *link)
{
	const struct contained_request request = {.kind = REQUEST_SIGNAL};
	(void)send_request(link, &request, NULL, MSG_DONTWAIT);
}

/* Until the socket is ready for `events`, or `until`. False where it will not be. With the lock held. */
static bool wait_for(const struct contained_link *link, short events, int64_t until)
{
	struct pollfd fds[2] = {{.fd = link->socket, .events = events}, {.fd = link->end, .events = POLLIN}};
	int64_t left = (until - clock_now(CLOCK_MONOTONIC)) / 1000000;
	int ready = left > 0 ? poll(fds, 2, (int)left) : 0;
	return (ready < 0 && errno == EINTR) || (ready > 0 && (fds[0].revents || !fds[1].revents));
}

/* The size of the response, or 0 where none comes. With the lock held. */
static size_t receive(struct contained_link *link, int64_t until)
{
	ssize_t n = -1;
	while (wait_for(link, POLLIN, until)) {
		n = recv(link->socket, link->response, sizeof(link->response), MSG_DONTWAIT | MSG_TRUNC);
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return n > 0 && (size_t)n <= sizeof(link->response) ? (size_t)n : 0;
}

/* With the lock held. 0 or a negative errno. */
static int send_patiently(struct contained_link *link, const struct contained_request *request, const void *data,
			  int64_t until)
{
	int r;
	while ((r = send_request(link, request, data, MSG_DONTWAIT)) == -EAGAIN && wait_for(link, POLLOUT, until))
		;
	return r;
}

static int64_t patience_end(void)
{
	return clock_now(CLOCK_MONOTONIC) + PATIENCE_MS * 1000000ll;
}

/* With the lock held. 0 or a negative errno: -ESRCH where the process does not answer, now or ever. */
static int ask(struct contained_link *link, struct contained_request *request, const void *data)
{
	if (link->is_closed)
		return -ESRCH;
	int64_t until = patience_end();
	request->serial = ++link->serial;
	int r = send_patiently(link, request, data, until) < 0
			? -EPROTO
			: contained_take_response(request, link->response, receive(link, until));
	if (r != -EPROTO)
		return r;
	link->is_closed = true;
	shutdown(link->socket, SHUT_RDWR);
	return -ESRCH;
}

/* It waits no longer. With the lock held. */
static void unlink_hypercall(struct contained_link *link, viso_hypercall *hypercall)
{
	if (!hypercall->all_link)
		return;
	*hypercall->all_link = hypercall->all_next;
	if (hypercall->all_next)
		hypercall->all_next->all_link = hypercall->all_link;
	hypercall->all_link = NULL;
	link->count--;
}

static int check_waiting(const viso_hypercall *hypercall)
{
	return hypercall->is_answered ? -EALREADY : hypercall->all_link ? 0 : -ESRCH;
}

/* `hypercall` is NULL for the memory of a computer. */
static int access_piece(struct contained_link *link, viso_hypercall *hypercall, struct contained_request *request,
			void *buffer)
{
	pthread_mutex_lock(&link->lock);
	int r = hypercall ? check_waiting(hypercall) : 0;
	if (r == 0)
		r = ask(link, request, buffer);
	if (r == 0 && request->kind == REQUEST_READ)
		memcpy(buffer, link->response + sizeof(struct contained_response), request->size);
	pthread_mutex_unlock(&link->lock);
	return r;
}

/* An access of nothing is made as well: whether it is possible counts. */
static int access_pieces(struct contained_link *link, viso_hypercall *hypercall, uint64_t address, void *buffer,
			 size_t size, bool writes)
{
	size_t done = 0;
	int r;
	do {
		size_t piece = size - done < CONTAINED_PIECE ? size - done : CONTAINED_PIECE;
		struct contained_request request = {
			.kind = writes ? REQUEST_WRITE : REQUEST_READ,
			.size = (uint32_t)piece,
			.id = hypercall ? hypercall->id : 0,
			.address = address + done,
		};
		r = access_piece(link, hypercall, &request, (uint8_t *)buffer + done);
		done += piece;
	} while (r == 0 && done < size);
	/* The other side says whatever it wants. */
	return r == 0 || r == -EALREADY || r == -ESRCH ? r : -EFAULT;
}

static int access_far(viso_hypercall *hypercall, uint64_t address, void *buffer, size_t size, bool writes)
{
	return access_pieces(hypercall->link, hypercall, address, buffer, size, writes);
}

int link_access(struct contained_link *link, uint64_t address, void *buffer, size_t size, bool writes)
{
	int r = access_pieces(link, NULL, address, buffer, size, writes);
	return r == -EALREADY ? -EFAULT : r;
}

static int defer_far(viso_hypercall *hypercall)
{
	struct contained_link *link = hypercall->link;
	struct contained_request request = {.kind = REQUEST_DEFER, .id = hypercall->id};
	pthread_mutex_lock(&link->lock);
	int r = hypercall->is_deferred ? -EALREADY : check_waiting(hypercall);
	if (r == 0)
		r = ask(link, &request, NULL);
	hypercall->is_deferred = hypercall->is_deferred || r == 0;
	pthread_mutex_unlock(&link->lock);
	return r == 0 || r == -EALREADY || r == -EMFILE || r == -ENFILE || r == -ENOMEM ? r : -ESRCH;
}

static int settle_far(viso_hypercall *hypercall, int64_t value)
{
	struct contained_link *link = hypercall->link;
	struct contained_request request = {.kind = REQUEST_SETTLE, .id = hypercall->id, .value = value};
	pthread_mutex_lock(&link->lock);
	int r = check_waiting(hypercall);
	if (r == 0 && !hypercall->is_deferred)
		r = -EINVAL;
	else if (r == 0) {
		r = ask(link, &request, NULL) < 0 ? -ESRCH : 0;
		hypercall->is_answered = r == 0;
		unlink_hypercall(link, hypercall);
	}
	pthread_mutex_unlock(&link->lock);
	return r;
}

static void release_far(viso_hypercall *hypercall)
{
	struct contained_link *link = hypercall->link;
	const struct contained_request request = {.kind = REQUEST_RELEASE, .id = hypercall->id};
	pthread_mutex_lock(&link->lock);
	if (check_waiting(hypercall) == 0 && !link->is_closed)
		(void)send_patiently(link, &request, NULL, patience_end());
	unlink_hypercall(link, hypercall);
	pthread_mutex_unlock(&link->lock);
	link_unref(link);
	free(hypercall);
}

static const struct hypercall_far far_ops = {
	.access = access_far,
	.defer = defer_far,
	.settle = settle_far,
	.release = release_far,
};

viso_hypercall *link_add(struct contained_link *link, struct viso_guest *guest, const struct contained_event *event)
{
	viso_hypercall *hypercall = calloc(1, sizeof(*hypercall));
	if (!hypercall)
		return NULL;
	atomic_init(&hypercall->handle.references, 1);
	hypercall->handle.owner = guest->sandbox.handle.owner;
	hypercall->far = &far_ops;
	hypercall->link = link;
	hypercall->id = event->id;
	hypercall->number = event->number;
	hypercall->answer_fd = -1;
	memcpy(hypercall->args, event->args, sizeof(hypercall->args));
	pthread_mutex_lock(&link->lock);
	bool has_room = link->count < HYPERCALLS_MAX;
	if (has_room) {
		link->count++;
		link_ref(link);
		hypercall->all_next = link->waiting;
		hypercall->all_link = &link->waiting;
		if (link->waiting)
			link->waiting->all_link = &hypercall->all_next;
		link->waiting = hypercall;
	}
	pthread_mutex_unlock(&link->lock);
	if (!has_room)
		free(TAKE_PTR(hypercall));
	return hypercall;
}

void link_enter(viso_hypercall *hypercall)
{
	hypercall->in_handler = true;
	hypercall->thread = pthread_self();
}

bool link_leave(viso_hypercall *hypercall)
{
	struct contained_link *link = hypercall->link;
	pthread_mutex_lock(&link->lock);
	hypercall->in_handler = false;
	bool is_deferred = hypercall->is_deferred;
	if (!is_deferred) {
		hypercall->is_answered = true;
		unlink_hypercall(link, hypercall);
	}
	pthread_mutex_unlock(&link->lock);
	return is_deferred;
}

void link_drop(struct contained_link *link, struct viso_guest *guest, uint64_t id, bool all)
{
	bool more;
	do {
		pthread_mutex_lock(&link->lock);
		viso_hypercall *hypercall = link->waiting;
		while (hypercall && !all && hypercall->id != id)
			hypercall = hypercall->all_next;
		more = hypercall && all;
		/* Whoever gives its last reference back now waits for the lock; that of the queue is then ours. */
		if (hypercall)
			unlink_hypercall(link, hypercall);
		bool was_queued = hypercall && hypercalls_dequeue(&guest->hypercalls, hypercall);
		pthread_mutex_unlock(&link->lock);
		if (was_queued)
			viso_hypercall_unref(hypercall);
	} while (more);
}

void link_close(struct contained_link *link)
{
	pthread_mutex_lock(&link->lock);
	link->is_closed = true;
	link->end = -1;
	pthread_mutex_unlock(&link->lock);
	link_unref(link);
}

void link_forget(struct contained_link *link)
{
	link->socket = close_fd(link->socket);
	link_unref(link);
}
