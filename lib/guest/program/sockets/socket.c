/* SPDX-License-Identifier: MIT */
/* What a socket is: making one, reading, writing and polling it as a file. */
#include "guest/program/sockets/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/program/calls.h"
#include "guest/program/copies.h"
#include "guest/program/object.h"
#include "guest/program/readiness.h"

static int64_t read_socket(struct program *program, struct file *file, const struct iovec *pieces, int count,
			   size_t size)
{
	struct message message = {.pieces = (struct iovec *)pieces, .count = count, .size = size};
	int64_t n = socket_receive(program, file, &message);
	channel_files_free(message.files);
	return n;
}

static int64_t write_socket(struct program *program, struct file *file, const struct iovec *pieces, int count,
			    size_t size)
{
	struct message message = {.pieces = (struct iovec *)pieces, .count = count, .size = size};
	return socket_send(program, file, &message);
}

static short poll_pair(struct file *file, short events, struct readiness *readiness)
{
	const struct socket *socket = file->object;
	bool in_ended = socket->in->write_shut || socket->in->read_shut;
	readiness_object(readiness, file);
	short ready = 0;
	if (channel_can_read(socket->in))
		ready |= POLLIN | POLLRDNORM;
	if (channel_can_write(socket->out))
		ready |= POLLOUT | POLLWRNORM;
	if (in_ended)
		ready |= POLLRDHUP;
	bool is_hung_up = in_ended && (socket->out->write_shut || socket->out->read_shut);
	return (ready & events) | (is_hung_up ? POLLHUP : 0);
}

static short poll_socket(struct file *file, short events, struct readiness *readiness)
{
	const struct socket *socket = file->object;
	if (socket->in)
		return poll_pair(file, events, readiness);
	if (file->fd >= 0)
		return readiness_host(readiness, file->fd, events);
	readiness_object(readiness, file);
	/* As an unconnected socket of Linux. */
	return (events & (POLLOUT | POLLWRNORM)) | (socket->type == SOCK_DGRAM ? 0 : POLLHUP);
}

static int64_t control_socket(struct program *program, struct file *file, uint32_t request, uint64_t argument)
{
	const struct socket *socket = file->object;
	int available = 0;
	if (request != FIONREAD)
		return -ENOTTY;
	if (socket->in)
		available = (int)channel_available(socket->in);
	else if (file->fd >= 0 && ioctl(file->fd, FIONREAD, &available) < 0)
		return -errno;
	return space_write(program->space, argument, &available, sizeof(available));
}

static void release_socket(struct file *file)
{
	struct socket *socket = file->object;
	if (socket->in)
		channel_close(socket->in, true);
	if (socket->out)
		channel_close(socket->out, false);
	free(socket);
}

/* A socket whose other end is closed; -1 without one. */
static int make_hung_up(int type)
{
	int fds[2];
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	close(fds[1]);
	return fds[0];
}

/*
 * What was handed in is there for all clones, as streams are. But a connection can be one program's only: to a clone it
 * is as if the other side had closed it.
 */
static int copy_socket(const struct file *file, struct file *copy, struct copies *copies)
{
	const struct socket *socket = file->object;
	struct socket *own = malloc(sizeof(*own));
	if (!own)
		return -ENOMEM;
	*own = *socket;
	own->instance = copies->instance;
	own->in = copy_map_find(&copies->things, socket->in);
	own->out = copy_map_find(&copies->things, socket->out);
	if (own->in)
		own->in->reader = copy;
	if (own->out)
		own->out->writer = copy;
	copy->object = own;
	if (file->fd >= 0)
		copy->fd = socket->is_given ? fcntl(file->fd, F_DUPFD_CLOEXEC, 3) : make_hung_up(socket->type);
	return file->fd >= 0 && copy->fd < 0 ? -errno : 0;
}

enum {
	VALUE_DOMAIN,
	VALUE_TYPE,
	VALUE_PROTOCOL,
	VALUE_STATE,
	VALUE_RECEIVE_TIMEOUT,
	VALUE_SEND_TIMEOUT,
	VALUE_OPTIONS,
	VALUE_NAME_SIZE,
	VALUE_HAS_FD
};

