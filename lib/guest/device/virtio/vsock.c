/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/vsock.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "guest/device/virtio/vsock_host.h"

enum {
	QUEUE_SIZE = 128,
	RECEIVE = 0,
	TRANSMIT = 1,
	EVENTS = 2,
	HOST_CID = 2,
	BUFFER = 64 << 10,    /* what the guest may send before the host has read it, for each connection */
	RESETS_MAX = 32,      /* answers to what belongs to no connection; then the guest waits */
	PACKETS_AT_ONCE = 16, /* of a connection; then others have their turn */
	LISTENER = 0xff,      /* in the place of a connection's number */
	SLOT_BITS = 8,
	FIRST_HOST_PORT = 1 << 30,
};

enum state {
	FREE,
	GREETING,  /* the host has connected, and has not said to what */
	REQUESTED, /* the guest was asked */
	OPEN,
	CLOSING, /* it is to be told of the end, and then free */
};

/* What the guest is still to be told, in this order. */
enum { TELL_REQUEST = 1, TELL_RESPONSE = 2, TELL_CREDIT = 4, TELL_SHUTDOWN = 8, TELL_RESET = 16 };

struct connection {
	enum state state;
	uint32_t generation; /* counts its uses, so that what the loop tells of a former one is known */
	int fd;
	struct vsock_line line; /* of the greeting */
	uint64_t turn;          /* in which it came, of all */
	uint32_t guest_port, host_port;
	unsigned tell;
	uint32_t events; /* that the loop watches for */

	uint8_t *buffer; /* BUFFER bytes, from the first time that the host does not take everything at once */
	uint32_t buffer_begin, buffer_size;
	uint32_t received, forwarded; /* bytes from the guest, modulo 2^32; and what it was told last */
	uint32_t forwarded_told;
	bool guest_sends_no_more, guest_receives_no_more, host_sends_no_more, host_receives_no_more;

	uint32_t sent, credit, guest_forwarded; /* bytes to the guest; its buffer; what it has taken */
};

struct reset {
	uint32_t guest_port, host_port;
};

struct vsock {
	struct virtio virtio; /* first, see release() */
	uint32_t cid;
	char *path;
	int listener;
	bool is_listening;
	uint32_t next_host_port;
	uint64_t last_turn;
	bool is_held; /* what the guest sent waits for room in `resets` */
	bool is_new;  /* all connections that the guest has are gone, and it has not been told */
	struct reset resets[RESETS_MAX];
	unsigned reset_count;
	struct connection connections[VSOCK_CONNECTIONS_MAX];
};

static struct vsock *vsock_of(struct virtio *virtio)
{
	return (struct vsock *)virtio;
}

/* How much the guest can take. What it says of itself may be nonsense. */
static uint32_t credit_of(const struct connection *connection)
{
	uint32_t under_way = connection->sent - connection->guest_forwarded;
	return under_way < connection->credit ? connection->credit - under_way : 0;
}

static struct connection *find(struct vsock *vsock, uint32_t guest_port, uint32_t host_port)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++) {
		struct connection *connection = &vsock->connections[i];
		if (connection->state > GREETING && connection->guest_port == guest_port &&
		    connection->host_port == host_port)
			return connection;
	}
	return NULL;
}

static void drop_host(struct vsock *vsock, struct connection *connection)
{
	if (connection->fd >= 0 && connection->events)
		loop_forget(vsock->virtio.loop, connection->fd);
	connection->events = 0;
	connection->fd = close_fd(connection->fd);
	free(connection->buffer);
	connection->buffer = NULL;
	connection->buffer_size = 0;
}

static void forget(struct vsock *vsock, struct connection *connection)
{
	drop_host(vsock, connection);
	connection->state = FREE;
}

/* A place for one more: where all are taken, that of whoever has connected first of those who have not said to what. */
static struct connection *find_place(struct vsock *vsock)
{
	struct connection *place = NULL;
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++) {
		struct connection *connection = &vsock->connections[i];
		if (connection->state == FREE)
			return connection;
		if (connection->state == GREETING && (!place || connection->turn < place->turn))
			place = connection;
	}
	if (place)
		forget(vsock, place);
	return place;
}

