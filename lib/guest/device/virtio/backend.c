/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/cleanup.h"

enum { LENGTH = 4, PARTS_MAX = 257 };

/* Which socket it is; 0 for none. */
static int socket_type(int fd)
{
	int type = 0;
	socklen_t size = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ? 0 : type;
}

/* The flags of an interface, with those that it needs; 0 where it is none. */
static unsigned tap_flags(int fd)
{
	struct ifreq request = {0};
	const unsigned needed = IFF_TAP | IFF_NO_PI;
	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return 0;
	unsigned flags = (unsigned short)request.ifr_flags;
	return (flags & needed) == needed ? flags : 0;
}

bool backend_is_fd(int fd)
{
	int type = socket_type(fd);
	return type ? type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET : tap_flags(fd) != 0;
}

static int init_stream(struct backend *backend)
{
	backend->kind = BACKEND_STREAM;
	backend->output = malloc(LENGTH + FRAME_MAX);
	backend->input = malloc(LENGTH + FRAME_MAX);
	return backend->output && backend->input ? 0 : -ENOMEM;
}

static int init_tap(struct backend *backend)
{
	const int header = FRAME_HEADER;
	backend->kind = BACKEND_TAP;
	backend->has_header = tap_flags(backend->fd) & IFF_VNET_HDR;
	if (backend->has_header && ioctl(backend->fd, TUNSETVNETHDRSZ, &header) < 0)
		return -errno;
	int flags = fcntl(backend->fd, F_GETFL);
	return flags < 0 || fcntl(backend->fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int backend_init(struct backend *backend, int fd)
{
	int r = backend_is_fd(fd) ? 0 : -EINVAL, type = socket_type(fd);
	*backend = (struct backend){.fd = fd, .kind = type == SOCK_DGRAM ? BACKEND_DATAGRAMS : BACKEND_MESSAGES};
	if (r == 0 && type == SOCK_STREAM)
		r = init_stream(backend);
	else if (r == 0 && !type)
		r = init_tap(backend);
	if (r < 0)
		backend_release(backend);
	return r;
}

void backend_release(struct backend *backend)
{
	backend->fd = close_fd(backend->fd);
	free(backend->output);
	free(backend->input);
	backend->output = backend->input = NULL;
}

/* What there is to say about a failure of the fd. A frame that nobody wants is lost, as on any wire. */
static int failure(const struct backend *backend)
{
	if (errno == EAGAIN || errno == ENOBUFS)
		return -EAGAIN;
	if (errno == EPIPE || errno == ECONNRESET || errno == EBADFD || errno == ENOTCONN)
		return -EPIPE;
	return backend->kind == BACKEND_STREAM ? -EPIPE : 0;
}

int backend_flush(struct backend *backend)
{
	while (backend->output_begin < backend->output_size) {
		ssize_t sent = send(backend->fd, backend->output + backend->output_begin,
				    backend->output_size - backend->output_begin, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return failure(backend);
		backend->output_begin += (uint32_t)sent;
	}
	backend->output_begin = backend->output_size = 0;
	return 0;
}

/* A frame in part would be none: what the socket does not take at once is kept here. */
static int send_stream(struct backend *backend, const struct iovec *parts, unsigned count, uint32_t size)
{
	int r = backend_flush(backend);
	if (r < 0)
		return r;
	const uint32_t length = htonl(size);
	memcpy(backend->output, &length, LENGTH);
	uint32_t done = LENGTH;
	for (unsigned i = 0; i < count; i++) {
		memcpy(backend->output + done, parts[i].iov_base, parts[i].iov_len);
		done += (uint32_t)parts[i].iov_len;
	}
	backend->output_size = done;
	r = backend_flush(backend);
	return r == -EAGAIN ? 0 : r;
}

static ssize_t send_message(const struct backend *backend, struct iovec *parts, unsigned count)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
	if (backend->kind == BACKEND_TAP)
		return writev(backend->fd, parts, (int)count);
	return sendmsg(backend->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The frame without its header. */
static unsigned skip_header(const struct iovec *parts, unsigned count, struct iovec *out)
{
	size_t rest = FRAME_HEADER;
	unsigned kept = 0;
	for (unsigned i = 0; i < count; i++) {
		size_t skipped = parts[i].iov_len < rest ? parts[i].iov_len : rest;
		rest -= skipped;
		if (parts[i].iov_len > skipped)
			out[kept++] =
				(struct iovec){(uint8_t *)parts[i].iov_base + skipped, parts[i].iov_len - skipped};
	}
	return kept;
}

static int send_frame(struct backend *backend, const struct iovec *parts, unsigned count, uint32_t size)
{
	struct iovec frame[PARTS_MAX];
	if (backend->has_header) {
		memcpy(frame, parts, count * sizeof(parts[0]));
	} else {
		count = skip_header(parts, count, frame);
		size -= FRAME_HEADER;
	}
	if (size == 0)
		return 0;
	if (backend->kind == BACKEND_STREAM)
		return send_stream(backend, frame, count, size);
	ssize_t sent;
	do
		sent = send_message(backend, frame, count);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? failure(backend) : 0;
}

int backend_send(struct backend *backend, const struct iovec *parts, unsigned count, uint32_t size)
{
	int r = send_frame(backend, parts, count, size);
	if (r == 0)
		traffic_count(&backend->traffic, TRAFFIC_FROM_GUEST, size - FRAME_HEADER);
	return r;
}

/* How much of the frame that comes is wanted yet: its length first. 0: it is complete; negative: it can be none. */
static int64_t wanted(const struct backend *backend)
{
	uint32_t length;
	if (backend->input_size < LENGTH)
		return LENGTH - backend->input_size;
	memcpy(&length, backend->input, LENGTH);
	length = ntohl(length);
	if (length == 0 || length > FRAME_MAX)
		return -EPIPE;
	return (int64_t)LENGTH + length - backend->input_size;
}

static ssize_t receive_stream(struct backend *backend, uint8_t *out)
{
	for (int64_t want; (want = wanted(backend)) != 0;) {
		if (want < 0)
			return -EPIPE;
		ssize_t got = recv(backend->fd, backend->input + backend->input_size, (size_t)want, MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? failure(backend) : -EPIPE;
		backend->input_size += (uint32_t)got;
	}
	ssize_t size = backend->input_size - LENGTH;
	memcpy(out, backend->input + LENGTH, (size_t)size);
	backend->input_size = 0;
	return size;
}

static ssize_t receive_message(struct backend *backend, uint8_t *out, size_t room)
{
	ssize_t got;
	do
		got = backend->kind == BACKEND_TAP ? read(backend->fd, out, room)
						   : recv(backend->fd, out, room, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		int r = failure(backend);
		return r == 0 ? -EAGAIN : r;
	}
	/* Of a datagram socket it is an empty frame, which is none. */
	if (got == 0)
		return backend->kind == BACKEND_DATAGRAMS ? -EAGAIN : -EPIPE;
	return got;
}

static ssize_t receive_frame(struct backend *backend, uint8_t *out)
{
	if (backend->has_header) {
		ssize_t got = receive_message(backend, out, FRAME_ROOM);
		return got >= 0 && got < FRAME_HEADER ? -EAGAIN : got;
	}
	memset(out, 0, FRAME_HEADER);
	ssize_t got = backend->kind == BACKEND_STREAM ? receive_stream(backend, out + FRAME_HEADER)
						      : receive_message(backend, out + FRAME_HEADER, FRAME_MAX);
	return got < 0 ? got : got + FRAME_HEADER;
}

ssize_t backend_receive(struct backend *backend, uint8_t *out)
{
	ssize_t got = receive_frame(backend, out);
	if (got >= FRAME_HEADER)
		traffic_count(&backend->traffic, TRAFFIC_TO_GUEST, (uint64_t)got - FRAME_HEADER);
	return got;
}
