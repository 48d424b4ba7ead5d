/* SPDX-License-Identifier: MIT */
#include "guest/contained/service.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/contact/hypercall.h"
#include "guest/guest.h"
#include "guest/thread.h"
#include "guest/vm/kick.h"

bool service_is_needed(const viso_guest *guest)
{
	return guest->hypercalls.handlers || guest->sockets.handler || guest->core_path;
}

void service_describe(const viso_guest *guest, struct contained_settings *settings)
{
	for (unsigned number = 0; number < CONTAINED_NUMBERS; number++) {
		const struct hypercall_handler *handler = hypercalls_find(guest, number);
		settings->hypercalls[number] = !handler            ? HYPERCALL_UNKNOWN
					       : handler->function ? HYPERCALL_HANDLED
								   : HYPERCALL_QUEUED;
	}
	settings->connects = guest->sockets.handler != NULL;
	settings->writes_core = guest->core_path != NULL;
}

/* With a fd, or -1. Where it is not taken, the process is one that does not wait for it. */
static bool reply(struct service *service, int64_t value, bool is_deferred, int fd)
{
	const struct contained_reply reply = {.value = value, .is_deferred = is_deferred};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct iovec part = {(void *)&reply, sizeof(reply)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = control.room;
		message.msg_controllen = sizeof(control.room);
	}
	/* It is being killed, and could end by itself before that comes to it. */
	if (service->owns_guest)
		return true;
	ssize_t n;
	while ((n = sendmsg(service->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno == EINTR)
		;
	/* Its end is seen where the next message is awaited. */
	return n >= 0 || errno != EAGAIN;
}

/* As viso_guest_unref() in a handler: the last reference ends with the program. */
static void give_guest_back(struct service *service)
{
	if (handle_unref_unless_last(&service->guest->sandbox.handle))
		return;
	service->owns_guest = true;
	(void)viso_process_kill(service->server);
}

static bool call_handler(struct service *service, const struct hypercall_handler *handler, viso_hypercall *hypercall)
{
	link_enter(hypercall);
	handle_ref(&service->guest->sandbox.handle);
	int64_t value = hypercall_call(service->guest, handler, hypercall);
	bool is_deferred = link_leave(hypercall);
	viso_hypercall_unref(hypercall);
	give_guest_back(service);
	return reply(service, is_deferred ? 0 : value, is_deferred, -1);
}

static bool enqueue(struct service *service, viso_hypercall *hypercall)
{
	hypercall->is_deferred = true;
	hypercalls_enqueue(&service->guest->hypercalls, hypercall);
	return reply(service, 0, true, -1);
}

static bool handle_hypercall(struct service *service, const struct contained_event *event)
{
	const struct hypercall_handler *handler = hypercalls_find(service->guest, event->number);
	viso_hypercall *hypercall = handler ? link_add(service->link, service->guest, event) : NULL;
	if (!hypercall)
		return reply(service, handler ? -ENOMEM : -ENOSYS, false, -1);
	return handler->function ? call_handler(service, handler, hypercall) : enqueue(service, hypercall);
}

static bool connect_for(struct service *service, const char *address, size_t size)
{
	if (!service->guest->sockets.handler || !contained_is_address(address, size))
		return false;
	handle_ref(&service->guest->sandbox.handle);
	_cleanup_close_ int fd = guest_sockets_connect(service->guest, address);
	give_guest_back(service);
	return reply(service, fd < 0 ? fd : 0, false, fd);
}

/* False where it makes no sense. */
static bool handle(struct service *service, const struct contained_event *event, const uint8_t *data)
{
	if (service->is_still && event->kind != EVENT_GONE && event->kind != EVENT_SNAPSHOT)
		return false;
	switch (event->kind) {
	case EVENT_HYPERCALL:
		return handle_hypercall(service, event);
	case EVENT_GONE:
		link_drop(service->link, service->guest, event->id, false);
		return true;
	case EVENT_CONNECT:
		return connect_for(service, (const char *)data, event->size);
	case EVENT_CORE_OPEN:
		return reply(service, contained_core_open(&service->core, service->guest), false, -1);
	case EVENT_CORE_DATA:
		return contained_core_write(&service->core, data, event->size, event->args[0]);
	case EVENT_CORE_END:
		return reply(service,
			     contained_core_end(&service->core, service->guest, event->args[0], event->args[1] != 0),
			     false, -1);
	case EVENT_SNAPSHOT:
		return contained_receive_piece(&service->receiving, data, event->size, event->args[0]);
	default:
		return false;
	}
}

/* Milliseconds for poll(2), rounded up; 0 where the time is over. */
static int milliseconds_left(const struct service *service)
{
	if (!service->until)
		return -1;
	int64_t left = service->until - clock_now(CLOCK_MONOTONIC);
	return left <= 0 ? 0 : left / 1000000 >= INT_MAX ? INT_MAX : (int)(left / 1000000) + 1;
}

/* Waits until the socket may be ready. False where the process has ended, or its time is over, in which it does. */
static bool wait_for(struct service *service, short events)
{
	struct pollfd fds[2] = {
		{.fd = service->socket, .events = events},
		{.fd = viso_process_fd(service->server), .events = POLLIN},
	};
	int left = milliseconds_left(service);
	int ready = left ? poll(fds, 2, left) : 0;
	if (left == 0) {
		service->is_late = true;
		(void)viso_process_kill(service->server);
		return false;
	}
	return ready < 0 ? errno == EINTR : !fds[1].revents || fds[0].revents;
}

size_t service_receive(struct service *service)
{
	ssize_t n = -1;
	bool goes_on = true;
	while (n < 0 && goes_on) {
		/* What it said before it ended may have come after the look at the socket. */
		goes_on = wait_for(service, POLLIN);
		if (service->is_late)
			return 0;
		n = recv(service->socket, service->message, sizeof(service->message), MSG_DONTWAIT | MSG_TRUNC);
		goes_on = goes_on && (n >= 0 || errno == EAGAIN || errno == EINTR);
	}
	return n < 0 ? 0 : (size_t)n;
}

bool service_send(struct service *service, const struct iovec *parts, size_t count)
{
	const struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = count};
	while (wait_for(service, POLLOUT)) {
		if (sendmsg(service->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return true;
		if (errno != EAGAIN && errno != EINTR)
			return false;
	}
	return false;
}

void service_is_lied_to(struct service *service)
{
	service->is_liar = true;
	(void)viso_process_kill(service->server);
}

void service_run(struct service *service)
{
	size_t size;
	service->last_size = 0;
	while ((size = service_receive(service)) > 0) {
		struct contained_event event;
		if (size <= sizeof(service->message) && contained_is_event(service->message, size)) {
			memcpy(&event, service->message, sizeof(event));
			if (handle(service, &event, service->message + sizeof(event)))
				continue;
			service_is_lied_to(service);
			return;
		}
		service->last_size = size <= sizeof(service->message) ? size : 0;
		return;
	}
}

void service_add_counts(viso_guest *guest, const uint64_t counts[2][COUNTED_CALLS])
{
	for (int i = 0; i < 2; i++)
		for (int number = 0; number < COUNTED_CALLS; number++)
			atomic_fetch_add_explicit(&guest->counts.of[i][number], counts[i][number],
						  memory_order_relaxed);
}

/* The host's word counts where it has ended the process; what is no answer is a failure of the machine. */
static viso_reason reason_of_end(const struct service *service, const viso_result *server)
{
	if (service->is_liar)
		return VISO_REASON_GUEST_FAULT;
	if (service->is_late)
		return VISO_REASON_TIMED_OUT;
	switch (server->reason) {
	case VISO_REASON_KILLED:
	case VISO_REASON_TIMED_OUT:
	case VISO_REASON_CPU_TIME:
	case VISO_REASON_OUT_OF_MEMORY:
		return server->reason;
	default:
		return VISO_REASON_GUEST_FAULT;
	}
}

int service_result_of_end(const struct service *service, const viso_result *server, viso_result **out_result)
{
	viso_result *result = result_new();
	if (!result)
		return error_memory();
	result->reason = reason_of_end(service, server);
	bool by_host = result->reason != VISO_REASON_GUEST_FAULT;
	result->signal = by_host ? SIGKILL : 0;
	memcpy(result->usage, server->usage, sizeof(result->usage));
	result_describe(result, by_host            ? NULL
				: service->is_liar ? "what serves it asked for something impossible"
						   : server->description);
	*out_result = result;
	return 0;
}

void service_end(struct service *service)
{
	struct pollfd end = {.fd = viso_process_fd(service->server), .events = POLLIN};
	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		;
	eventfd_write(service->end_fd, 1);
}

static void *run(void *data)
{
	service_run(data);
	service_end(data);
	return NULL;
}

int service_start(struct service *service)
{
	int r = thread_start(&service->thread, run, service);
	if (r < 0)
		return error_fail(VISO_STAGE_GUEST, -r, "pthread_create", NULL);
	service->has_thread = true;
	return 0;
}

void service_close(struct service *service)
{
	if (service->has_thread)
		pthread_join(service->thread, NULL);
	service->has_thread = false;
	if (service->core.fd >= 0)
		(void)contained_core_end(&service->core, service->guest, 0, true);
	if (!service->link)
		return;
	link_drop(service->link, service->guest, 0, true);
	link_close(TAKE_PTR(service->link));
}
