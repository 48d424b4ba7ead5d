/* SPDX-License-Identifier: MIT */
#include "guest/shared_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, BLOCK_SIZE = BLOCK * sizeof(uint64_t) };

static size_t size_of(size_t blocks)
{
	return sizeof(struct shared_memory) + blocks * sizeof(uint64_t *);
}

struct shared_memory *shared_memory_new(struct guest_memory *memory, uint64_t pages)
{
	/* Never more than there can be behind it: this bounds the list too. */
	if (memory && pages > memory->limit)
		return NULL;
	size_t blocks = (size_t)((pages + BLOCK - 1) / BLOCK);
	if (memory_keep(memory, size_of(blocks)) < 0)
		return NULL;
	struct shared_memory *shared = calloc(1, size_of(blocks));
	if (!shared) {
		memory_unkeep(memory, size_of(blocks));
		return NULL;
	}
	shared->references = 1;
	shared->memory = memory;
	shared->pages = pages;
	shared->block_count = blocks;
	return shared;
}

static uint64_t *new_block(struct guest_memory *memory)
{
	if (memory_keep(memory, BLOCK_SIZE) < 0)
		return NULL;
	uint64_t *block = calloc(1, BLOCK_SIZE);
	if (!block)
		memory_unkeep(memory, BLOCK_SIZE);
	return block;
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
	memory_unkeep(shared->memory, size_of(shared->block_count));
	free(shared);
}

struct shared_memory *shared_memory_unref(struct shared_memory *shared)
{
	if (!shared)
		return NULL;
	for (size_t i = 0; shared->references == 1 && i < shared->block_count; i++)
		for (size_t j = 0; shared->blocks[i] && j < BLOCK; j++)
			if (shared->blocks[i][j])
				memory_free(shared->memory, shared->blocks[i][j], 1);
	shared_memory_forget(shared);
	return NULL;
}

int shared_memory_page(struct shared_memory *shared, uint64_t number, uint64_t *out_page)
{
	if (number >= shared->pages)
		return -EIO;
	uint64_t **block = &shared->blocks[number / BLOCK];
	if (!*block)
		*block = new_block(shared->memory);
	if (!*block)
		return -ENOMEM;
	uint64_t *page = &(*block)[number % BLOCK];
	size_t pages;
	if (!*page)
		*page = memory_allocate(shared->memory, 1, &pages);
	if (!*page || memory_share(shared->memory, *page) < 0)
		return -ENOMEM;
	*out_page = *page;
	return 0;
}

struct shared_memory *shared_memory_copy(const struct shared_memory *shared, struct guest_memory *memory)
{
	struct shared_memory *copy = shared_memory_new(memory, shared->pages);
	for (size_t i = 0; copy && i < shared->block_count; i++) {
		if (!shared->blocks[i])
			continue;
		copy->blocks[i] = new_block(memory);
		if (!copy->blocks[i]) {
			shared_memory_forget(copy);
			return NULL;
		}
		memcpy(copy->blocks[i], shared->blocks[i], BLOCK_SIZE);
	}
	return copy;
}

int shared_memory_own(struct shared_memory *shared, uint64_t number, uint64_t *out_page)
{
	uint64_t *page = number < shared->pages ? &shared->blocks[number / BLOCK][number % BLOCK] : NULL;
	if (!page || !memory_is_frozen(shared->memory, *page))
		return page ? shared_memory_page(shared, number, out_page) : -ENOMEM;
	size_t pages;
	const void *from = memory_page(shared->memory, *page);
	uint64_t own = from ? memory_allocate(shared->memory, 1, &pages) : 0;
	if (!own || memory_share(shared->memory, own) < 0)
		return -ENOMEM;
	memcpy(memory_page(shared->memory, own), from, GUEST_PAGE);
	*page = *out_page = own;
	return 0;
}
