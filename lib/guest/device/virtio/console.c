/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/console.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "core/cleanup.h"

enum {
	QUEUE_SIZE = 64,
	CONTROL_RECEIVE = 2, /* queues of the device, not of a port (5.3.2) */
	CONTROL_TRANSMIT = 3,
};

/* What the guest is still to be told of a port, in this order. */
enum notice { NOTICE_ADD, NOTICE_CONSOLE, NOTICE_SIZE, NOTICE_NAME, NOTICE_OPEN, NOTICE_CLOSED, NOTICES };

struct port {
	char name[CONSOLE_NAME_MAX];
	bool is_there;
	int fd;           /* -1 from the host's end on, and of the console */
	int closed_fd;    /* an eventfd that is told of the guest's end; -1 for none */
	bool is_open;     /* in the guest */
	bool is_blocked;  /* the host does not read */
	uint32_t events;  /* that the loop watches for */
	uint64_t sent;    /* bytes of the chain that waits first */
	unsigned notices; /* a set of enum notice */
};

struct console {
	struct virtio virtio;     /* first, see release() */
	struct console_line line; /* of port 0 */
	struct port ports[CONSOLE_PORTS_MAX];
	unsigned count; /* port 0, which only a console can be, is counted where it is not there, too */
};

static struct console *console_of(struct virtio *virtio)
{
	return (struct console *)virtio;
}

static unsigned receive_queue(unsigned port)
{
	return port == 0 ? 0 : 2 + 2 * port;
}

/* Of the queue, whichever of the two of a port it is. */
static unsigned port_of(unsigned queue)
{
	return queue < 2 ? 0 : (queue - 2) / 2;
}

static bool is_multiport(const struct virtio *virtio)
{
	return virtio_has(virtio, VIRTIO_CONSOLE_F_MULTIPORT);
}

static bool is_line(const struct console *console, unsigned index)
{
	return index == 0 && console->ports[0].is_there;
}

/* Whether the guest would lose what it is sent: its driver drops what comes for a port that nobody has open. */
static bool takes_input(const struct console *console, unsigned index)
{
	if (!is_multiport(&console->virtio))
		return index == 0;
	return console->ports[index].is_open;
}

/*
 * The fd is watched for what would lead to something, and otherwise not at all: the loop would be told of an end again
 * and again.
 */
static void watch(struct console *console, unsigned index)
{
	struct port *port = &console->ports[index];
	uint32_t events = 0;
	if (port->fd < 0)
		return;
	if (virtio_is_active(&console->virtio)) {
		if (takes_input(console, index) && queue_waiting(&console->virtio.queues[receive_queue(index)]) > 0)
			events |= EPOLLIN;
		if (port->is_blocked)
			events |= EPOLLOUT;
	}
	if (events == port->events)
		return;
	if (events == 0)
		loop_forget(console->virtio.loop, port->fd);
	else if (!virtio_watch(&console->virtio, index, port->fd, events))
		events = 0;
	port->events = events;
}

static void send_notices(struct console *console);

static void host_has_closed(struct console *console, unsigned index)
{
	struct port *port = &console->ports[index];
	loop_forget(console->virtio.loop, port->fd);
	port->fd = close_fd(port->fd);
	port->events = 0;
	port->is_blocked = false;
	port->notices &= ~(1U << NOTICE_OPEN);
	port->notices |= 1U << NOTICE_CLOSED;
	send_notices(console);
}

static size_t fill_notice(const struct console *console, unsigned index, enum notice notice, uint8_t *out)
{
	const struct port *port = &console->ports[index];
	static const uint16_t events[NOTICES] = {
		[NOTICE_ADD] = VIRTIO_CONSOLE_PORT_ADD,   [NOTICE_CONSOLE] = VIRTIO_CONSOLE_CONSOLE_PORT,
		[NOTICE_SIZE] = VIRTIO_CONSOLE_RESIZE,    [NOTICE_NAME] = VIRTIO_CONSOLE_PORT_NAME,
		[NOTICE_OPEN] = VIRTIO_CONSOLE_PORT_OPEN, [NOTICE_CLOSED] = VIRTIO_CONSOLE_PORT_OPEN,
	};
	struct virtio_console_control control = {
		.id = index, .event = events[notice], .value = notice != NOTICE_CLOSED};
	size_t size = sizeof(control);
	memcpy(out, &control, size);
	if (notice == NOTICE_NAME) {
		/* With its NUL, which Linux puts in the place of the last byte itself. */
		memcpy(out + size, port->name, strlen(port->name) + 1);
		size += strlen(port->name) + 1;
	}
	if (notice == NOTICE_SIZE) {
		/* As Linux reads it; columns first would be the specification's order. */
		const uint16_t window[2] = {console->line.rows, console->line.columns};
		memcpy(out + size, window, sizeof(window));
		size += sizeof(window);
	}
	return size;
}

