/* SPDX-License-Identifier: MIT */
/* Names of sockets: what a program gives becomes a string, and what it asks for says nothing of the host. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "guest/program/calls.h"
#include "guest/program/sockets/socket.h"

static int unix_address(const struct program *program, const struct sockaddr_un *name, size_t size, char *out)
{
	size_t length = size - offsetof(struct sockaddr_un, sun_path);
	char path[sizeof(name->sun_path) + 1] = {0};
	if (length == 0)
		return -EINVAL;
	memcpy(path, name->sun_path, length);
	if (path[0]) {
		/* A path may end with a NUL, or with the size. */
		const char *slash = path[0] == '/' ? "" : program->cwd[1] ? "/" : "";
		snprintf(out, SOCKET_ADDRESS_MAX, "unix:%s%s%s", path[0] == '/' ? "" : program->cwd, slash, path);
		return 0;
	}
	/* Abstract: its bytes are the name; one with a NUL cannot be written as a string. */
	if (length < 2 || memchr(path + 1, '\0', length - 1))
		return -EINVAL;
	snprintf(out, SOCKET_ADDRESS_MAX, "unix:@%s", path + 1);
	return 0;
}

static int internet_address(const struct socket *socket, const struct sockaddr_storage *name, char *out)
{
	char text[INET6_ADDRSTRLEN];
	const char *protocol = socket->type == SOCK_STREAM ? "tcp" : "udp";
	if (name->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)name;
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		snprintf(out, SOCKET_ADDRESS_MAX, "%s:%s:%u", protocol, text, ntohs(in->sin_port));
	} else {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)name;
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		snprintf(out, SOCKET_ADDRESS_MAX, "%s:[%s]:%u", protocol, text, ntohs(in6->sin6_port));
	}
	return 0;
}

int socket_read_address(struct program *program, const struct socket *socket, uint64_t address, uint64_t size,
			struct sockaddr_storage *out_address, char *out)
{
	*out_address = (struct sockaddr_storage){0};
	if (size < sizeof(sa_family_t) || size > sizeof(*out_address))
		return -EINVAL;
	if (space_read(program->space, out_address, address, size) < 0)
		return -EFAULT;
	*out = '\0';
	if (out_address->ss_family == AF_UNSPEC)
		return 0;
	if (out_address->ss_family != socket->domain)
		return -EAFNOSUPPORT;
	switch (socket->domain) {
	case AF_UNIX:
		/* The handler's addresses of this family are of streams. */
		if (socket->type != SOCK_STREAM)
			return -ECONNREFUSED;
		if (size > sizeof(struct sockaddr_un))
			return -EINVAL;
		return unix_address(program, (const struct sockaddr_un *)out_address, size, out);
	case AF_INET:
		return size < sizeof(struct sockaddr_in) ? -EINVAL : internet_address(socket, out_address, out);
	default:
		/* RFC 2133 had no scope: the kernel takes 24 bytes too. */
		return size < offsetof(struct sockaddr_in6, sin6_scope_id) ? -EINVAL
									   : internet_address(socket, out_address, out);
	}
}

socklen_t socket_blank_name(int domain, struct sockaddr_storage *out)
{
	*out = (struct sockaddr_storage){.ss_family = (sa_family_t)domain};
	switch (domain) {
	case AF_INET:
		return sizeof(struct sockaddr_in);
	case AF_INET6:
		return sizeof(struct sockaddr_in6);
	default:
		return sizeof(sa_family_t);
	}
}

int socket_put_name(struct program *program, const struct sockaddr_storage *name, socklen_t name_size, uint64_t address,
		    uint64_t size_address)
{
	int room;
	if (!address)
		return 0;
	if (space_read(program->space, &room, size_address, sizeof(room)) < 0)
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	size_t size = (socklen_t)room < name_size ? (size_t)room : name_size;
	int length = (int)name_size;
	if (space_write(program->space, address, name, size) < 0)
		return -EFAULT;
	return space_write(program->space, size_address, &length, sizeof(length));
}

static int64_t put_socket_name(struct program *program, const uint64_t *args, bool of_peer)
{
	struct sockaddr_storage name;
	int error;
	struct file *file = socket_file(program, args[0], &error);
	if (!file)
		return error;
	const struct socket *socket = socket_of(file);
	socklen_t size = socket_blank_name(socket->domain, &name);
	if (of_peer && !socket_is_connected(file))
		return -ENOTCONN;
	if (of_peer && socket->peer_size) {
		name = socket->peer;
		size = socket->peer_size;
	}
	/* Unlike accept(2): a null pointer is a fault. */
	return args[1] ? socket_put_name(program, &name, size, args[1], args[2]) : -EFAULT;
}

int64_t call_getsockname(struct program *program, const uint64_t args[6])
{
	return put_socket_name(program, args, false);
}

int64_t call_getpeername(struct program *program, const uint64_t args[6])
{
	return put_socket_name(program, args, true);
}