/* With the fd, which is closed where there is no room. */
static struct connection *make(struct vsock *vsock, enum state state, int fd)
{
	struct connection *connection = find_place(vsock);
	if (!connection) {
		close_fd(fd);
		return NULL;
	}
	*connection = (struct connection){
		.state = state, .generation = connection->generation + 1, .fd = fd, .turn = ++vsock->last_turn};
	return connection;
}

/* The host's side is gone, and the guest is to hear it. */
static void cut(struct vsock *vsock, struct connection *connection)
{
	bool is_known = connection->state != GREETING && !(connection->tell & TELL_REQUEST);
	drop_host(vsock, connection);
	connection->state = is_known ? CLOSING : FREE;
	connection->tell = TELL_RESET;
}

static bool has_room(const struct vsock *vsock)
{
	return queue_waiting(&vsock->virtio.queues[RECEIVE]) > 0;
}

/* The fd is watched for what would lead to something, and otherwise not at all. */
static void watch(struct vsock *vsock, struct connection *connection)
{
	uint32_t events = 0;
	if (connection->fd < 0 || connection->state == FREE)
		return;
	if (connection->state == GREETING)
		events |= EPOLLIN;
	if (connection->state == OPEN && !connection->host_sends_no_more && !connection->guest_receives_no_more &&
	    credit_of(connection) > 0 && has_room(vsock))
		events |= EPOLLIN;
	if (connection->buffer_size > 0)
		events |= EPOLLOUT;
	if (!virtio_is_active(&vsock->virtio))
		events = 0;
	if (events == connection->events)
		return;
	uint32_t slot = (uint32_t)(connection - vsock->connections);
	if (events == 0)
		loop_forget(vsock->virtio.loop, connection->fd);
	else if (!virtio_watch(&vsock->virtio, slot | connection->generation << SLOT_BITS, connection->fd, events))
		events = 0;
	connection->events = events;
}

static struct virtio_vsock_hdr header_of(struct vsock *vsock, struct connection *connection, uint16_t operation)
{
	connection->forwarded_told = connection->forwarded;
	return (struct virtio_vsock_hdr){
		.src_cid = HOST_CID,
		.dst_cid = vsock->cid,
		.src_port = connection->host_port,
		.dst_port = connection->guest_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = operation,
		.buf_alloc = BUFFER,
		.fwd_cnt = connection->forwarded,
	};
}

/*
 * The next buffer of the guest that a header fits into. It is looked for among as many as there are at once: a guest
 * may go on adding small ones.
 */
static bool take_room(struct vsock *vsock, struct chain *chain)
{
	struct virtqueue *queue = &vsock->virtio.queues[RECEIVE];
	for (unsigned rest = queue->size; rest > 0 && virtio_pop(&vsock->virtio, queue, chain); rest--) {
		if (chain->writable_bytes >= sizeof(struct virtio_vsock_hdr))
			return true;
		queue_push(queue, chain->head, 0);
	}
	return false;
}

static void put(struct vsock *vsock, const struct chain *chain, const struct virtio_vsock_hdr *header)
{
	chain_write(chain, 0, header, sizeof(*header));
	queue_push(&vsock->virtio.queues[RECEIVE], chain->head, (uint32_t)sizeof(*header) + header->len);
}

/* One thing of what the guest is to be told about a connection. */
static void tell(struct vsock *vsock, struct connection *connection, const struct chain *chain)
{
	static const struct {
		unsigned what;
		uint16_t operation;
	} order[] = {
		{TELL_REQUEST, VIRTIO_VSOCK_OP_REQUEST},
		{TELL_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE},
		{TELL_CREDIT, VIRTIO_VSOCK_OP_CREDIT_UPDATE},
		{TELL_SHUTDOWN, VIRTIO_VSOCK_OP_SHUTDOWN},
		{TELL_RESET, VIRTIO_VSOCK_OP_RST},
	};
	unsigned i = 0;
	while (!(connection->tell & order[i].what))
		i++;
	connection->tell &= ~order[i].what;
	struct virtio_vsock_hdr header = header_of(vsock, connection, order[i].operation);
	if (header.op == VIRTIO_VSOCK_OP_SHUTDOWN)
		header.flags = (connection->host_sends_no_more ? VIRTIO_VSOCK_SHUTDOWN_SEND : 0) |
			       (connection->host_receives_no_more ? VIRTIO_VSOCK_SHUTDOWN_RCV : 0);
	put(vsock, chain, &header);
	if (header.op == VIRTIO_VSOCK_OP_RST)
		forget(vsock, connection);
}

