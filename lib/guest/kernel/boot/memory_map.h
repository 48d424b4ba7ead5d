/* SPDX-License-Identifier: MIT */
/* What an operating system is told of its memory, in whatever form its boot protocol has. */
#ifndef GUEST_KERNEL_BOOT_MEMORY_MAP_H
#define GUEST_KERNEL_BOOT_MEMORY_MAP_H

#include "guest/device/ram.h"

enum { MEMORY_MAP_MAX = 8 };

/* As INT 15h, E820h has them (ACPI 6.5, 15.1). */
enum memory_type { MEMORY_USABLE = 1, MEMORY_RESERVED = 2 };

struct memory_range {
	uint64_t base;
	uint64_t size;
	enum memory_type type;
};

/* How many there are, in ascending order. */
int memory_map_list(const struct ram *ram, struct memory_range out[MEMORY_MAP_MAX]);

#endif
