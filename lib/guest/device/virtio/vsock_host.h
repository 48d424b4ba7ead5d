/* SPDX-License-Identifier: MIT */
/* The host's side of vsock: unix sockets. */
#ifndef GUEST_DEVICE_VIRTIO_VSOCK_HOST_H
#define GUEST_DEVICE_VIRTIO_VSOCK_HOST_H

#include <stdint.h>

/* A socket that is connected to PATH_PORT, without blocking; or a negative errno. */
int vsock_host_connect(const char *path, uint32_t port);

/* A socket of who has connected; or a negative errno. */
int vsock_host_accept(int listener);

enum { VSOCK_LINE_MAX = 32 };

/* What has come of a line. */
struct vsock_line {
	char text[VSOCK_LINE_MAX + 1];
	uint8_t length;
};

/* Reads "CONNECT PORT\n", and nothing behind it. 1 with the port; 0 it is not complete; -EPROTO it is something else.
 */
int vsock_host_greeting(int fd, struct vsock_line *line, uint32_t *out_port);

/* Says "OK PORT\n". 0 or a negative errno. */
int vsock_host_answer(int fd, uint32_t port);

#endif
