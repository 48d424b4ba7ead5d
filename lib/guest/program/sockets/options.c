/* SPDX-License-Identifier: MIT */
/* Options of sockets: what is of use to the program, and nothing that would tell it of the host. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

#include "guest/program/calls.h"
#include "guest/program/sockets/socket.h"

static const int64_t second_ns = 1000000000;

/* What is set without having an effect, since the socket is not the program's own. */
static bool is_ignored(int level, int name)
{
	static const int of_socket[] = {SO_REUSEADDR, SO_REUSEPORT, SO_BROADCAST, SO_LINGER,   SO_SNDBUF,
					SO_RCVBUF,    SO_PRIORITY,  SO_OOBINLINE, SO_DONTROUTE};
	if (level == SOL_SOCKET) {
		for (size_t i = 0; i < sizeof(of_socket) / sizeof(of_socket[0]); i++)
			if (name == of_socket[i])
				return true;
		return false;
	}
	if (level == IPPROTO_TCP)
		return name == TCP_KEEPIDLE || name == TCP_KEEPINTVL || name == TCP_KEEPCNT || name == TCP_CORK ||
		       name == TCP_USER_TIMEOUT || name == TCP_QUICKACK;
	if (level == IPPROTO_IP)
		return name == IP_RECVERR || name == IP_TOS || name == IP_TTL || name == IP_MTU_DISCOVER;
	if (level == IPPROTO_IPV6)
		return name == IPV6_V6ONLY || name == IPV6_RECVERR || name == IPV6_TCLASS ||
		       name == IPV6_UNICAST_HOPS || name == IPV6_MTU_DISCOVER;
	return false;
}

static int64_t set_timeout(struct program *program, int64_t *out, uint64_t address, unsigned size)
{
	struct timeval time;
	if (size < sizeof(time))
		return -EINVAL;
	if (space_read(program->space, &time, address, sizeof(time)) < 0)
		return -EFAULT;
	if (time.tv_usec < 0 || time.tv_usec >= 1000000)
		return -EDOM;
	/* A negative time is none at all (socket(7) has it so); a very long one is for ever. */
	bool is_set = time.tv_sec >= 0 && time.tv_sec < INT64_MAX / second_ns / 4;
	*out = is_set ? time.tv_sec * second_ns + time.tv_usec * 1000 : time.tv_sec < 0;
	return 0;
}

static int64_t set_number(struct socket *socket, struct file *file, int level, int name, int value)
{
	if (level == IPPROTO_TCP && name == TCP_NODELAY && socket->protocol == IPPROTO_TCP)
		socket->no_delay = value;
	else if (level == SOL_SOCKET && name == SO_KEEPALIVE)
		socket->keep_alive = value;
	else
		return is_ignored(level, name) ? 0 : -ENOPROTOOPT;
	/* The host's socket may be of another kind: then it has no such thing, and needs none. */
	if (file->fd >= 0)
		setsockopt(file->fd, level, name, &value, sizeof(value));
	return 0;
}

int64_t call_setsockopt(struct program *program, const uint64_t args[6])
{
	int error, level = (int)args[1], name = (int)args[2], value;
	struct file *file = socket_file(program, args[0], &error);
	if (!file)
		return error;
	struct socket *socket = socket_of(file);
	if ((int)args[4] < 0)
		return -EINVAL;
	if (level == SOL_SOCKET && name == SO_RCVTIMEO)
		return set_timeout(program, &socket->receive_timeout, args[3], (unsigned)args[4]);
	if (level == SOL_SOCKET && name == SO_SNDTIMEO)
		return set_timeout(program, &socket->send_timeout, args[3], (unsigned)args[4]);
	if ((unsigned)args[4] < sizeof(value))
		return -EINVAL;
	if (space_read(program->space, &value, args[3], sizeof(value)) < 0)
		return -EFAULT;
	return set_number(socket, file, level, name, value);
}

static int64_t put_option(struct program *program, const uint64_t *args, const void *value, size_t size)
{
	int room;
	if (space_read(program->space, &room, args[4], sizeof(room)) < 0)
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	int length = (size_t)room < size ? room : (int)size;
	if (space_write(program->space, args[3], value, (size_t)length) < 0)
		return -EFAULT;
	return space_write(program->space, args[4], &length, sizeof(length));
}

static int64_t put_timeout(struct program *program, const uint64_t *args, int64_t ns)
{
	const struct timeval time = {.tv_sec = ns / second_ns, .tv_usec = ns % second_ns / 1000};
	return put_option(program, args, &time, sizeof(time));
}

/* SO_PEERCRED: of a pair, who made it; of others nobody that the program knows. */
static int64_t put_peer(struct program *program, const uint64_t *args, const struct socket *socket)
{
	struct ucred peer = {.uid = (uid_t)-1, .gid = (gid_t)-1};
	if (socket->domain != AF_UNIX)
		return -ENOPROTOOPT;
	if (socket->in)
		peer = (struct ucred){(pid_t)call_getpid(program, args), program->uid, program->gid};
	return put_option(program, args, &peer, sizeof(peer));
}

/* An option that is a number. 0 or -ENOPROTOOPT. */
static int socket_number(struct program *program, struct file *file, int name, int *out)
{
	const struct socket *socket = socket_of(file);
	switch (name) {
	case SO_TYPE:
		*out = socket->type;
		return 0;
	case SO_DOMAIN:
		*out = socket->domain;
		return 0;
	case SO_PROTOCOL:
		*out = socket->protocol;
		return 0;
	case SO_ACCEPTCONN:
		*out = socket->state == SOCKET_LISTENING;
		return 0;
	case SO_ERROR:
		*out = socket_take_error(program, file);
		return 0;
	case SO_KEEPALIVE:
		*out = socket->keep_alive;
		return 0;
	case SO_SNDBUF:
	case SO_RCVBUF:
		*out = SOCKET_PAIR_SIZE;
		return 0;
	default:
		*out = 0;
		return is_ignored(SOL_SOCKET, name) && name != SO_LINGER ? 0 : -ENOPROTOOPT;
	}
}

int64_t call_getsockopt(struct program *program, const uint64_t args[6])
{
	int error, level = (int)args[1], name = (int)args[2], value = 0, r = -ENOPROTOOPT;
	struct file *file = socket_file(program, args[0], &error);
	if (!file)
		return error;
	const struct socket *socket = socket_of(file);
	if (level == SOL_SOCKET && name == SO_RCVTIMEO)
		return put_timeout(program, args, socket->receive_timeout);
	if (level == SOL_SOCKET && name == SO_SNDTIMEO)
		return put_timeout(program, args, socket->send_timeout);
	if (level == SOL_SOCKET && name == SO_PEERCRED)
		return put_peer(program, args, socket);
	if (level == SOL_SOCKET && name == SO_LINGER)
		return put_option(program, args, &(const struct linger){0}, sizeof(struct linger));
	if (level == SOL_SOCKET) {
		r = socket_number(program, file, name, &value);
	} else if (level == IPPROTO_TCP && name == TCP_NODELAY && socket->protocol == IPPROTO_TCP) {
		value = socket->no_delay;
		r = 0;
	} else if (is_ignored(level, name)) {
		r = 0;
	}
	return r < 0 ? r : put_option(program, args, &value, sizeof(value));
}