/* All that the guest has buffers for. */
static void tell_all(struct vsock *vsock)
{
	struct chain chain;
	while (vsock->reset_count > 0 && take_room(vsock, &chain)) {
		const struct reset *reset = &vsock->resets[--vsock->reset_count];
		const struct virtio_vsock_hdr header = {
			.src_cid = HOST_CID,
			.dst_cid = vsock->cid,
			.src_port = reset->host_port,
			.dst_port = reset->guest_port,
			.type = VIRTIO_VSOCK_TYPE_STREAM,
			.op = VIRTIO_VSOCK_OP_RST,
		};
		put(vsock, &chain, &header);
	}
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++) {
		struct connection *connection = &vsock->connections[i];
		while (connection->state > GREETING && connection->tell && take_room(vsock, &chain))
			tell(vsock, connection, &chain);
	}
}

/* From the host to the guest, straight into its memory. */
static void receive(struct vsock *vsock, struct connection *connection)
{
	struct virtqueue *queue = &vsock->virtio.queues[RECEIVE];
	struct chain chain;
	for (int i = 0; i < PACKETS_AT_ONCE && connection->state == OPEN; i++) {
		struct iovec parts[QUEUE_SIZE_MAX];
		struct msghdr message = {.msg_iov = parts};
		uint32_t credit = credit_of(connection);
		if (credit == 0 || connection->host_sends_no_more || connection->guest_receives_no_more ||
		    (connection->tell & TELL_RESPONSE) || !take_room(vsock, &chain))
			return;
		message.msg_iovlen = chain_writable(&chain, sizeof(struct virtio_vsock_hdr),
						    credit < BUFFER ? credit : BUFFER, parts, QUEUE_SIZE_MAX);
		if (message.msg_iovlen == 0) {
			/* It has room for the header alone; those behind it may be better. */
			queue_push(queue, chain.head, 0);
			continue;
		}
		ssize_t got = recvmsg(connection->fd, &message, MSG_DONTWAIT);
		if (got > 0) {
			struct virtio_vsock_hdr header = header_of(vsock, connection, VIRTIO_VSOCK_OP_RW);
			header.len = (uint32_t)got;
			connection->sent += (uint32_t)got;
			traffic_count(&vsock->virtio.traffic, TRAFFIC_TO_GUEST, (uint64_t)got);
			put(vsock, &chain, &header);
			continue;
		}
		queue_unpop(queue, 1);
		if (got == 0) {
			connection->host_sends_no_more = true;
			connection->tell |= TELL_SHUTDOWN;
		} else if (errno != EAGAIN && errno != EINTR) {
			cut(vsock, connection);
		}
		return;
	}
}

/* Where all that the guest sent before its end is at the host, the end follows. */
static void pass_end(struct vsock *vsock, struct connection *connection)
{
	if (connection->state != OPEN || connection->buffer_size > 0 || !connection->guest_sends_no_more)
		return;
	shutdown(connection->fd, SHUT_WR);
	if (connection->guest_receives_no_more)
		cut(vsock, connection);
}

static void count_forwarded(struct connection *connection, uint32_t size)
{
	connection->forwarded += size;
	if (connection->forwarded - connection->forwarded_told >= BUFFER / 2)
		connection->tell |= TELL_CREDIT;
}

static ssize_t send_host(int fd, const void *data, size_t size)
{
	ssize_t sent;
	do
		sent = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 && errno == EAGAIN ? 0 : sent;
}

static void flush(struct vsock *vsock, struct connection *connection)
{
	while (connection->buffer_size > 0) {
		/* The buffer is a ring: the part up to its end first. */
		uint32_t size = connection->buffer_size;
		if (size > BUFFER - connection->buffer_begin)
			size = BUFFER - connection->buffer_begin;
		ssize_t sent = send_host(connection->fd, connection->buffer + connection->buffer_begin, size);
		if (sent < 0)
			cut(vsock, connection);
		if (sent <= 0)
			return;
		connection->buffer_begin = (connection->buffer_begin + (uint32_t)sent) % BUFFER;
		connection->buffer_size -= (uint32_t)sent;
		count_forwarded(connection, (uint32_t)sent);
	}
	pass_end(vsock, connection);
}

