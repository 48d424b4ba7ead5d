/* SPDX-License-Identifier: MIT */
/*
 * The pages that main shares with its workers, many in one mapping: each fork copies the list of mappings, of main, of
 * a worker, of an init, and thousands of workers would make every start dearer than the one before.
 */
#include <string.h>
#include <sys/mman.h>

#include "launcher.h"

enum { SLOT_SIZE = (sizeof(struct start_page) + 4095) / 4096 * 4096, SLOTS = 64 };

static struct start_page *free_pages[WORKERS_MAX + SLOTS];
static int free_count;

static bool add_slots(void)
{
	char *slots = mmap(NULL, (size_t)SLOTS * SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (slots == MAP_FAILED)
		return false;
	for (int i = SLOTS - 1; i >= 0; i--)
		free_pages[free_count++] = (struct start_page *)(slots + (size_t)i * SLOT_SIZE);
	return true;
}

struct start_page *page_take(void)
{
	return free_count == 0 && !add_slots() ? NULL : free_pages[--free_count];
}

void page_give_back(struct start_page *page)
{
	/* The memory goes back, and zeros take its place; where a page is larger than we think, we make them. */
	if (madvise(page, SLOT_SIZE, MADV_REMOVE) < 0)
		memset(page, 0, sizeof(*page));
	free_pages[free_count++] = page;
}
