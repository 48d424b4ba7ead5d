/* SPDX-License-Identifier: MIT */
/* Adjacent guest pages that are collected so that the host's memory is changed once for all of them. */
#ifndef GUEST_MEMORY_PAGE_RUN_H
#define GUEST_MEMORY_PAGE_RUN_H

#include "guest/memory/memory.h"

struct page_run {
	struct guest_memory *memory;
	void (*apply)(struct guest_memory *memory, uint64_t address, size_t pages);
	uint64_t first;
	size_t pages;
};

static inline void run_apply(struct page_run *run)
{
	if (run->pages)
		run->apply(run->memory, run->first, run->pages);
	run->pages = 0;
}

static inline void run_add(struct page_run *run, uint64_t page)
{
	if (run->pages && page == run->first + run->pages * GUEST_PAGE) {
		run->pages++;
		return;
	}
	run_apply(run);
	run->first = page;
	run->pages = 1;
}

#endif
