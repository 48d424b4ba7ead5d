/* SPDX-License-Identifier: MIT */
/* What was written to a disk that keeps nothing: its blocks, in memory. Whoever calls holds the lock. */
#ifndef GUEST_DEVICE_OVERLAY_H
#define GUEST_DEVICE_OVERLAY_H

#include <stdint.h>

enum { OVERLAY_BLOCK = 4096, OVERLAY_LEAF = 512 };

struct overlay {
	uint8_t ***leaves; /* of OVERLAY_LEAF blocks each; NULL where nothing was written */
	uint64_t leaf_count;
	uint64_t used; /* bytes of blocks */
	uint64_t used_max;
};

/* For a disk of that size. 0 or -ENOMEM. */
int overlay_init(struct overlay *overlay, uint64_t size, uint64_t used_max);
void overlay_release(struct overlay *overlay);

/* The block with that number (offset / OVERLAY_BLOCK); NULL where it was not written. */
uint8_t *overlay_find(const struct overlay *overlay, uint64_t number);

/* The same, made where it is not there, with undefined contents. 0, -ENOMEM or -ENOSPC. */
int overlay_make(struct overlay *overlay, uint64_t number, uint8_t **out_block);

#endif
