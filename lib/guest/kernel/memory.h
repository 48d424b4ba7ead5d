/* SPDX-License-Identifier: MIT */
/* The memory of a computer, with the holes that a PC has. */
#ifndef GUEST_KERNEL_MEMORY_H
#define GUEST_KERNEL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/device/ram.h"

/* Where memory of that size lies. `host` is the address of its first byte; NULL where none is there yet. */
void memory_lay_out(struct ram *ram, uint64_t size, uint8_t *host);

/* The host's memory for it: nothing is taken before it is touched. NULL with errno. And back. */
uint8_t *memory_map(uint64_t size);
void memory_unmap(uint8_t *host, uint64_t size);

/* How much of it the host has in its memory now, without what a clone has in common with others; -1 where that cannot
 * be found out. */
int64_t memory_resident(const uint8_t *host, uint64_t size, bool is_clone);

#endif