/* Each notice has a chain of its own; what finds none stays in the set. */
static void send_notices(struct console *console)
{
	struct virtqueue *queue = &console->virtio.queues[CONTROL_RECEIVE];
	struct chain chain;
	if (!virtio_is_active(&console->virtio))
		return;
	for (unsigned i = 0; i < console->count; i++) {
		struct port *port = &console->ports[i];
		for (unsigned notice = 0; notice < NOTICES; notice++) {
			uint8_t message[sizeof(struct virtio_console_control) + CONSOLE_NAME_MAX];
			if (!(port->notices >> notice & 1))
				continue;
			if (!virtio_pop(&console->virtio, queue, &chain))
				goto sent;
			size_t size = fill_notice(console, i, notice, message);
			queue_push(queue, chain.head, (uint32_t)chain_write(&chain, 0, message, size));
			port->notices &= ~(1U << notice);
		}
	}
sent:
	queue_listen(queue);
	virtio_signal(&console->virtio, queue);
}

static void set_open(struct port *port, bool is_open)
{
	if (port->is_open && !is_open && port->closed_fd >= 0)
		eventfd_write(port->closed_fd, 1);
	port->is_open = is_open;
}

static void port_is_ready(struct console *console, unsigned index)
{
	struct port *port = &console->ports[index];
	bool has_window = virtio_has(&console->virtio, VIRTIO_CONSOLE_F_SIZE);
	port->notices = port->fd >= 0 || is_line(console, index) ? 1U << NOTICE_OPEN : 0;
	if (is_line(console, index))
		port->notices |= 1U << NOTICE_CONSOLE | (has_window ? 1U << NOTICE_SIZE : 0);
	else
		port->notices |= 1U << NOTICE_NAME;
}

static bool take_control(struct virtio *virtio, unsigned index, struct chain *chain)
{
	struct console *console = console_of(virtio);
	struct virtio_console_control control = {0};
	size_t size = chain_read(chain, 0, &control, sizeof(control));
	queue_push(&virtio->queues[index], chain->head, 0);
	if (size < sizeof(control))
		return true;
	if (control.event == VIRTIO_CONSOLE_DEVICE_READY && control.value == 1) {
		for (unsigned i = 0; i < console->count; i++)
			console->ports[i].notices |= console->ports[i].is_there ? 1U << NOTICE_ADD : 0;
		return true;
	}
	if (control.id >= console->count || !console->ports[control.id].is_there)
		return true;
	if (control.event == VIRTIO_CONSOLE_PORT_READY && control.value == 1)
		port_is_ready(console, control.id);
	else if (control.event == VIRTIO_CONSOLE_PORT_OPEN)
		set_open(&console->ports[control.id], control.value != 0);
	if (is_line(console, control.id))
		console->line.has_room(console->line.data);
	return true;
}

/* What the guest has written to its console. */
static bool transmit_line(struct console *console, unsigned index, struct chain *chain)
{
	struct port *port = &console->ports[0];
	struct iovec part;
	while (chain_readable(chain, port->sent, UINT64_MAX, &part, 1) > 0) {
		size_t taken = console->line.send(console->line.data, part.iov_base, part.iov_len);
		port->sent += taken;
		traffic_count(&console->virtio.traffic, TRAFFIC_FROM_GUEST, taken);
		if (taken < part.iov_len) {
			port->is_blocked = true;
			return false;
		}
	}
	port->sent = 0;
	queue_push(&console->virtio.queues[index], chain->head, 0);
	return true;
}

