/* SPDX-License-Identifier: MIT */
/* A driver of virtio devices, in the place of a guest: small, in memory of its own, and as bad as a test wants it. */
#ifndef TEST_DEVICE_DRIVER_H
#define TEST_DEVICE_DRIVER_H

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/device/bus.h"
#include "guest/device/loop.h"
#include "guest/device/ram.h"
#include "guest/device/virtio/mmio.h"

enum {
	DRIVER_BASE = 0xd0000000, /* of the device's registers */
	LOW_SIZE = 1 << 20,
	HIGH_BASE = 0x10000000, /* behind a hole */
	HIGH_SIZE = 1 << 20,
};

#define BIT(number) (1ULL << (number))

struct driver_queue {
	uint16_t size;
	uint64_t table, available, used; /* addresses in the guest */
	uint16_t next_descriptor, next_used;
};

struct driver {
	uint8_t *low, *high;
	struct ram ram;
	struct bus bus;
	struct loop loop;
	struct virtio *device;
	atomic_uint interrupts; /* how often the line went up */
	atomic_bool is_high;
	uint64_t next_free;
	struct driver_queue queues[VIRTIO_QUEUES_MAX];
};

/* Of a chain. */
struct part {
	uint64_t address;
	uint32_t length;
	bool is_writable;
};

void driver_open(struct driver *driver);
struct interrupt driver_interrupt(struct driver *driver);
/* The device is the driver's from now on, and started. */
void driver_take(struct driver *driver, struct virtio *device);
void driver_close(struct driver *driver);

uint32_t driver_get(struct driver *driver, unsigned offset);
void driver_set(struct driver *driver, unsigned offset, uint32_t value);
uint64_t driver_features(struct driver *driver);

/* Up to FEATURES_OK; whether the device took it. VIRTIO_F_VERSION_1 is added. */
bool driver_negotiate(struct driver *driver, uint64_t features);
void driver_add_queue(struct driver *driver, unsigned index, uint16_t size);
void driver_go(struct driver *driver);
/* All of that, with queues 0 to `count` of 16 descriptors. */
void driver_begin(struct driver *driver, uint64_t features, unsigned count);

/* Room in the guest's memory, from the lower half, and where the host has it. */
uint64_t driver_room(struct driver *driver, uint64_t size);
void *driver_at(struct driver *driver, uint64_t address);
uint64_t driver_put(struct driver *driver, const void *data, uint64_t size);

void driver_descriptor(struct driver *driver, unsigned queue, uint16_t index, uint64_t address, uint32_t length,
		       uint16_t flags, uint16_t next);
void driver_make_available(struct driver *driver, unsigned queue, uint16_t head);
/* Makes a chain available; its head. */
uint16_t driver_add(struct driver *driver, unsigned queue, const struct part *parts, unsigned count);
void driver_kick(struct driver *driver, unsigned queue);
/* The next used chain, within five seconds in which the loop runs; false where none comes, -1 for no time at all. */
bool driver_wait(struct driver *driver, unsigned queue, uint16_t *out_head, uint32_t *out_length);
bool driver_is_used(struct driver *driver, unsigned queue);
/* Add, kick, wait: how many bytes the device wrote. */
uint32_t driver_do(struct driver *driver, unsigned queue, const struct part *parts, unsigned count);
void driver_run_loop(struct driver *driver);

#endif
