/* SPDX-License-Identifier: MIT */
/* The registers of a virtio device in the guest's physical memory (virtio 1.2, 4.2), version 2, without the legacy one.
 */
#ifndef GUEST_DEVICE_VIRTIO_MMIO_H
#define GUEST_DEVICE_VIRTIO_MMIO_H

#include "guest/device/bus.h"
#include "guest/device/virtio/virtio.h"

enum {
	MMIO_SIZE = 0x1000,
	MMIO_QUEUE_NOTIFY = 0x50, /* 4 bytes, the value is the queue's number: for KVM_IOEVENTFD */
};

/* For bus_add(); the device is the struct virtio. */
extern const struct bus_ops virtio_mmio_ops;

#endif
