/* SPDX-License-Identifier: MIT */
/* A source of random bytes (virtio 1.2, 5.4): the host kernel's. */
#ifndef GUEST_DEVICE_VIRTIO_RNG_H
#define GUEST_DEVICE_VIRTIO_RNG_H

#include "guest/device/virtio/virtio.h"

/* 0 or a negative errno. */
int virtio_rng_new(const struct ram *ram, struct interrupt interrupt, struct loop *loop, struct virtio **out);

#endif