/* What the guest has written. */
static bool transmit(struct virtio *virtio, unsigned index, struct chain *chain)
{
	struct console *console = console_of(virtio);
	unsigned place = port_of(index);
	struct port *port = &console->ports[place];
	if (is_line(console, place))
		return transmit_line(console, index, chain);
	while (place < console->count && port->fd >= 0) {
		struct iovec parts[QUEUE_SIZE_MAX];
		struct msghdr message = {.msg_iov = parts};
		message.msg_iovlen = chain_readable(chain, port->sent, UINT64_MAX, parts, QUEUE_SIZE_MAX);
		if (message.msg_iovlen == 0)
			break;
		ssize_t sent = sendmsg(port->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			port->is_blocked = true;
			return false;
		}
		if (sent < 0) {
			host_has_closed(console, place);
			break;
		}
		port->sent += (uint64_t)sent;
		traffic_count(&virtio->traffic, TRAFFIC_FROM_GUEST, (uint64_t)sent);
	}
	port->sent = 0;
	queue_push(&virtio->queues[index], chain->head, 0);
	return true;
}

/* What the host has written, as much as fits into the buffers that the guest has ready. */
static bool receive(struct virtio *virtio, unsigned index, struct chain *chain)
{
	struct console *console = console_of(virtio);
	unsigned place = port_of(index);
	struct port *port = &console->ports[place];
	struct msghdr message = {.msg_iov = chain->segments + chain->readable, .msg_iovlen = chain->writable};
	if (place >= console->count || port->fd < 0 || !takes_input(console, place))
		return false;
	ssize_t got = 0;
	if (chain->writable_bytes > 0) {
		do
			got = recvmsg(port->fd, &message, MSG_DONTWAIT);
		while (got < 0 && errno == EINTR);
		if (got < 0 && errno == EAGAIN)
			return false;
		if (got <= 0) {
			host_has_closed(console, place);
			return false;
		}
	}
	traffic_count(&virtio->traffic, TRAFFIC_TO_GUEST, (uint64_t)got);
	queue_push(&virtio->queues[index], chain->head, (uint32_t)got);
	return true;
}

static void notify(struct virtio *virtio, unsigned index)
{
	struct console *console = console_of(virtio);
	if (index == CONTROL_TRANSMIT)
		virtio_serve(virtio, index, take_control);
	if (index == CONTROL_RECEIVE || index == CONTROL_TRANSMIT) {
		send_notices(console);
		for (unsigned i = 0; i < console->count; i++)
			watch(console, i);
		return;
	}
	unsigned port = port_of(index);
	if (index != receive_queue(port) && !console->ports[port].is_blocked)
		virtio_serve(virtio, index, transmit);
	/* For more buffers the loop looks whether there is something to put into them. */
	queue_listen(&virtio->queues[receive_queue(port)]);
	watch(console, port);
	if (is_line(console, port))
		console->line.has_room(console->line.data);
}

static void ready(struct virtio *virtio, uint64_t number, uint32_t events)
{
	struct console *console = console_of(virtio);
	unsigned port = (unsigned)number;
	if (number >= console->count || console->ports[port].fd < 0)
		return;
	if (!virtio_is_active(virtio)) {
		/* It is broken, or about to stand still: see watch(). */
		watch(console, port);
		return;
	}
	if (console->ports[port].is_blocked && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))) {
		console->ports[port].is_blocked = false;
		virtio_serve(virtio, receive_queue(port) + 1, transmit);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		virtio_serve(virtio, receive_queue(port), receive);
	watch(console, port);
}

static void reset(struct virtio *virtio)
{
	struct console *console = console_of(virtio);
	for (unsigned i = 0; i < console->count; i++) {
		struct port *port = &console->ports[i];
		set_open(port, false);
		port->is_blocked = false;
		port->notices = 0;
		port->sent = 0;
		watch(console, i);
	}
}

