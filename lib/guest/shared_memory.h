/* SPDX-License-Identifier: MIT */
/* Memory that processes share for writing: what mmap(2) makes with MAP_SHARED and without a file. */
#ifndef GUEST_SHARED_MEMORY_H
#define GUEST_SHARED_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "guest/memory.h"

struct shared_memory {
	unsigned references; /* a guest is served by one thread at a time */
	struct guest_memory *memory;
	uint64_t pages;
	size_t block_count;
	uint64_t *blocks[]; /* of guest-physical addresses, 0 for a page not touched yet; NULL where none was */
};

/* The lists count as kept for the guest (memory_keep()). NULL without memory; `memory` is NULL in a snapshot. */
struct shared_memory *shared_memory_new(struct guest_memory *memory, uint64_t pages);

/* Both take NULL. */
struct shared_memory *shared_memory_ref(struct shared_memory *shared);
struct shared_memory *shared_memory_unref(struct shared_memory *shared);

/* The same pages for a clone, whose memory this is: those are frozen. NULL without memory. */
struct shared_memory *shared_memory_copy(const struct shared_memory *shared, struct guest_memory *memory);

/* Replaces a page that is frozen by a copy. 0 with the copy and one more owner, the caller; or -ENOMEM. */
int shared_memory_own(struct shared_memory *shared, uint64_t number, uint64_t *out_page);

/* In a forked child of the host: frees the host's memory only. Takes NULL. */
void shared_memory_forget(struct shared_memory *shared);

/*
 * The page of this number, with one more owner: the caller. 0 or a negative errno: -EIO beyond the end, -ENOMEM. It is
 * made where nobody has touched it yet.
 */
int shared_memory_page(struct shared_memory *shared, uint64_t number, uint64_t *out_page);

#endif
