/* SPDX-License-Identifier: MIT */
/*
 * What was written to a disk that keeps nothing: its blocks, in memory. Beneath them may be those of a snapshot, which
 * are nobody's to change. Whoever calls holds the lock.
 */
#ifndef GUEST_DEVICE_OVERLAY_H
#define GUEST_DEVICE_OVERLAY_H

#include <stdint.h>

#include "guest/device/state.h"

enum { OVERLAY_BLOCK = 4096, OVERLAY_LEAF = 512 };

/* Blocks with ascending numbers, of 8 bytes each: both as they lie in a struct state_writer. */
struct overlay_base {
	const uint8_t *numbers, *blocks;
	uint64_t count;
};

struct overlay {
	uint8_t ***leaves; /* of OVERLAY_LEAF blocks each; NULL where nothing was written */
	uint64_t leaf_count;
	uint64_t used; /* bytes of blocks that were written, those beneath too */
	uint64_t used_max;
	struct overlay_base base; /* borrowed */
};

/* For a disk of that size. 0 or -ENOMEM. */
int overlay_init(struct overlay *overlay, uint64_t size, uint64_t used_max);
void overlay_release(struct overlay *overlay);

/* The block with that number (offset / OVERLAY_BLOCK); NULL where it was not written. */
const uint8_t *overlay_find(const struct overlay *overlay, uint64_t number);

/* One that can be written; `*out_is_new`: with undefined contents. 0, -ENOMEM or -ENOSPC. */
int overlay_make(struct overlay *overlay, uint64_t number, uint8_t **out_block, bool *out_is_new);

/* All blocks; and what was saved beneath those of a disk of that size, to which nothing was written. The bytes stay
 * where they are for as long as the overlay is there. False where they cannot be that. */
void overlay_save(const struct overlay *overlay, struct state_writer *out);
bool overlay_load(struct overlay *overlay, uint64_t size, struct state_reader *in);

#endif
