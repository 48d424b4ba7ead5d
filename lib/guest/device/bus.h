/* SPDX-License-Identifier: MIT */
/*
 * What lies at the ports and at the physical addresses of a kernel guest: each device has its ranges. A bus is filled
 * before the guest runs and is not changed afterwards, so that all processors may use it without a lock; a device has a
 * lock of its own where it needs one. Whatever comes over a bus is the guest's and hostile, also the width of an
 * access.
 */
#ifndef GUEST_DEVICE_BUS_H
#define GUEST_DEVICE_BUS_H

#include <stdbool.h>
#include <stdint.h>

enum { BUS_RANGES_MAX = 96, BUS_ACCESS_MAX = 8 };

/* Of a range: `offset` counts from its begin; offset + size never leaves it, and size is 1 to BUS_ACCESS_MAX. */
struct bus_ops {
	/* Fills in all `size` bytes, which are ones before; NULL: they stay so, as where nothing answers. */
	void (*read)(void *device, uint64_t offset, void *data, unsigned size);
	/* NULL: nothing happens. */
	void (*write)(void *device, uint64_t offset, const void *data, unsigned size);
};

struct bus_range {
	uint64_t base;
	uint64_t size;
	const struct bus_ops *ops;
	void *device;
};

struct bus {
	struct bus_range ranges[BUS_RANGES_MAX]; /* by base, without overlap */
	int count;
};

/* Puts a device there. False where the bus is full, or something is there. */
bool bus_add(struct bus *bus, uint64_t base, uint64_t size, const struct bus_ops *ops, void *device);

/* An access by the guest. Where no range has it whole, a read gives ones and a write does nothing. */
void bus_read(const struct bus *bus, uint64_t address, void *data, unsigned size);
void bus_write(const struct bus *bus, uint64_t address, const void *data, unsigned size);

/* For devices: a little-endian number of 1 to 8 bytes, and back. */
uint64_t bus_get(const void *data, unsigned size);
void bus_put(void *data, unsigned size, uint64_t value);

#endif