/* The caller has seen that there is room. */
static bool keep(struct connection *connection, const struct chain *chain, uint64_t offset, uint32_t size)
{
	if (!connection->buffer)
		connection->buffer = malloc(BUFFER);
	if (!connection->buffer)
		return false;
	uint32_t end = (connection->buffer_begin + connection->buffer_size) % BUFFER;
	uint32_t first = size < BUFFER - end ? size : BUFFER - end;
	chain_read(chain, offset, connection->buffer + end, first);
	chain_read(chain, offset + first, connection->buffer, size - first);
	connection->buffer_size += size;
	return true;
}

/* What the guest sends. More than it may, or less than it says, ends the connection. */
static void take_data(struct vsock *vsock, struct connection *connection, const struct chain *chain, uint32_t size)
{
	uint64_t offset = sizeof(struct virtio_vsock_hdr);
	uint32_t under_way = connection->received - connection->forwarded;
	if (connection->state != OPEN || connection->guest_sends_no_more || size > BUFFER - under_way ||
	    size > chain->readable_bytes - offset) {
		cut(vsock, connection);
		return;
	}
	connection->received += size;
	traffic_count(&vsock->virtio.traffic, TRAFFIC_FROM_GUEST, size);
	while (size > 0 && connection->buffer_size == 0) {
		struct iovec part;
		chain_readable(chain, offset, size, &part, 1);
		ssize_t sent = send_host(connection->fd, part.iov_base, part.iov_len);
		if (sent < 0) {
			cut(vsock, connection);
			return;
		}
		if (sent == 0)
			break;
		offset += (uint64_t)sent;
		size -= (uint32_t)sent;
		count_forwarded(connection, (uint32_t)sent);
	}
	if (size > 0 && !keep(connection, chain, offset, size))
		cut(vsock, connection);
}

static void take_shutdown(struct vsock *vsock, struct connection *connection, uint32_t flags)
{
	connection->guest_sends_no_more |= flags & VIRTIO_VSOCK_SHUTDOWN_SEND;
	connection->guest_receives_no_more |= !!(flags & VIRTIO_VSOCK_SHUTDOWN_RCV);
	pass_end(vsock, connection);
}

/* The guest has accepted what the host wanted. */
static void take_response(struct vsock *vsock, struct connection *connection)
{
	if (connection->state != REQUESTED || (connection->tell & TELL_REQUEST) ||
	    vsock_host_answer(connection->fd, connection->host_port) < 0) {
		cut(vsock, connection);
		return;
	}
	connection->state = OPEN;
}

static void refuse(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	if (header->op == VIRTIO_VSOCK_OP_RST)
		return;
	vsock->resets[vsock->reset_count++] = (struct reset){header->src_port, header->dst_port};
}

static void take_credit(struct connection *connection, const struct virtio_vsock_hdr *header)
{
	connection->credit = header->buf_alloc;
	connection->guest_forwarded = header->fwd_cnt;
}

static void take_request(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	int fd = vsock->path ? vsock_host_connect(vsock->path, header->dst_port) : -ECONNREFUSED;
	struct connection *connection = fd < 0 ? NULL : make(vsock, OPEN, fd);
	if (!connection) {
		refuse(vsock, header);
		return;
	}
	connection->guest_port = header->src_port;
	connection->host_port = header->dst_port;
	connection->tell = TELL_RESPONSE;
	take_credit(connection, header);
}

static void take_packet(struct vsock *vsock, const struct chain *chain, const struct virtio_vsock_hdr *header)
{
	if (header->dst_cid != HOST_CID || header->src_cid != vsock->cid || header->type != VIRTIO_VSOCK_TYPE_STREAM) {
		refuse(vsock, header);
		return;
	}
	struct connection *connection = find(vsock, header->src_port, header->dst_port);
	if (!connection) {
		if (header->op == VIRTIO_VSOCK_OP_REQUEST)
			take_request(vsock, header);
		else
			refuse(vsock, header);
		return;
	}
	take_credit(connection, header);
	switch (header->op) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		take_response(vsock, connection);
		break;
	case VIRTIO_VSOCK_OP_RST:
		forget(vsock, connection);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		take_shutdown(vsock, connection, header->flags);
		break;
	case VIRTIO_VSOCK_OP_RW:
		take_data(vsock, connection, chain, header->len);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		connection->tell |= TELL_CREDIT;
		break;
	default:
		cut(vsock, connection);
		break;
	}
	watch(vsock, connection);
}

