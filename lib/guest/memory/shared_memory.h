/* SPDX-License-Identifier: MIT */
/* Memory that processes share for writing: what mmap(2) makes with MAP_SHARED, without a file or of one. */
#ifndef GUEST_MEMORY_SHARED_MEMORY_H
#define GUEST_MEMORY_SHARED_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "guest/files/mapped.h"
#include "guest/memory/memory.h"

struct shared_page {
	uint64_t address; /* guest-physical; 0 for one not touched yet */
	uint64_t sum;     /* of a file: the checksum of what the file has there */
};

struct shared_memory {
	unsigned references; /* a guest is served by one thread at a time */
	struct guest_memory *memory;
	uint64_t pages; /* where it is not of a file: that changes its size */
	size_t block_count;
	struct shared_page **blocks; /* NULL where no page was touched */

	/* Of a file, see files/mapped.c. */
	struct file *file; /* owned reference; NULL where it is of none */
	struct mapped_key key;
	struct shared_memory *next; /* of the view's */
	bool is_written;            /* somebody may write to it; `file` is open for writing */
	uint64_t looked_at;         /* whether anything was written: in this turn of the view, and with this result */
	int error;
};

/*
 * The lists count as kept for the guest (memory_keep()). NULL without memory; `memory` is NULL in a snapshot. Of a file
 * it begins with 0 pages.
 */
struct shared_memory *shared_memory_new(struct guest_memory *memory, uint64_t pages);

/* Both take NULL. */
struct shared_memory *shared_memory_ref(struct shared_memory *shared);
struct shared_memory *shared_memory_unref(struct shared_memory *shared);

/* The same pages for a clone, whose memory this is: those are frozen. NULL without memory. */
struct shared_memory *shared_memory_copy(const struct shared_memory *shared, struct guest_memory *memory);

/* In a forked child of the host: frees the host's memory only. Takes NULL. */
void shared_memory_forget(struct shared_memory *shared);

/*
 * The page of this number, with one more owner: the caller. 0 or a negative errno: -EIO beyond the end or where the
 * file cannot be read, -ENOMEM. It is made where nobody has touched it yet; in a clone from the frozen one, so that all
 * processes have the same.
 */
int shared_memory_page(struct shared_memory *shared, uint64_t number, uint64_t *out_page);

/* The first page from `*number` on that is there, and its number; NULL where there is none. */
struct shared_page *shared_memory_next(struct shared_memory *shared, uint64_t *number);

/* In a snapshot, which owns no page: puts one in its place. 0 or -ENOMEM. */
int shared_memory_put(struct shared_memory *shared, uint64_t number, uint64_t page);

/* Gives the pages from this one on back. */
void shared_memory_drop(struct shared_memory *shared, uint64_t first);

#endif
