/* SPDX-License-Identifier: MIT */
/*
 * Sockets of a program in a guest. One end of a socketpair(2) is two channels; any other one is a socket of the host
 * that was handed in or that the connect handler gave, and whose addresses the program never sees.
 */
#ifndef GUEST_PROGRAM_SOCKETS_SOCKET_H
#define GUEST_PROGRAM_SOCKETS_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "guest/program/channel.h"
#include "guest/program/file.h"

enum socket_state { SOCKET_NEW, SOCKET_CONNECTING, SOCKET_CONNECTED, SOCKET_LISTENING };

struct socket {
	struct instance *instance;
	int domain;
	int type;
	int protocol;
	enum socket_state state;
	struct channel *in; /* of a socketpair(2): NULL for others */
	struct channel *out;
	int64_t receive_timeout; /* SO_RCVTIMEO, nanoseconds; 0 for none */
	int64_t send_timeout;
	bool is_given;   /* it was handed in, and is no connection of this guest's own */
	bool no_delay;   /* TCP_NODELAY */
	bool keep_alive; /* SO_KEEPALIVE */
	/* What the program asked to be connected to, for getpeername(2). */
	struct sockaddr_storage peer;
	socklen_t peer_size;
};

/* The lengths of names, buffers and control messages that the program may give. */
enum { SOCKET_PIECE = 256 << 10, SOCKET_CONTROL_MAX = 20480, SOCKET_PAIR_SIZE = 212992 };

/* NULL where the file is no socket. */
struct socket *socket_of(const struct file *file);

/* The program's socket; NULL with -EBADF or -ENOTSOCK. */
struct file *socket_file(struct program *program, uint64_t fd, int *error);

/* A new socket without a connection; NULL without memory. `flags` are those of the file. */
struct file *socket_new(struct program *program, int domain, int type, int protocol, int flags);

/*
 * A socket of the host, whose fd is taken over; on failure too. NULL with `*error`: -EOPNOTSUPP for a kind that is not
 * served, -EINVAL for a listening one that blocks (see accept.c), -ENOMEM.
 */
struct file *socket_from_host(struct program *program, int fd, int *error);

/* Whether it has a connection by now. */
bool socket_is_connected(const struct file *file);

/* The errno with which a connection failed, which is taken away; 0 where it did not. */
int socket_take_error(struct program *program, struct file *file);

/* What is kept until the socket has a fd of the host. */
void socket_apply_options(struct socket *socket, int fd);

/* The end of a wait: at once where it must not block, else what SO_RCVTIMEO and the like say. */
int64_t socket_deadline(struct program *program, const struct file *file, int flags, int64_t timeout);

/* What is sent or received in one go: host memory, flags of the call, files that come along. */
struct message {
	struct iovec *pieces;
	int count;
	size_t size;
	int flags;
	struct channel_files *files;
	int out_flags;     /* MSG_TRUNC */
	size_t out_length; /* of a message that was longer than the buffer */
};

/* Bytes, or a negative number that the call must return. Files are taken over where they are sent. */
int64_t socket_send(struct program *program, struct file *file, struct message *message);
int64_t socket_receive(struct program *program, struct file *file, struct message *message);

/*
 * The address that a program gives, as the connect handler gets it, in `out` of SOCKET_ADDRESS_MAX bytes, and as it is
 * in `out_address`. 0, or -EFAULT, -EINVAL, -EAFNOSUPPORT, -ECONNREFUSED.
 */
enum { SOCKET_ADDRESS_MAX = 4200 };
int socket_read_address(struct program *program, const struct socket *socket, uint64_t address, uint64_t size,
			struct sockaddr_storage *out_address, char *out);

/* Connects by the handler. 0 or what connect(2) returns. */
int64_t socket_connect(struct program *program, struct file *file, uint64_t address, uint64_t size);

/* Writes a name out as accept(2) and getpeername(2) do. 0, -EFAULT or -EINVAL. */
int socket_put_name(struct program *program, const struct sockaddr_storage *name, socklen_t name_size, uint64_t address,
		    uint64_t size_address);

/* The name of a socket of this family without saying which. Its size. */
socklen_t socket_blank_name(int domain, struct sockaddr_storage *out);

#endif
