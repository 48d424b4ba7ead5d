/* SPDX-License-Identifier: MIT */
#include "guest/memory/owners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512 };

static uint32_t *find(const struct page_owners *owners, uint64_t page)
{
	uint64_t block = page / BLOCK;
	return block < owners->count && owners->blocks[block] ? &owners->blocks[block][page % BLOCK] : NULL;
}

static int grow(struct page_owners *owners, uint64_t block)
{
	if (block >= owners->count) {
		size_t count = 2 * block + 1;
		uint32_t **blocks = reallocarray(owners->blocks, count, sizeof(*blocks));
		if (!blocks)
			return -ENOMEM;
		memset(blocks + owners->count, 0, (count - owners->count) * sizeof(*blocks));
		owners->blocks = blocks;
		owners->count = count;
	}
	if (!owners->blocks[block])
		owners->blocks[block] = calloc(BLOCK, sizeof(uint32_t));
	return owners->blocks[block] ? 0 : -ENOMEM;
}

int owners_add(struct page_owners *owners, uint64_t page)
{
	uint32_t *further = find(owners, page);
	if (!further && grow(owners, page / BLOCK) < 0)
		return -ENOMEM;
	further = find(owners, page);
	if (*further == UINT32_MAX)
		return -ENOMEM;
	if ((*further)++ == 0)
		owners->shared++;
	return 0;
}

int owners_remove(struct page_owners *owners, uint64_t page)
{
	uint32_t *further = owners->shared ? find(owners, page) : NULL;
	if (!further || *further == 0)
		return -ENOENT;
	if (--*further == 0)
		owners->shared--;
	return 0;
}

uint32_t owners_further(const struct page_owners *owners, uint64_t page)
{
	const uint32_t *further = owners->shared ? find(owners, page) : NULL;
	return further ? *further : 0;
}

void owners_release(struct page_owners *owners)
{
	for (size_t i = 0; i < owners->count; i++)
		free(owners->blocks[i]);
	free(owners->blocks);
	*owners = (struct page_owners){0};
}