enum { OPTION_NO_DELAY = 1, OPTION_KEEP_ALIVE = 2 };

/* As for a clone, a connection is as if the other side had closed it. */
static const char *describe_socket(const struct file *file, struct object_state *out)
{
	const struct socket *socket = file->object;
	if (socket->is_given)
		return "a socket open that was handed in";
	out->kind = OBJECT_SOCKET;
	out->in = socket->in;
	out->out = socket->out;
	out->values[VALUE_DOMAIN] = socket->domain;
	out->values[VALUE_TYPE] = socket->type;
	out->values[VALUE_PROTOCOL] = socket->protocol;
	out->values[VALUE_STATE] = socket->state;
	out->values[VALUE_RECEIVE_TIMEOUT] = interval_bounded(socket->receive_timeout);
	out->values[VALUE_SEND_TIMEOUT] = interval_bounded(socket->send_timeout);
	out->values[VALUE_OPTIONS] =
		(socket->no_delay ? OPTION_NO_DELAY : 0) | (socket->keep_alive ? OPTION_KEEP_ALIVE : 0);
	out->values[VALUE_NAME_SIZE] = socket->peer_size;
	out->values[VALUE_HAS_FD] = file->fd >= 0;
	out->name = socket->peer;
	return NULL;
}

static const struct file_ops ops = {
	.describe = describe_socket,
	.read = read_socket,
	.write = write_socket,
	.poll = poll_socket,
	.control = control_socket,
	.release = release_socket,
	.copy = copy_socket,
};

struct socket *socket_of(const struct file *file)
{
	return file->ops == &ops ? file->object : NULL;
}

struct file *socket_file(struct program *program, uint64_t fd, int *error)
{
	struct file *file = program_file(program, (int)fd);
	*error = !file || file->kind == FILE_PATH ? -EBADF : !socket_of(file) ? -ENOTSOCK : 0;
	return *error ? NULL : file;
}

struct file *socket_new(struct program *program, int domain, int type, int protocol, int flags)
{
	struct socket *socket = malloc(sizeof(*socket));
	if (!socket)
		return NULL;
	*socket = (struct socket){.instance = program->instance, .domain = domain, .type = type, .protocol = protocol};
	struct file *file = file_new_object(&ops, socket, S_IFSOCK, O_RDWR | flags);
	if (!file)
		free(socket);
	return file;
}

static bool is_kind(int64_t domain, int64_t type)
{
	if (domain == AF_UNIX)
		return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET;
	return (domain == AF_INET || domain == AF_INET6) && (type == SOCK_STREAM || type == SOCK_DGRAM);
}

/* Both ends of a pair are there or none, and none is another socket's. */
static bool are_channels(const struct object_state *state)
{
	bool keeps_messages = state->values[VALUE_TYPE] != SOCK_STREAM;
	if (!state->in && !state->out)
		return true;
	return state->in && state->out && state->in != state->out && !state->in->reader && !state->out->writer &&
	       state->in->keeps_messages == keeps_messages && state->out->keeps_messages == keeps_messages &&
	       state->values[VALUE_DOMAIN] == AF_UNIX && state->values[VALUE_STATE] == SOCKET_CONNECTED &&
	       !state->values[VALUE_HAS_FD];
}

static bool is_sound(const struct object_state *state)
{
	const int64_t *values = state->values;
	bool has_connection = state->in || values[VALUE_HAS_FD];
	return is_kind(values[VALUE_DOMAIN], values[VALUE_TYPE]) && are_channels(state) &&
	       values[VALUE_PROTOCOL] >= 0 && values[VALUE_PROTOCOL] <= UINT8_MAX &&
	       values[VALUE_STATE] >= SOCKET_NEW && values[VALUE_STATE] <= SOCKET_CONNECTED &&
	       has_connection == (values[VALUE_STATE] != SOCKET_NEW) &&
	       interval_is_sound(values[VALUE_RECEIVE_TIMEOUT]) && interval_is_sound(values[VALUE_SEND_TIMEOUT]) &&
	       values[VALUE_NAME_SIZE] >= 0 && values[VALUE_NAME_SIZE] <= (int64_t)sizeof(state->name);
}

