/* SPDX-License-Identifier: MIT */
/*
 * The pages that main shares with its workers, many in one mapping: each fork copies the list of mappings, of main, of
 * a worker, of an init, and thousands of workers would make every start dearer than the one before.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "launcher.h"

enum { SLOT_SIZE = (sizeof(struct start_page) + 4095) / 4096 * 4096, SLOTS = 64 };

/* One mapping. */
struct block {
	struct block *next;
	char *slots;
	int taken;
};

static struct block *blocks;
static struct start_page *free_pages[WORKERS_MAX + SLOTS];
static int free_count;

static bool add_block(void)
{
	struct block *block = malloc(sizeof(*block));
	char *slots =
		block ? mmap(NULL, (size_t)SLOTS * SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
		      : MAP_FAILED;
	if (slots == MAP_FAILED) {
		free(block);
		return false;
	}
	*block = (struct block){.next = blocks, .slots = slots};
	blocks = block;
	for (int i = SLOTS - 1; i >= 0; i--)
		free_pages[free_count++] = (struct start_page *)(slots + (size_t)i * SLOT_SIZE);
	return true;
}

static struct block *block_of(const struct start_page *page)
{
	struct block *block = blocks;
	while ((const char *)page < block->slots || (const char *)page >= block->slots + (size_t)SLOTS * SLOT_SIZE)
		block = block->next;
	return block;
}

struct start_page *page_take(void)
{
	if (free_count == 0 && !add_block())
		return NULL;
	struct start_page *page = free_pages[--free_count];
	block_of(page)->taken++;
	return page;
}

void page_give_back(struct start_page *page)
{
	struct block *block = block_of(page);
	memset(page, 0, sizeof(*page));
	free_pages[free_count++] = page;
	/* The memory of many at once: the kernel looks for each piece in every worker that there is
	 * (unmap_mapping_range() in mm/memory.c), so that the end of thousands would take ever longer. */
	if (--block->taken == 0)
		madvise(block->slots, (size_t)SLOTS * SLOT_SIZE, MADV_REMOVE);
}
