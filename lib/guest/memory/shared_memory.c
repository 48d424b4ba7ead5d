/* SPDX-License-Identifier: MIT */
#include "guest/memory/shared_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, BLOCK_SIZE = BLOCK * sizeof(struct shared_page) };

/* Makes room for `count` blocks. 0 or -ENOMEM. */
static int reserve(struct shared_memory *shared, size_t count)
{
	size_t more = count > shared->block_count ? count - shared->block_count : 0;
	if (more == 0)
		return 0;
	if (memory_keep(shared->memory, more * sizeof(*shared->blocks)) < 0)
		return -ENOMEM;
	struct shared_page **blocks = reallocarray(shared->blocks, count, sizeof(*blocks));
	if (!blocks) {
		memory_unkeep(shared->memory, more * sizeof(*blocks));
		return -ENOMEM;
	}
	memset(blocks + shared->block_count, 0, more * sizeof(*blocks));
	shared->blocks = blocks;
	shared->block_count = count;
	return 0;
}

struct shared_memory *shared_memory_new(struct guest_memory *memory, uint64_t pages)
{
	/* Never more than there can be behind it: this bounds the list too. */
	if ((memory && pages > memory->limit) || memory_keep(memory, sizeof(struct shared_memory)) < 0)
		return NULL;
	struct shared_memory *shared = calloc(1, sizeof(*shared));
	if (!shared) {
		memory_unkeep(memory, sizeof(*shared));
		return NULL;
	}
	shared->references = 1;
	shared->memory = memory;
	shared->pages = pages;
	if (reserve(shared, (size_t)((pages + BLOCK - 1) / BLOCK)) < 0) {
		shared_memory_forget(shared);
		return NULL;
	}
	return shared;
}

struct shared_memory *shared_memory_ref(struct shared_memory *shared)
{
	if (shared)
		shared->references++;
	return shared;
}

void shared_memory_forget(struct shared_memory *shared)
{
	if (!shared || --shared->references > 0)
		return;
	for (size_t i = 0; i < shared->block_count; i++) {
		if (shared->blocks[i])
			memory_unkeep(shared->memory, BLOCK_SIZE);
		free(shared->blocks[i]);
	}
	memory_unkeep(shared->memory, sizeof(*shared) + shared->block_count * sizeof(*shared->blocks));
	free(shared->blocks);
	free(shared);
}

struct shared_memory *shared_memory_unref(struct shared_memory *shared)
{
	if (!shared)
		return NULL;
	if (shared->references == 1) {
		if (shared->file)
			mapped_close(shared);
		shared_memory_drop(shared, 0);
	}
	shared_memory_forget(shared);
	return NULL;
}

struct shared_page *shared_memory_next(struct shared_memory *shared, uint64_t *number)
{
	for (uint64_t at = *number; at / BLOCK < shared->block_count; at++) {
		struct shared_page *block = shared->blocks[at / BLOCK];
		if (!block) {
			at |= BLOCK - 1;
			continue;
		}
		if (!block[at % BLOCK].address)
			continue;
		*number = at;
		return &block[at % BLOCK];
	}
	return NULL;
}

void shared_memory_drop(struct shared_memory *shared, uint64_t first)
{
	struct shared_page *page;
	for (uint64_t number = first; (page = shared_memory_next(shared, &number)); number++) {
		memory_free(shared->memory, page->address, 1);
		page->address = 0;
	}
}

/* The entry of a page, in a block that is there. NULL without memory. */
static struct shared_page *find(struct shared_memory *shared, uint64_t number)
{
	if (reserve(shared, (size_t)(number / BLOCK + 1)) < 0)
		return NULL;
	struct shared_page **block = &shared->blocks[number / BLOCK];
	if (!*block && memory_keep(shared->memory, BLOCK_SIZE) == 0) {
		*block = calloc(1, BLOCK_SIZE);
		if (!*block)
			memory_unkeep(shared->memory, BLOCK_SIZE);
	}
	return *block ? &(*block)[number % BLOCK] : NULL;
}

int shared_memory_put(struct shared_memory *shared, uint64_t number, uint64_t page)
{
	struct shared_page *place = find(shared, number);
	if (!place)
		return -ENOMEM;
	place->address = page;
	return 0;
}

static int make(struct shared_memory *shared, uint64_t number, struct shared_page *page)
{
	size_t pages;
	page->address = memory_allocate(shared->memory, 1, &pages);
	if (!page->address)
		return -ENOMEM;
	int r = shared->file ? mapped_fill(shared, number, page) : 0;
	if (r < 0) {
		memory_free(shared->memory, page->address, 1);
		page->address = 0;
	}
	return r;
}

/* A page of the clone's own in place of a frozen one. 0 or -ENOMEM. */
static int unfreeze(struct shared_memory *shared, struct shared_page *page)
{
	size_t pages;
	const void *from = memory_page(shared->memory, page->address);
	uint64_t own = from ? memory_allocate(shared->memory, 1, &pages) : 0;
	if (!own)
		return -ENOMEM;
	memcpy(memory_page(shared->memory, own), from, GUEST_PAGE);
	memory_leave_frozen(shared->memory, 1);
	page->address = own;
	return 0;
}

int shared_memory_page(struct shared_memory *shared, uint64_t number, uint64_t *out_page)
{
	if (number >= (shared->file ? mapped_pages(shared) : shared->pages))
		return -EIO;
	struct shared_page *page = find(shared, number);
	if (!page)
		return -ENOMEM;
	int r = 0;
	if (!page->address)
		r = make(shared, number, page);
	else if (memory_is_frozen(shared->memory, page->address))
		r = unfreeze(shared, page);
	if (r < 0)
		return r;
	if (memory_share(shared->memory, page->address) < 0)
		return -ENOMEM;
	*out_page = page->address;
	return 0;
}

struct shared_memory *shared_memory_copy(const struct shared_memory *shared, struct guest_memory *memory)
{
	struct shared_memory *copy = shared_memory_new(memory, shared->pages);
	for (size_t i = 0; copy && i < shared->block_count; i++) {
		if (!shared->blocks[i])
			continue;
		struct shared_page *block = find(copy, i * BLOCK);
		if (!block) {
			shared_memory_forget(copy);
			return NULL;
		}
		memcpy(block, shared->blocks[i], BLOCK_SIZE);
	}
	return copy;
}