static void take_state(struct file *file, const struct object_state *state)
{
	const int64_t *values = state->values;
	struct socket *socket = file->object;
	socket->state = (enum socket_state)values[VALUE_STATE];
	socket->receive_timeout = values[VALUE_RECEIVE_TIMEOUT];
	socket->send_timeout = values[VALUE_SEND_TIMEOUT];
	socket->no_delay = values[VALUE_OPTIONS] & OPTION_NO_DELAY;
	socket->keep_alive = values[VALUE_OPTIONS] & OPTION_KEEP_ALIVE;
	socket->peer = state->name;
	socket->peer_size = (socklen_t)values[VALUE_NAME_SIZE];
	socket->in = state->in;
	socket->out = state->out;
	if (socket->in)
		socket->in->reader = file;
	if (socket->out)
		socket->out->writer = file;
}

int socket_revive(struct program *program, const struct object_state *state, int flags, struct file **out)
{
	const int64_t *values = state->values;
	if (!is_sound(state) || (flags & O_ACCMODE) != O_RDWR)
		return -EINVAL;
	struct file *file = socket_new(program, (int)values[VALUE_DOMAIN], (int)values[VALUE_TYPE],
				       (int)values[VALUE_PROTOCOL], flags & ~O_ACCMODE);
	if (!file)
		return -ENOMEM;
	int r = 0;
	if (values[VALUE_HAS_FD]) {
		r = program_take_host_fd(program, file) ? 0 : -ENFILE;
		file->fd = r == 0 ? make_hung_up((int)values[VALUE_TYPE]) : -1;
		if (r == 0 && file->fd < 0)
			r = -errno;
	}
	if (r < 0) {
		file_unref(file);
		return r;
	}
	take_state(file, state);
	*out = file;
	return 0;
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);
	return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

/* 0 or a negative errno. */
static int check_host_socket(int fd)
{
	int domain = option(fd, SO_DOMAIN), type = option(fd, SO_TYPE);
	if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6)
		return -EOPNOTSUPP;
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return -EOPNOTSUPP;
	/*
	 * accept(2) cannot be told not to block, and whoever else has the socket may be faster than we after poll(2).
	 * Whether it blocks is a matter of its open file, which is the host program's too.
	 */
	return option(fd, SO_ACCEPTCONN) == 1 && !(fcntl(fd, F_GETFL) & O_NONBLOCK) ? -EINVAL : 0;
}

struct file *socket_from_host(struct program *program, int fd, int *error)
{
	*error = check_host_socket(fd);
	struct file *file = NULL;
	if (*error == 0) {
		int domain = option(fd, SO_DOMAIN), type = option(fd, SO_TYPE), protocol = option(fd, SO_PROTOCOL);
		file = socket_new(program, domain, type, protocol < 0 ? 0 : protocol, 0);
		*error = file ? 0 : -ENOMEM;
	}
	if (!file) {
		close_fd(fd);
		return NULL;
	}
	file->fd = fd;
	socket_of(file)->is_given = true;
	socket_of(file)->state = option(fd, SO_ACCEPTCONN) == 1 ? SOCKET_LISTENING : SOCKET_CONNECTED;
	return file;
}

