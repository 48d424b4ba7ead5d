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

int shared_memory_page(struct shared_memory *shared, uint64_t number, uint64_t *out_page)
{
	if (number >= shared->pages)
		return -EIO;
	uint64_t **block = &shared->blocks[number / BLOCK];
	if (!*block)
		*block = calloc(BLOCK, sizeof(**block));
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
