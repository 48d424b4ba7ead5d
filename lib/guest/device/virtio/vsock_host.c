/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/vsock_host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/cleanup.h"
#include "core/fd.h"

int vsock_host_connect(const char *path, uint32_t port)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s_%u", path, port);
	if (length < 0 || (size_t)length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	_cleanup_close_ int fd = fd_above_streams(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	/* A unix socket is connected at once, or not: EAGAIN says that too many wait there already (connect(2)). */
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int vsock_host_accept(int listener)
{
	int fd = fd_above_streams(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
	return fd < 0 ? -errno : fd;
}

static int parse(const char *line, uint32_t *out_port)
{
	static const char word[] = "CONNECT ";
	if (strncmp(line, word, sizeof(word) - 1) != 0)
		return -EPROTO;
	const char *number = line + sizeof(word) - 1;
	char *end;
	errno = 0;
	unsigned long long port = strtoull(number, &end, 10);
	if (number[0] < '0' || number[0] > '9' || strcmp(end, "\n") != 0 || errno || port > UINT32_MAX)
		return -EPROTO;
	*out_port = (uint32_t)port;
	return 1;
}

/* A byte at a time, since what follows the line is for the guest. */
int vsock_host_greeting(int fd, struct vsock_line *line, uint32_t *out_port)
{
	while (line->length < VSOCK_LINE_MAX) {
		ssize_t got = recv(fd, &line->text[line->length], 1, MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (got <= 0)
			return -EPROTO;
		if (line->text[line->length++] == '\n')
			return parse(line->text, out_port);
	}
	return -EPROTO;
}

int vsock_host_answer(int fd, uint32_t port)
{
	char line[VSOCK_LINE_MAX];
	int length = snprintf(line, sizeof(line), "OK %u\n", port);
	return send(fd, line, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) == length ? 0 : -EPIPE;
}