void socket_apply_options(struct socket *socket, int fd)
{
	const int on = 1;
	if (socket->no_delay)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (socket->keep_alive)
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

int64_t socket_deadline(struct program *program, const struct file *file, int flags, int64_t timeout)
{
	if ((file->flags & O_NONBLOCK) || (flags & MSG_DONTWAIT))
		return 0;
	return timeout ? task_deadline(program, clock_now(CLOCK_MONOTONIC) + timeout) : INT64_MAX;
}

static int64_t refuse_to_send(struct program *program, const struct socket *socket, int flags)
{
	/* unix(7): the other datagram socket is gone. */
	if (socket->in && socket->type == SOCK_DGRAM)
		return -ECONNREFUSED;
	if (!(flags & MSG_NOSIGNAL) && socket->type != SOCK_DGRAM)
		signal_send_self(program, SIGPIPE);
	return -EPIPE;
}

static int64_t send_once(struct file *file, struct message *message)
{
	struct socket *socket = file->object;
	if (socket->in) {
		int64_t n = channel_write(socket->out, message->pieces, message->count, message->size, message->files);
		if (n >= 0)
			message->files = NULL;
		return n;
	}
	struct msghdr header = {.msg_iov = message->pieces, .msg_iovlen = (size_t)message->count};
	ssize_t n = sendmsg(file->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL | (message->flags & (MSG_MORE | MSG_EOR)));
	return n < 0 ? -errno : n;
}

/* Whether anything can be sent or received: 0 or a negative errno. */
static int check_connected(const struct file *file, bool to_send)
{
	const struct socket *socket = file->object;
	if (socket->in)
		return 0;
	if (file->fd < 0 || !socket_is_connected(file)) {
		if (socket->type == SOCK_DGRAM)
			return to_send ? -EDESTADDRREQ : 0;
		return to_send && socket->state == SOCKET_NEW ? -EPIPE : -ENOTCONN;
	}
	return 0;
}

/* What poll(2) takes for room need not be enough for a message: in a pair only a reader makes a difference. */
static int64_t wait_for_room(struct program *program, struct file *file, int64_t until)
{
	const struct socket *socket = file->object;
	return socket->in ? object_wait(program, file, until) : file_wait(program, file, POLLOUT, until);
}

int64_t socket_send(struct program *program, struct file *file, struct message *message)
{
	struct socket *socket = file->object;
	int r = check_connected(file, true);
	if (r == -EPIPE)
		return refuse_to_send(program, socket, message->flags);
	if (r < 0)
		return r;
	for (;;) {
		int64_t n = send_once(file, message);
		if (n == -EPIPE)
			return refuse_to_send(program, socket, message->flags);
		if (n != -EAGAIN && n != -EINTR)
			return n;
		int64_t until = socket_deadline(program, file, message->flags, socket->send_timeout);
		int64_t w = until ? wait_for_room(program, file, until) : -EAGAIN;
		if (w < 0)
			return w;
	}
}

static int64_t receive_from_pair(struct socket *socket, struct message *message)
{
	struct channel_read read = {.peek = message->flags & MSG_PEEK};
	int64_t n = channel_read(socket->in, message->pieces, message->count, &read);
	message->files = read.files;
	message->out_flags = read.truncated ? MSG_TRUNC : 0;
	message->out_length = read.message;
	return n;
}

static int64_t receive_once(struct file *file, struct message *message)
{
	struct socket *socket = file->object;
	if (socket->in)
		return receive_from_pair(socket, message);
	/* Without room for control messages the kernel drops them: no fd of the host comes through. */
	struct msghdr header = {.msg_iov = message->pieces, .msg_iovlen = (size_t)message->count};
	/* MSG_TRUNC gives the length of a datagram; of a stream it would throw bytes away, as tcp(7) says. */
	int flags = MSG_DONTWAIT | (message->flags & MSG_PEEK) | (socket->type == SOCK_STREAM ? 0 : MSG_TRUNC);
	ssize_t n = recvmsg(file->fd, &header, flags);
	if (n < 0)
		return -errno;
	message->out_flags = header.msg_flags & (MSG_TRUNC | MSG_EOR);
	message->out_length = (size_t)n;
	return (size_t)n < message->size ? n : (int64_t)message->size;
}

int64_t socket_receive(struct program *program, struct file *file, struct message *message)
{
	struct socket *socket = file->object;
	int r = check_connected(file, false);
	if (r < 0)
		return r;
	for (;;) {
		int64_t n = socket->in || file->fd >= 0 ? receive_once(file, message) : -EAGAIN;
		if (n != -EAGAIN && n != -EINTR)
			return n;
		int64_t until = socket_deadline(program, file, message->flags, socket->receive_timeout);
		int64_t w = until ? file_wait(program, file, POLLIN, until) : -EAGAIN;
		if (w < 0)
			return w;
	}
}