static bool transmit(struct virtio *virtio, unsigned index, struct chain *chain)
{
	struct vsock *vsock = vsock_of(virtio);
	struct virtio_vsock_hdr header;
	vsock->is_held = vsock->reset_count == RESETS_MAX;
	if (vsock->is_held)
		return false;
	if (chain_read(chain, 0, &header, sizeof(header)) == sizeof(header))
		take_packet(vsock, chain, &header);
	queue_push(&virtio->queues[index], chain->head, 0);
	return true;
}

/* 5.10.6.9: the guest takes its connections for reset, and asks for its address anew. */
static void tell_new(struct vsock *vsock)
{
	struct virtqueue *queue = &vsock->virtio.queues[EVENTS];
	const struct virtio_vsock_event event = {.id = VIRTIO_VSOCK_EVENT_TRANSPORT_RESET};
	struct chain chain;
	if (!vsock->is_new || !virtio_pop(&vsock->virtio, queue, &chain))
		return;
	queue_push(queue, chain.head, (uint32_t)chain_write(&chain, 0, &event, sizeof(event)));
	virtio_signal(&vsock->virtio, queue);
	vsock->is_new = false;
}

/* After anything has happened: what is to be told is told, and what waits for that goes on. */
static void go_on(struct vsock *vsock)
{
	struct virtio *virtio = &vsock->virtio;
	tell_all(vsock);
	if (vsock->is_held && vsock->reset_count < RESETS_MAX) {
		virtio_serve(virtio, TRANSMIT, transmit);
		tell_all(vsock);
	}
	queue_listen(&virtio->queues[RECEIVE]);
	virtio_signal(virtio, &virtio->queues[RECEIVE]);
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
		watch(vsock, &vsock->connections[i]);
}

/* Whoever comes while nobody listens waits in the socket's backlog. */
static void listen_to_host(struct vsock *vsock)
{
	bool listens = virtio_is_active(&vsock->virtio) && vsock->listener >= 0;
	if (listens == vsock->is_listening)
		return;
	if (listens)
		vsock->is_listening = virtio_watch(&vsock->virtio, LISTENER, vsock->listener, EPOLLIN);
	else
		loop_forget(vsock->virtio.loop, vsock->listener);
	vsock->is_listening &= listens;
}

static void accept_host(struct vsock *vsock)
{
	int fd = vsock_host_accept(vsock->listener);
	if (fd >= 0)
		make(vsock, GREETING, fd);
	if (fd >= 0 || fd == -EAGAIN || fd == -ECONNABORTED)
		return;
	/* No fds are left: it would be ready again and again. The guest's next notification tries anew. */
	loop_forget(vsock->virtio.loop, vsock->listener);
	vsock->is_listening = false;
}

static void notify(struct virtio *virtio, unsigned index)
{
	struct vsock *vsock = vsock_of(virtio);
	if (index == EVENTS) {
		tell_new(vsock);
		return;
	}
	listen_to_host(vsock);
	if (index == TRANSMIT && !vsock->is_held)
		virtio_serve(virtio, TRANSMIT, transmit);
	go_on(vsock);
}

static void greet(struct vsock *vsock, struct connection *connection)
{
	int r = vsock_host_greeting(connection->fd, &connection->line, &connection->guest_port);
	if (r < 0)
		forget(vsock, connection);
	if (r <= 0)
		return;
	do
		connection->host_port = vsock->next_host_port++;
	while (find(vsock, connection->guest_port, connection->host_port));
	connection->state = REQUESTED;
	connection->tell = TELL_REQUEST;
}

static void serve_connection(struct vsock *vsock, struct connection *connection, uint32_t events)
{
	connection->host_receives_no_more |= !!(events & EPOLLHUP);
	if (connection->state == GREETING)
		greet(vsock, connection);
	if (connection->buffer_size > 0 && (events & ~(uint32_t)EPOLLIN))
		flush(vsock, connection);
	if (events & ~(uint32_t)EPOLLOUT)
		receive(vsock, connection);
}

