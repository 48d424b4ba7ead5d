/* SPDX-License-Identifier: MIT */
/*
 * A disk (virtio 1.2, 5.2). Threads of its own serve its requests, since files block, several at a time where the
 * host's disk is slow. Not io_uring: what is in the host's cache it copies no faster than preadv(2), it is switched off
 * on many hosts (kernel.io_uring_disabled), and contained guests have no such system calls.
 */
#ifndef GUEST_DEVICE_VIRTIO_BLOCK_H
#define GUEST_DEVICE_VIRTIO_BLOCK_H

#include "guest/device/disk.h"
#include "guest/device/throttle.h"
#include "guest/device/virtio/virtio.h"

enum { BLOCK_ID_MAX = 20 };

/*
 * `rates` are those of all requests. `id` is what the guest finds as its serial number, of which BLOCK_ID_MAX bytes
 * count. The disk is the device's from now on, also on failure. 0 or a negative errno.
 */
int virtio_block_new(const struct ram *ram, struct interrupt interrupt, struct disk *disk, const char *id,
		     const struct rate rates[THROTTLE_KINDS], struct virtio **out);

#endif
