/* SPDX-License-Identifier: MIT */
/* What is behind a network interface of a guest: something that takes and gives frames, and never blocks. */
#ifndef GUEST_DEVICE_VIRTIO_BACKEND_H
#define GUEST_DEVICE_VIRTIO_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "guest/device/traffic.h"

enum {
	FRAME_HEADER = 12,          /* struct virtio_net_hdr_v1, before each frame */
	FRAME_MAX = 65535 + 14 + 4, /* with Ethernet's header and a VLAN tag */
	FRAME_ROOM = FRAME_HEADER + FRAME_MAX,
};

enum backend_kind { BACKEND_TAP, BACKEND_STREAM, BACKEND_MESSAGES, BACKEND_DATAGRAMS };

struct backend {
	int fd; /* -1 from its end on */
	enum backend_kind kind;
	bool has_header; /* a tap that speaks virtio's own header */
	/* Of a stream: what of a frame is still to be sent, and what of one has come. */
	uint8_t *output, *input;
	uint32_t output_begin, output_size, input_size;
	struct traffic traffic; /* frames without their headers */
};

/* Whether it is of a kind that can be a backend. */
bool backend_is_fd(int fd);

/* The fd is taken over, also on failure. 0 or a negative errno, with nothing to release then. */
int backend_init(struct backend *backend, int fd);
void backend_release(struct backend *backend);

/*
 * A frame behind its header, as the guest has them in memory: `size` bytes altogether, FRAME_HEADER to FRAME_ROOM. 0 it
 * was sent, or could not be and is lost; -EAGAIN there is no room now; -EPIPE the other end is gone.
 */
int backend_send(struct backend *backend, const struct iovec *parts, unsigned count, uint32_t size);

/* The rest of a frame that a stream took in part. 0, -EAGAIN, -EPIPE. */
int backend_flush(struct backend *backend);

/*
 * The next frame behind its header, into FRAME_ROOM bytes. Its size; -EAGAIN there is none now; -EPIPE the other end is
 * gone, or speaks something else.
 */
ssize_t backend_receive(struct backend *backend, uint8_t *out);

#endif
