/* SPDX-License-Identifier: MIT */
/*
 * How many owners each page of a guest's memory has: entries of page tables, mostly. A page has one owner when it is
 * handed out; only further ones are counted, in blocks that are there for the parts of the memory that have any.
 */
#ifndef GUEST_MEMORY_OWNERS_H
#define GUEST_MEMORY_OWNERS_H

#include <stddef.h>
#include <stdint.h>

struct page_owners {
	uint32_t **blocks; /* NULL where no page of the block has further owners */
	size_t count;
	uint64_t shared; /* pages that have further owners */
};

/* Counts one more owner of a page. 0 or -ENOMEM. */
int owners_add(struct page_owners *owners, uint64_t page);

/* Takes a further owner away; 0 where there was one, -ENOENT where the page had its first owner alone. */
int owners_remove(struct page_owners *owners, uint64_t page);

uint32_t owners_further(const struct page_owners *owners, uint64_t page);

void owners_release(struct page_owners *owners);

#endif
