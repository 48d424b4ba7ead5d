/* SPDX-License-Identifier: MIT */
#include "guest/shared_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512 };

struct shared_memory *shared_memory_new(struct guest_memory *memory, uint64_t pages)
{
	/* Never more than there can be behind it: this bounds the list too. */
	if (pages > memory->limit)
		return NULL;
	size_t blocks = (size_t)((pages + BLOCK - 1) / BLOCK);
	struct shared_memory *shared = calloc(1, sizeof(*shared) + blocks * sizeof(shared->blocks[0]));
	if (!shared)
		return NULL;
	shared->references = 1;
	shared->memory = memory;
	shared->pages = pages;
	shared->block_count = blocks;
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
	for (size_t i = 0; i < shared->block_count; i++)
		free(shared->blocks[i]);
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

/* A page in place of one that is frozen, or of none. 0 without memory. */
static uint64_t make_page(struct guest_memory *memory, uint64_t frozen)
{
	size_t pages;
	uint64_t page = memory_allocate(memory, 1, &pages);
	const void *from = frozen && page ? memory_page(memory, frozen) : NULL;
	if (from) {
		memcpy(memory_page(memory, page), from, GUEST_PAGE);
		memory_leave_frozen(memory, 1);
	}
	return page;
}

int shared_memory_page(struct shared_memory *shared, uint64_t number, uint64_t *out_page)
{
	if (number >= shared->pages)
		return -EIO;
	uint64_t **block = &shared->blocks[number / BLOCK];
	if (!*block)
		*block = calloc(BLOCK, sizeof(**block));
	if (!*block)
		return -ENOMEM;
	uint64_t *page = &(*block)[number % BLOCK], own = *page;
	if (!own || memory_is_frozen(shared->memory, own))
		own = make_page(shared->memory, own);
	if (!own || memory_share(shared->memory, own) < 0)
		return -ENOMEM;
	*out_page = *page = own;
	return 0;
}

struct shared_memory *shared_memory_copy(const struct shared_memory *shared, struct guest_memory *memory)
{
	size_t size = sizeof(*shared) + shared->block_count * sizeof(shared->blocks[0]);
	struct shared_memory *copy = calloc(1, size);
	if (!copy)
		return NULL;
	copy->references = 1;
	copy->memory = memory;
	copy->pages = shared->pages;
	copy->block_count = shared->block_count;
	for (size_t i = 0; i < shared->block_count; i++) {
		if (!shared->blocks[i])
			continue;
		copy->blocks[i] = calloc(BLOCK, sizeof(**copy->blocks));
		if (!copy->blocks[i]) {
			shared_memory_forget(copy);
			return NULL;
		}
		memcpy(copy->blocks[i], shared->blocks[i], BLOCK * sizeof(**copy->blocks));
	}
	return copy;
}
