/* SPDX-License-Identifier: MIT */
/*
 * The physical memory of a kernel guest, as its devices reach it. The guest changes it at any time: whoever decides
 * something by what stands there copies it first, and looks at the copy alone.
 */
#ifndef GUEST_DEVICE_RAM_H
#define GUEST_DEVICE_RAM_H

#include <stdbool.h>
#include <stdint.h>

enum { RAM_REGIONS_MAX = 4 };

struct ram_region {
	uint64_t base;
	uint64_t size;
	uint8_t *host;
};

struct ram {
	struct ram_region regions[RAM_REGIONS_MAX]; /* by base, with holes between them */
	int count;
	/* In a hole: shared with the host, and no memory of the guest's. Nothing where the size is 0. */
	uint64_t reserved, reserved_size;
};

/* The host's address of `size` bytes; NULL where not all of them are in one region. No bytes are anywhere: not NULL. */
void *ram_at(const struct ram *ram, uint64_t address, uint64_t size);

/* Copies; false where not all of it is memory (then nothing was copied). May cross from one region to the next. */
bool ram_read(const struct ram *ram, uint64_t address, void *data, uint64_t size);
bool ram_write(const struct ram *ram, uint64_t address, const void *data, uint64_t size);

#endif