/* Whoever is at the other end of a port sees that nothing comes any more. */
static void stop(struct virtio *virtio)
{
	struct console *console = console_of(virtio);
	pthread_mutex_lock(&virtio->lock);
	for (unsigned i = 0; i < console->count; i++) {
		struct port *port = &console->ports[i];
		set_open(port, false);
		if (port->events)
			loop_forget(virtio->loop, port->fd);
		port->events = 0;
		port->fd = close_fd(port->fd);
	}
	pthread_mutex_unlock(&virtio->lock);
}

struct port_state {
	char name[CONSOLE_NAME_MAX];
	uint32_t notices;
	uint8_t is_there, is_connected, is_open, unused;
	uint64_t sent;
};

static int save(struct virtio *virtio, struct state_writer *out)
{
	const struct console *console = console_of(virtio);
	state_put_number(out, console->count);
	for (unsigned i = 0; i < console->count; i++) {
		const struct port *port = &console->ports[i];
		struct port_state state = {
			.is_there = port->is_there,
			.is_connected = port->fd >= 0 || is_line(console, i),
			.is_open = port->is_open,
			.notices = port->notices,
			.sent = port->sent,
		};
		memcpy(state.name, port->name, sizeof(state.name));
		state_put(out, &state, sizeof(state));
	}
	return 0;
}

/* The guest goes on with whoever is at the other end now. Where that is nobody, it is told. */
static bool load_port(struct port *port, bool is_connected, const struct port_state *state)
{
	if (state->is_there != port->is_there || state->is_connected > 1 || state->is_open > 1 ||
	    state->notices >> NOTICES || memcmp(state->name, port->name, sizeof(port->name)) != 0)
		return false;
	port->is_open = state->is_open;
	port->notices = state->notices;
	port->sent = state->sent;
	if (state->is_connected && !is_connected)
		port->notices = (port->notices & ~(1U << NOTICE_OPEN)) | 1U << NOTICE_CLOSED;
	else if (!state->is_connected && is_connected)
		port->notices = (port->notices & ~(1U << NOTICE_CLOSED)) | 1U << NOTICE_OPEN;
	return true;
}

static int load(struct virtio *virtio, const uint8_t config[], struct state_reader *in)
{
	struct console *console = console_of(virtio);
	struct port_state state;
	uint64_t count;
	bool fits = state_get_number(in, CONSOLE_PORTS_MAX, &count) && count == console->count;
	for (unsigned i = 0; fits && i < console->count; i++)
		fits = state_get(in, &state, sizeof(state)) &&
		       load_port(&console->ports[i], console->ports[i].fd >= 0 || is_line(console, i), &state);
	if (!fits)
		return state_damaged("ports");
	/* It may have another window now. */
	memcpy(virtio->config, config, virtio->config_size);
	if (is_line(console, 0) && virtio_has(virtio, VIRTIO_CONSOLE_F_SIZE) && console->line.columns)
		console->ports[0].notices |= 1U << NOTICE_SIZE;
	return 0;
}

static void release(struct virtio *virtio)
{
	struct console *console = console_of(virtio);
	for (unsigned i = 0; i < console->count; i++) {
		close_fd(console->ports[i].fd);
		close_fd(console->ports[i].closed_fd);
	}
	free(console);
}

int virtio_console_new(const struct ram *ram, struct interrupt interrupt, struct loop *loop, struct virtio **out)
{
	static const struct virtio_ops ops = {.id = VIRTIO_ID_CONSOLE,
					      .notify = notify,
					      .ready = ready,
					      .reset = reset,
					      .stop = stop,
					      .save = save,
					      .load = load,
					      .release = release};
	_cleanup_free_ struct console *console = calloc(1, sizeof(*console));
	if (!console)
		return -ENOMEM;
	int r = virtio_init(&console->virtio, &ops, ram, interrupt, loop, 1ULL << VIRTIO_CONSOLE_F_MULTIPORT,
			    VIRTIO_QUEUES_MAX, QUEUE_SIZE);
	if (r < 0)
		return r;
	const struct virtio_console_config config = {.max_nr_ports = CONSOLE_PORTS_MAX};
	memcpy(console->virtio.config, &config, sizeof(config));
	console->virtio.config_size = sizeof(config);
	console->ports[0].fd = console->ports[0].closed_fd = -1;
	console->count = 1;
	*out = &TAKE_PTR(console)->virtio;
	return 0;
}