static void ready(struct virtio *virtio, uint64_t number, uint32_t events)
{
	struct vsock *vsock = vsock_of(virtio);
	uint32_t slot = number & ((1U << SLOT_BITS) - 1);
	const uint32_t generation = (uint32_t)number >> SLOT_BITS;
	struct connection *connection = &vsock->connections[slot % VSOCK_CONNECTIONS_MAX];
	if (!virtio_is_active(virtio)) {
		/* It is broken, or about to stand still: nothing is watched then. */
		listen_to_host(vsock);
		for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
			watch(vsock, &vsock->connections[i]);
		return;
	}
	if (slot == LISTENER)
		accept_host(vsock);
	else if (connection->fd >= 0 && (connection->generation & (UINT32_MAX >> SLOT_BITS)) == generation)
		serve_connection(vsock, connection, events);
	if (virtio_is_active(virtio))
		go_on(vsock);
}

static void activate(struct virtio *virtio)
{
	listen_to_host(vsock_of(virtio));
}

static void reset(struct virtio *virtio)
{
	struct vsock *vsock = vsock_of(virtio);
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
		forget(vsock, &vsock->connections[i]);
	listen_to_host(vsock);
	vsock->reset_count = 0;
	vsock->is_held = vsock->is_new = false;
}

/* Whoever is at the other ends sees that nothing comes any more. */
static void stop(struct virtio *virtio)
{
	struct vsock *vsock = vsock_of(virtio);
	pthread_mutex_lock(&virtio->lock);
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
		forget(vsock, &vsock->connections[i]);
	listen_to_host(vsock);
	vsock->listener = close_fd(vsock->listener);
	pthread_mutex_unlock(&virtio->lock);
}

/* Of connections nothing: they stay with the guest that was frozen. */
static int save(struct virtio *virtio, struct state_writer *out)
{
	state_put_number(out, vsock_of(virtio)->next_host_port);
	return 0;
}

static int load(struct virtio *virtio, const uint8_t config[], struct state_reader *in)
{
	struct vsock *vsock = vsock_of(virtio);
	uint64_t port;
	if (!state_get_number(in, UINT32_MAX, &port))
		return state_damaged("sockets");
	vsock->next_host_port = (uint32_t)port;
	/* It may have been given another address. */
	memcpy(virtio->config, config, virtio->config_size);
	vsock->is_new = true;
	return 0;
}

static void release(struct virtio *virtio)
{
	struct vsock *vsock = vsock_of(virtio);
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++) {
		close_fd(vsock->connections[i].fd);
		free(vsock->connections[i].buffer);
	}
	close_fd(vsock->listener);
	free(vsock->path);
	free(vsock);
}

static int make_device(const struct ram *ram, struct interrupt interrupt, struct loop *loop, const char *path,
		       struct vsock **out)
{
	static const struct virtio_ops ops = {.id = VIRTIO_ID_VSOCK,
					      .activate = activate,
					      .notify = notify,
					      .ready = ready,
					      .reset = reset,
					      .stop = stop,
					      .save = save,
					      .load = load,
					      .release = release};
	_cleanup_free_ struct vsock *vsock = calloc(1, sizeof(*vsock));
	_cleanup_free_ char *copy = path ? strdup(path) : NULL;
	if (!vsock || (path && !copy))
		return -ENOMEM;
	int r = virtio_init(&vsock->virtio, &ops, ram, interrupt, loop, 0, 3, QUEUE_SIZE);
	if (r < 0)
		return r;
	vsock->path = TAKE_PTR(copy);
	*out = TAKE_PTR(vsock);
	return 0;
}

int virtio_vsock_new(const struct ram *ram, struct interrupt interrupt, struct loop *loop, uint32_t cid,
		     const char *path, int given_listener, struct virtio **out)
{
	_cleanup_close_ int listener = given_listener;
	struct vsock *vsock;
	if (cid < VSOCK_CID_MIN || cid == UINT32_MAX)
		return -EINVAL;
	int r = make_device(ram, interrupt, loop, path, &vsock);
	if (r < 0)
		return r;
	const struct virtio_vsock_config config = {.guest_cid = cid};
	memcpy(vsock->virtio.config, &config, sizeof(config));
	vsock->virtio.config_size = sizeof(config);
	vsock->cid = cid;
	vsock->listener = TAKE_FD(listener);
	vsock->next_host_port = FIRST_HOST_PORT;
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
		vsock->connections[i].fd = -1;
	*out = &vsock->virtio;
	return 0;
}
