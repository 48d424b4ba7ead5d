/* SPDX-License-Identifier: MIT */
/* Making sockets and connections: socket(2), socketpair(2), connect(2), accept(2) and their kin. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fd.h"
#include "guest/contact/hypercalls.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/program/events/epoll.h"
#include "guest/program/readiness.h"
#include "guest/program/sockets/socket.h"

/* 0 where such a socket is served, else a negative errno; `*protocol` becomes what SO_PROTOCOL gives. */
static int check_kind(int domain, int type, int *protocol)
{
	if (domain == AF_UNIX) {
		if (*protocol != 0 && *protocol != PF_UNIX)
			return -EPROTONOSUPPORT;
		*protocol = 0;
		return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET ? 0 : -ESOCKTNOSUPPORT;
	}
	if (domain != AF_INET && domain != AF_INET6)
		return -EAFNOSUPPORT;
	if (type == SOCK_RAW)
		return -EPERM;
	int usual = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
	if (type != SOCK_STREAM && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (*protocol != 0 && *protocol != usual)
		return -EPROTONOSUPPORT;
	*protocol = usual;
	return 0;
}

enum { TYPE_MASK = 0xf };

int64_t call_socket(struct program *program, const uint64_t args[6])
{
	int type = (int)args[1] & TYPE_MASK, flags = (int)args[1] & ~TYPE_MASK, protocol = (int)args[2];
	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	int r = check_kind((int)args[0], type, &protocol);
	if (r < 0)
		return r;
	struct file *file = socket_new(program, (int)args[0], type, protocol, flags & SOCK_NONBLOCK);
	return file ? program_add_file(program, file, 0, flags & SOCK_CLOEXEC) : -ENOMEM;
}

/* One of the two channels of a pair, between files that exist. */
static int join(struct file *from, struct file *to)
{
	struct socket *writer = socket_of(from), *reader = socket_of(to);
	struct channel *channel = channel_new(writer->instance, writer->type != SOCK_STREAM, SOCKET_PAIR_SIZE);
	if (!channel)
		return -ENOMEM;
	channel->writer = from;
	channel->reader = to;
	writer->out = reader->in = channel;
	writer->state = reader->state = SOCKET_CONNECTED;
	return 0;
}

int64_t call_socketpair(struct program *program, const uint64_t args[6])
{
	int type = (int)args[1] & TYPE_MASK, flags = (int)args[1] & ~TYPE_MASK, protocol = (int)args[2];
	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	int r = check_kind((int)args[0], type, &protocol);
	if (r < 0)
		return r;
	if ((int)args[0] != AF_UNIX)
		return -EOPNOTSUPP;
	struct file *files[2];
	for (int i = 0; i < 2; i++)
		files[i] = socket_new(program, AF_UNIX, type, 0, flags & SOCK_NONBLOCK);
	r = files[0] && files[1] ? join(files[0], files[1]) : -ENOMEM;
	if (r == 0)
		r = join(files[1], files[0]);
	if (r < 0) {
		file_unref(files[0]);
		file_unref(files[1]);
		return r;
	}
	return program_add_pair(program, files, args[3], flags & SOCK_CLOEXEC);
}

static bool has_peer(int fd)
{
	struct sockaddr_storage name;
	socklen_t size = sizeof(name);
	return getpeername(fd, (struct sockaddr *)&name, &size) == 0;
}

bool socket_is_connected(const struct file *file)
{
	struct socket *socket = socket_of(file);
	if (socket->state == SOCKET_CONNECTING && has_peer(file->fd))
		socket->state = SOCKET_CONNECTED;
	return socket->state == SOCKET_CONNECTED;
}

int socket_take_error(struct program *program, struct file *file)
{
	struct socket *socket = socket_of(file);
	int error = 0;
	socklen_t size = sizeof(error);
	if (file->fd < 0)
		return 0;
	if (getsockopt(file->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error && socket->state == SOCKET_CONNECTING) {
		socket->state = SOCKET_NEW;
		epoll_set_host_fd(program, file, -1);
	}
	return error;
}

/* The handler's socket may still be on its way to its peer: then so is the program's. */
static int64_t await_connection(struct program *program, struct file *file)
{
	struct socket *socket = socket_of(file);
	int64_t until = socket_deadline(program, file, 0, socket->send_timeout);
	int64_t r = until ? file_wait(program, file, POLLOUT, until) : -EAGAIN;
	if (r == -EAGAIN)
		return -EINPROGRESS;
	if (r < 0)
		return r;
	int error = socket_take_error(program, file);
	if (!error)
		socket->state = SOCKET_CONNECTED;
	return -error;
}

static int check_type(int fd, int wanted)
{
	int type = 0;
	socklen_t size = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != wanted ? -EPROTOTYPE : 0;
}

/* Asks the handler. A datagram socket that has a peer gets another one. */
static int64_t ask_handler(struct program *program, struct file *file, const char *address)
{
	struct socket *socket = socket_of(file);
	if (!file->has_host_fd && !program_take_host_fd(program, file))
		return -EMFILE;
	gate_leave_to_handler(program->instance);
	int fd = guest_sockets_connect(program->instance->guest, address);
	gate_return_from_handler(program->instance);
	int r = fd < 0 ? fd : check_type(fd, socket->type);
	if (r < 0) {
		close_fd(fd);
		return r;
	}
	socket_apply_options(socket, fd);
	socket->state = has_peer(fd) ? SOCKET_CONNECTED : SOCKET_CONNECTING;
	epoll_set_host_fd(program, file, fd);
	return 0;
}

static int64_t disconnect(struct program *program, struct file *file)
{
	struct socket *socket = socket_of(file);
	if (socket->type != SOCK_DGRAM || socket->in)
		return -EINVAL;
	epoll_set_host_fd(program, file, -1);
	socket->state = SOCKET_NEW;
	socket->peer_size = 0;
	return 0;
}

int64_t socket_connect(struct program *program, struct file *file, uint64_t address, uint64_t size)
{
	struct socket *socket = socket_of(file);
	struct sockaddr_storage name;
	char text[SOCKET_ADDRESS_MAX];
	int r = socket_read_address(program, socket, address, size, &name, text);
	if (r < 0)
		return r;
	if (name.ss_family == AF_UNSPEC)
		return disconnect(program, file);
	if (socket->state == SOCKET_LISTENING)
		return -EINVAL;
	/* Again: after it was parked, or interrupted. */
	if (socket->state == SOCKET_CONNECTING) {
		int64_t done = await_connection(program, file);
		return done == -EINPROGRESS ? -EALREADY : done;
	}
	/* What was handed in stays what it is. */
	if (socket->state == SOCKET_CONNECTED && (socket->type != SOCK_DGRAM || !socket->peer_size))
		return -EISCONN;
	int64_t n = ask_handler(program, file, text);
	if (n < 0)
		return n;
	socket->peer = name;
	socket->peer_size = (socklen_t)size;
	return socket->state == SOCKET_CONNECTED ? 0 : await_connection(program, file);
}

int64_t call_connect(struct program *program, const uint64_t args[6])
{
	int error;
	struct file *file = socket_file(program, args[0], &error);
	return file ? socket_connect(program, file, args[1], (unsigned)args[2]) : error;
}

/* A guest is reached through sockets that are handed in, and by nothing else. */
int64_t call_bind(struct program *program, const uint64_t args[6])
{
	int error;
	return socket_file(program, args[0], &error) ? -EACCES : error;
}

/* Of a listening socket that was handed in: it does. */
int64_t call_listen(struct program *program, const uint64_t args[6])
{
	int error;
	struct file *file = socket_file(program, args[0], &error);
	if (!file)
		return error;
	return socket_of(file)->state == SOCKET_LISTENING ? 0 : -EOPNOTSUPP;
}

static int64_t take_connection(struct program *program, struct file *file)
{
	for (;;) {
		int fd = fd_above_streams(accept4(file->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
		if (fd >= 0)
			return fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		int64_t until = socket_deadline(program, file, 0, socket_of(file)->receive_timeout);
		int64_t r = until ? file_wait(program, file, POLLIN, until) : -EAGAIN;
		if (r < 0)
			return r;
	}
}

static int64_t accept_connection(struct program *program, const uint64_t *args, int flags)
{
	struct sockaddr_storage name;
	int error;
	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	struct file *file = socket_file(program, args[0], &error);
	if (!file)
		return error;
	const struct socket *listening = socket_of(file);
	if (listening->state != SOCKET_LISTENING)
		return listening->type == SOCK_DGRAM ? -EOPNOTSUPP : -EINVAL;
	/* Before the connection is taken from whoever else listens. */
	struct file *accepted =
		socket_new(program, listening->domain, listening->type, listening->protocol, flags & SOCK_NONBLOCK);
	if (!accepted)
		return -ENOMEM;
	int64_t fd = program_take_host_fd(program, accepted) ? take_connection(program, file) : -EMFILE;
	if (fd < 0) {
		file_unref(accepted);
		return fd;
	}
	accepted->fd = (int)fd;
	socket_of(accepted)->state = SOCKET_CONNECTED;
	int r = socket_put_name(program, &name, socket_blank_name(listening->domain, &name), args[1], args[2]);
	if (r < 0) {
		file_unref(accepted);
		return r;
	}
	return program_add_file(program, accepted, 0, flags & SOCK_CLOEXEC);
}

int64_t call_accept(struct program *program, const uint64_t args[6])
{
	return accept_connection(program, args, 0);
}

int64_t call_accept4(struct program *program, const uint64_t args[6])
{
	return accept_connection(program, args, (int)args[3]);
}

int64_t call_shutdown(struct program *program, const uint64_t args[6])
{
	int error, how = (int)args[1];
	struct file *file = socket_file(program, args[0], &error);
	if (!file)
		return error;
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	struct socket *socket = socket_of(file);
	/* One that listens is not shut down: others may listen there too. */
	if (!socket_is_connected(file))
		return -ENOTCONN;
	if (!socket->in)
		return shutdown(file->fd, how) < 0 ? -errno : 0;
	if (how != SHUT_WR)
		channel_shut(socket->in, true);
	if (how != SHUT_RD)
		channel_shut(socket->out, false);
	return 0;
}
