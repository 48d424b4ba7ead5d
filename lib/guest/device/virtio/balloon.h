/* SPDX-License-Identifier: MIT */
/*
 * Memory that the guest gives back to the host (virtio 1.2, 5.5): what it puts into the balloon when it is asked to,
 * and what it reports as free by itself. The host's pages are dropped at once, and are zeroes when they come back; in
 * a clone, what they were when the snapshot was made.
 */
#ifndef GUEST_DEVICE_VIRTIO_BALLOON_H
#define GUEST_DEVICE_VIRTIO_BALLOON_H

#include "guest/device/virtio/virtio.h"

enum { BALLOON_PAGE = 4096, BALLOON_STATISTICS = 10 /* tags of VIRTIO_BALLOON_S_*, from 0 on */ };

/* The memory is private and anonymous. 0 or a negative errno. */
int virtio_balloon_new(const struct ram *ram, struct interrupt interrupt, struct loop *loop, struct virtio **out);

/* From any thread. How many pages the guest is to give; how many it says to have given. */
void virtio_balloon_set(struct virtio *virtio, uint32_t pages);
uint32_t virtio_balloon_actual(struct virtio *virtio);

/* What the guest has said last; and it is asked to say it anew. False where it never has. */
bool virtio_balloon_statistic(struct virtio *virtio, unsigned tag, uint64_t *out_value);

#endif
