/* SPDX-License-Identifier: MIT */
#include "guest/contained/forward.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/contact/hypercall.h"
#include "guest/contained/receive.h"
#include "guest/dump/core_file.h"
#include "guest/guest.h"
#include "guest/instance.h"

/* What the host has of this guest: as any other thread, it does with a hypercall what its functions allow. */
struct held {
	uint64_t id;
	viso_hypercall *hypercall; /* a reference */
	struct held *next;
};

static struct {
	struct viso_guest *guest;
	struct instance *instance;
	const struct contained_settings *settings;
	pthread_mutex_t lock; /* guards what follows */
	struct held *held;
	uint64_t last_id;
	uint64_t signals; /* that have come */
	bool is_gone;     /* the host */
	pthread_cond_t signalled;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .signalled = PTHREAD_COND_INITIALIZER};

void forward_say(const void *message, size_t size)
{
	while (send(CONTAINED_SOCKET, message, size, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

void forward_fill_report(int r, struct contained_report *out)
{
	*out = (struct contained_report){.magic = CONTAINED_MAGIC, .error = -r};
	if (r == 0)
		return;
	out->stage = (int32_t)viso_error_stage();
	snprintf(out->object, sizeof(out->object), "%s", viso_error_object());
	snprintf(out->message, sizeof(out->message), "%s", viso_error_message());
}

void forward_report(int r)
{
	struct contained_report report;
	forward_fill_report(r, &report);
	forward_say(&report, sizeof(report));
}

void forward_take_counts(struct viso_guest *guest, uint64_t out_counts[2][COUNTED_CALLS])
{
	for (int i = 0; i < 2; i++)
		for (int number = 0; number < COUNTED_CALLS; number++)
			out_counts[i][number] = atomic_exchange(&guest->counts.of[i][number], 0);
}

static void tell(struct contained_event event, const void *data, size_t size)
{
	event.magic = CONTAINED_EVENT_MAGIC;
	event.size = (uint32_t)size;
	struct iovec parts[2] = {{&event, sizeof(event)}, {(void *)data, size}};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = size ? 2 : 1};
	while (sendmsg(CONTAINED_SOCKET, &message, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/* One that stays may be replaced by another one meanwhile. */
static void stop(int signal)
{
	pthread_mutex_lock(&all.guest->lock);
	struct instance *instance = all.guest->initialised ? all.guest->initialised : all.instance;
	kick_stop(&instance->kick, signal);
	pthread_mutex_unlock(&all.guest->lock);
}

/* The host's reply to the event before. A fd that comes with it goes to `out_fd`. */
static struct contained_reply hear(int *out_fd)
{
	struct contained_reply reply = {.value = -EIO};
	if (contained_receive(CONTAINED_SOCKET, &reply, sizeof(reply), out_fd) == sizeof(reply))
		return reply;
	/* It is gone. */
	stop(SIGKILL);
	return (struct contained_reply){.value = -EIO};
}

static int64_t ask(struct contained_event event, const void *data, size_t size)
{
	int fd = -1;
	tell(event, data, size);
	int64_t value = hear(&fd).value;
	close_fd(fd);
	return value;
}

static int hold(viso_hypercall *hypercall, uint64_t *out_id)
{
	struct held *held = malloc(sizeof(*held));
	if (!held)
		return -ENOMEM;
	pthread_mutex_lock(&all.lock);
	*held = (struct held){++all.last_id, viso_hypercall_ref(hypercall), all.held};
	all.held = held;
	pthread_mutex_unlock(&all.lock);
	*out_id = held->id;
	return 0;
}

static struct held **find(uint64_t id)
{
	struct held **at = &all.held;
	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

/* The host has the hypercall no longer: one that is not answered is refused. */
static void let_go(uint64_t id)
{
	pthread_mutex_lock(&all.lock);
	struct held **at = find(id), *held = *at;
	if (held)
		*at = held->next;
	pthread_mutex_unlock(&all.lock);
	if (held)
		viso_hypercall_unref(held->hypercall);
	free(held);
}

/* Another reference, or NULL. */
static viso_hypercall *look_up(uint64_t id)
{
	pthread_mutex_lock(&all.lock);
	const struct held *held = *find(id);
	viso_hypercall *hypercall = held ? viso_hypercall_ref(held->hypercall) : NULL;
	pthread_mutex_unlock(&all.lock);
	return hypercall;
}

/* Those whose thread a signal has interrupted or that has ended: the host need not keep them in its queue. */
void forward_drop_gone(void)
{
	pthread_mutex_lock(&all.lock);
	struct held *gone = NULL;
	for (struct held **at = &all.held; *at;) {
		struct held *held = *at;
		if (!hypercall_is_gone(held->hypercall)) {
			at = &held->next;
			continue;
		}
		*at = held->next;
		held->next = gone;
		gone = held;
	}
	pthread_mutex_unlock(&all.lock);
	while (gone) {
		struct held *held = gone;
		gone = held->next;
		tell((struct contained_event){.kind = EVENT_GONE, .id = held->id}, NULL, 0);
		viso_hypercall_unref(held->hypercall);
		free(held);
	}
}

static int64_t forward_hypercall(viso_hypercall *hypercall, void *data)
{
	struct contained_event event = {.kind = EVENT_HYPERCALL, .number = (uint32_t)viso_hypercall_number(hypercall)};
	for (unsigned i = 0; i < 6; i++)
		if (viso_hypercall_argument(hypercall, i, &event.args[i]) < 0)
			return -ENOSYS;
	forward_drop_gone();
	if (all.settings->hypercalls[event.number] == HYPERCALL_UNKNOWN)
		return -ENOSYS;
	bool is_queued = all.settings->hypercalls[event.number] == HYPERCALL_QUEUED;
	int fd = -1, r = is_queued ? hypercall_defer(hypercall) : 0;
	if (r == 0)
		r = hold(hypercall, &event.id);
	if (r < 0)
		return r;
	tell(event, NULL, 0);
	const struct contained_reply reply = hear(&fd);
	close_fd(fd);
	if (!reply.is_deferred)
		let_go(event.id);
	return reply.value;
}

static int forward_connect(const char *address, void *data)
{
	int fd = -1;
	tell((struct contained_event){.kind = EVENT_CONNECT}, address, strlen(address) + 1);
	const struct contained_reply reply = hear(&fd);
	return fd >= 0 ? fd : reply.value < 0 ? (int)reply.value : -ECONNREFUSED;
}

static int core_open(void)
{
	return (int)ask((struct contained_event){.kind = EVENT_CORE_OPEN}, NULL, 0);
}

void forward_tell_pieces(struct contained_event event, const void *data, size_t size, uint64_t offset)
{
	for (size_t done = 0; done < size;) {
		size_t piece = contained_piece(size - done);
		event.args[0] = offset + done;
		tell(event, (const char *)data + done, piece);
		done += piece;
	}
}

static int core_write_piece(const void *data, size_t size, uint64_t offset)
{
	forward_tell_pieces((struct contained_event){.kind = EVENT_CORE_DATA}, data, size, offset);
	return 0;
}

static int core_end(uint64_t size, bool failed)
{
	return (int)ask((struct contained_event){.kind = EVENT_CORE_END, .args = {size, failed}}, NULL, 0);
}

static const struct core_sink core_sink = {core_open, core_write_piece, core_end};

static struct connect_handler connect_handler = {.references = 1, .function = forward_connect};

int forward_set(struct viso_guest *guest, const struct contained_settings *settings)
{
	all.settings = settings;
	if (settings->connects)
		guest->sockets.handler = &connect_handler;
	if (settings->writes_core)
		guest->core_sink = &core_sink;
	for (unsigned number = 0; number < CONTAINED_NUMBERS; number++) {
		int r = settings->hypercalls[number] ? hypercalls_set(&guest->hypercalls, number, forward_hypercall)
						     : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

int forward_set_anew(struct viso_guest *guest, const struct contained_settings *settings)
{
	static struct contained_settings given;
	given = *settings;
	all.settings = &given;
	guest->sockets.handler = given.connects ? &connect_handler : NULL;
	int r = 0;
	for (unsigned number = 0; number < CONTAINED_NUMBERS && r == 0; number++)
		r = given.hypercalls[number] ? hypercalls_set(&guest->hypercalls, number, forward_hypercall) : 0;
	return r;
}

void forward_start(struct viso_guest *guest, struct instance *instance)
{
	all.guest = guest;
	all.instance = instance;
}

static int access_for_host(viso_hypercall *hypercall, const struct contained_request *request, void *data)
{
	return request->kind == REQUEST_READ ? viso_hypercall_read(hypercall, request->address, data, request->size)
					     : viso_hypercall_write(hypercall, request->address, data, request->size);
}

static int settle_for_host(viso_hypercall *hypercall, const struct contained_request *request)
{
	int r = request->value < 0 && request->value >= -4095 ? viso_hypercall_refuse(hypercall, (int)-request->value)
							      : viso_hypercall_answer(hypercall, request->value);
	if (r == 0)
		let_go(request->id);
	return r;
}

static int do_for_host(const struct contained_request *request, void *data)
{
	viso_hypercall *hypercall = look_up(request->id);
	if (!hypercall)
		return -ESRCH;
	int r = request->kind == REQUEST_DEFER    ? hypercall_defer(hypercall)
		: request->kind == REQUEST_SETTLE ? settle_for_host(hypercall, request)
						  : access_for_host(hypercall, request, data);
	viso_hypercall_unref(hypercall);
	return r;
}

static void respond(const struct contained_request *request, int r, const void *data)
{
	size_t size = r == 0 && request->kind == REQUEST_READ ? request->size : 0;
	struct contained_response response = {request->serial, -r, (uint32_t)size};
	struct iovec parts[2] = {{&response, sizeof(response)}, {(void *)data, size}};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = size ? 2 : 1};
	while (sendmsg(CONTAINED_CONTROL, &message, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void take_signal(int signal, bool is_gone)
{
	stop(signal);
	pthread_mutex_lock(&all.lock);
	all.signals++;
	all.is_gone = all.is_gone || is_gone;
	pthread_cond_broadcast(&all.signalled);
	pthread_mutex_unlock(&all.lock);
}

void forward_await_signals(uint64_t count)
{
	pthread_mutex_lock(&all.lock);
	while (all.signals < count && !all.is_gone)
		pthread_cond_wait(&all.signalled, &all.lock);
	pthread_mutex_unlock(&all.lock);
}

static void serve_host(const struct contained_request *request, void *data)
{
	switch (request->kind) {
	case REQUEST_SIGNAL:
		take_signal((int)request->value, false);
		break;
	case REQUEST_RELEASE:
		let_go(request->id);
		break;
	default:
		respond(request, do_for_host(request, data), data);
		break;
	}
}

void *forward_listen(void *data)
{
	static struct {
		struct contained_request request;
		uint8_t data[CONTAINED_PIECE];
	} message;
	ssize_t n;
	while ((n = recv(CONTAINED_CONTROL, &message, sizeof(message), 0)) != 0)
		if (n >= (ssize_t)sizeof(message.request) && message.request.size <= CONTAINED_PIECE)
			serve_host(&message.request, message.data);
		else if (n < 0 && errno != EINTR)
			break;
	take_signal(SIGKILL, true);
	return NULL;
}
