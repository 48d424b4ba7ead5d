/* SPDX-License-Identifier: MIT */
/* The virtio devices in a computer. */
#ifndef GUEST_KERNEL_VIRTIO_H
#define GUEST_KERNEL_VIRTIO_H

#include "guest/kernel/device_settings.h"
#include "guest/kernel/machine.h"
#include "guest/kernel/tools.h"

/*
 * All that were asked for, what the guest tools need, and a source of random bytes. To each shared directory so many
 * bytes may be written, or any for 0. 0 or a negative errno with the error set.
 */
int virtio_add_devices(struct machine *machine, const struct device_settings *settings, const struct tools *tools,
		       uint64_t written_max);

#endif