bool virtio_console_is_name(const char *name)
{
	size_t length = strnlen(name, CONSOLE_NAME_MAX);
	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return false;
	return length > 0 && length < CONSOLE_NAME_MAX;
}

int virtio_console_add(struct virtio *virtio, const char *name, int given_fd)
{
	struct console *console = console_of(virtio);
	_cleanup_close_ int fd = given_fd;
	int type = 0;
	socklen_t size = sizeof(type);
	if (!virtio_console_is_name(name))
		return -EINVAL;
	if (fd >= 0 && (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM))
		return -ENOTSOCK;
	for (unsigned i = 1; i < console->count; i++)
		if (strcmp(console->ports[i].name, name) == 0)
			return -EEXIST;
	if (console->count == CONSOLE_PORTS_MAX)
		return -ENOSPC;
	struct port *port = &console->ports[console->count++];
	*port = (struct port){.fd = TAKE_FD(fd), .closed_fd = -1, .is_there = true};
	memcpy(port->name, name, strlen(name));
	return 0;
}

int virtio_console_watch(struct virtio *virtio, const char *name, int closed_fd)
{
	struct console *console = console_of(virtio);
	for (unsigned i = 1; i < console->count; i++)
		if (strcmp(console->ports[i].name, name) == 0) {
			close_fd(console->ports[i].closed_fd);
			console->ports[i].closed_fd = closed_fd;
			return 0;
		}
	close_fd(closed_fd);
	return -ENOENT;
}

void virtio_console_set_line(struct virtio *virtio, const struct console_line *line)
{
	struct console *console = console_of(virtio);
	const struct virtio_console_config config = {
		.cols = line->columns, .rows = line->rows, .max_nr_ports = CONSOLE_PORTS_MAX};
	console->line = *line;
	console->ports[0].is_there = true;
	if (line->columns == 0)
		return;
	memcpy(virtio->config, &config, sizeof(config));
	virtio_console_offer_window(virtio);
}

void virtio_console_offer_window(struct virtio *virtio)
{
	virtio->offered |= 1ULL << VIRTIO_CONSOLE_F_SIZE;
}

/* Of the first buffer: what is behind it has its turn afterwards. */
size_t virtio_console_room(struct virtio *virtio)
{
	struct virtqueue *queue = &virtio->queues[0];
	struct chain chain;
	size_t room = 0;
	pthread_mutex_lock(&virtio->lock);
	if (virtio_is_active(virtio) && takes_input(console_of(virtio), 0) && virtio_pop(virtio, queue, &chain)) {
		room = chain.writable_bytes;
		queue_unpop(queue, 1);
	}
	pthread_mutex_unlock(&virtio->lock);
	return room;
}

size_t virtio_console_receive(struct virtio *virtio, const void *bytes, size_t size)
{
	struct virtqueue *queue = &virtio->queues[0];
	struct chain chain;
	size_t done = 0;
	/* No more buffers than there are at once: a guest that goes on adding empty ones would keep the caller for
	 * ever. */
	unsigned rest = QUEUE_SIZE;
	pthread_mutex_lock(&virtio->lock);
	while (done < size && rest-- > 0 && virtio_is_active(virtio) && takes_input(console_of(virtio), 0) &&
	       virtio_pop(virtio, queue, &chain)) {
		size_t written = chain_write(&chain, 0, (const uint8_t *)bytes + done, size - done);
		queue_push(queue, chain.head, (uint32_t)written);
		traffic_count(&virtio->traffic, TRAFFIC_TO_GUEST, written);
		done += written;
	}
	queue_listen(queue);
	virtio_signal(virtio, queue);
	pthread_mutex_unlock(&virtio->lock);
	return done;
}

void virtio_console_resume(struct virtio *virtio)
{
	struct console *console = console_of(virtio);
	pthread_mutex_lock(&virtio->lock);
	bool was_blocked = console->ports[0].is_blocked;
	console->ports[0].is_blocked = false;
	if (was_blocked)
		virtio_serve(virtio, 1, transmit);
	pthread_mutex_unlock(&virtio->lock);
}
