/* SPDX-License-Identifier: MIT */
#include "guest/files/contents.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, PAGE_BITS = 12, SLOT_BITS = 9, SLOTS = 1 << SLOT_BITS };

/* Frozen trees share pages between guests that run in threads of their own. */
struct page {
	atomic_uint references;
	uint8_t data[PAGE];
};

struct table {
	void *slots[SLOTS];
};

int memory_quota_take(struct memory_quota *quota, uint64_t size)
{
	if (quota->used > quota->max || size > quota->max - quota->used)
		return -ENOSPC;
	quota->used += size;
	return 0;
}

void memory_quota_give(struct memory_quota *quota, uint64_t size)
{
	if (quota)
		quota->used -= size < quota->used ? size : quota->used;
}

/* How many pages a tree of this height has. */
static uint64_t pages_of(unsigned height)
{
	return 1ull << (height * SLOT_BITS);
}

static void *take(struct memory_quota *quota, size_t size, int *error)
{
	void *memory = NULL;
	*error = memory_quota_take(quota, PAGE);
	if (*error < 0)
		return NULL;
	memory = calloc(1, size);
	if (!memory) {
		memory_quota_give(quota, PAGE);
		*error = -ENOMEM;
	}
	return memory;
}

static void drop_page(struct page *page, struct memory_quota *quota)
{
	memory_quota_give(quota, PAGE);
	if (atomic_fetch_sub(&page->references, 1) == 1)
		free(page);
}

/* Frees what a slot of `height` holds from page `first` of it on. True where nothing is left of it. */
static bool drop_from(void *slot, unsigned height, uint64_t first, struct memory_quota *quota)
{
	if (!slot)
		return true;
	if (height == 0) {
		if (first > 0)
			return false;
		drop_page(slot, quota);
		return true;
	}
	struct table *table = slot;
	uint64_t span = pages_of(height - 1);
	for (uint64_t i = first / span; i < SLOTS; i++)
		if (drop_from(table->slots[i], height - 1, i == first / span ? first % span : 0, quota))
			table->slots[i] = NULL;
	if (first > 0)
		return false;
	memory_quota_give(quota, PAGE);
	free(table);
	return true;
}

static struct page *find_page(const struct contents *contents, uint64_t index)
{
	void *slot = contents->top;
	if (index >= pages_of(contents->height))
		return NULL;
	for (unsigned height = contents->height; height > 0 && slot; height--)
		slot = ((struct table *)slot)->slots[index >> ((height - 1) * SLOT_BITS) & (SLOTS - 1)];
	return slot;
}

static int grow(struct contents *contents, struct memory_quota *quota, uint64_t index)
{
	int error;
	while (index >= pages_of(contents->height)) {
		struct table *table = NULL;
		if (contents->top) {
			table = take(quota, sizeof(*table), &error);
			if (!table)
				return error;
			table->slots[0] = contents->top;
			contents->top = table;
		}
		contents->height++;
	}
	return 0;
}

/* The page `index`, the contents' own. */
static struct page *own_page(struct contents *contents, struct memory_quota *quota, uint64_t index, int *error)
{
	*error = grow(contents, quota, index);
	if (*error < 0)
		return NULL;
	void **slot = &contents->top;
	for (unsigned height = contents->height; height > 0; height--) {
		if (!*slot && !(*slot = take(quota, sizeof(struct table), error)))
			return NULL;
		slot = &((struct table *)*slot)->slots[index >> ((height - 1) * SLOT_BITS) & (SLOTS - 1)];
	}
	struct page *page = *slot;
	if (page && atomic_load(&page->references) == 1)
		return page;
	struct page *own = take(quota, sizeof(*own), error);
	if (!own)
		return NULL;
	atomic_init(&own->references, 1);
	if (page) {
		memcpy(own->data, page->data, PAGE);
		drop_page(page, quota);
	}
	return *slot = own;
}

size_t contents_read(const struct contents *contents, void *out, size_t size, uint64_t offset)
{
	if (offset >= contents->size)
		return 0;
	if (size > contents->size - offset)
		size = (size_t)(contents->size - offset);
	for (size_t done = 0, step; done < size; done += step) {
		uint64_t at = offset + done;
		const struct page *page = find_page(contents, at / PAGE);
		step = PAGE - at % PAGE < size - done ? (size_t)(PAGE - at % PAGE) : size - done;
		if (page)
			memcpy((uint8_t *)out + done, page->data + at % PAGE, step);
		else
			memset((uint8_t *)out + done, 0, step);
	}
	return size;
}

int64_t contents_write(struct contents *contents, struct memory_quota *quota, const void *data, size_t size,
		       uint64_t offset)
{
	if (size == 0)
		return 0;
	if (offset >= CONTENTS_SIZE_MAX)
		return -EFBIG;
	if (size > CONTENTS_SIZE_MAX - offset)
		size = (size_t)(CONTENTS_SIZE_MAX - offset);
	size_t done = 0, step;
	int error = 0;
	for (; done < size; done += step) {
		uint64_t at = offset + done;
		struct page *page = own_page(contents, quota, at / PAGE, &error);
		if (!page)
			break;
		step = PAGE - at % PAGE < size - done ? (size_t)(PAGE - at % PAGE) : size - done;
		memcpy(page->data + at % PAGE, (const uint8_t *)data + done, step);
	}
	if (offset + done > contents->size && done > 0)
		contents->size = offset + done;
	return done ? (int64_t)done : error;
}

/* Bytes of one page become zero. */
static int clear_part(struct contents *contents, struct memory_quota *quota, uint64_t from, uint64_t to)
{
	int error = 0;
	if (from >= to || !find_page(contents, from / PAGE))
		return 0;
	struct page *page = own_page(contents, quota, from / PAGE, &error);
	if (!page)
		return error;
	memset(page->data + from % PAGE, 0, (size_t)(to - from));
	return 0;
}

int contents_resize(struct contents *contents, struct memory_quota *quota, uint64_t size)
{
	if (size > CONTENTS_SIZE_MAX)
		return -EFBIG;
	if (size < contents->size) {
		int r = clear_part(contents, quota, size, (size + PAGE - 1) / PAGE * PAGE);
		if (r < 0)
			return r;
		uint64_t first = (size + PAGE - 1) / PAGE;
		if (first < pages_of(contents->height) && drop_from(contents->top, contents->height, first, quota))
			contents->top = NULL;
	}
	contents->size = size;
	return 0;
}

/* Frees one page. */
static void drop_one(struct contents *contents, struct memory_quota *quota, uint64_t index)
{
	void **slot = &contents->top;
	for (unsigned height = contents->height; height > 0; height--)
		slot = &((struct table *)*slot)->slots[index >> ((height - 1) * SLOT_BITS) & (SLOTS - 1)];
	drop_page(*slot, quota);
	*slot = NULL;
}

int contents_punch(struct contents *contents, struct memory_quota *quota, uint64_t offset, uint64_t size)
{
	uint64_t end = size < contents->size - offset ? offset + size : contents->size;
	if (offset >= contents->size)
		return 0;
	while (offset < end) {
		uint64_t next = contents_seek(contents, offset, 0);
		if (next >= end)
			break;
		offset = next;
		uint64_t border = (offset / PAGE + 1) * PAGE, to = border < end ? border : end;
		if (offset % PAGE == 0 && to == border) {
			drop_one(contents, quota, offset / PAGE);
		} else {
			int r = clear_part(contents, quota, offset, to);
			if (r < 0)
				return r;
		}
		offset = to;
	}
	return 0;
}

/* The first page from `first` of this slot on that is there; pages_of(height) where there is none. */
static uint64_t next_page(const void *slot, unsigned height, uint64_t first)
{
	if (!slot || height == 0)
		return slot && first == 0 ? 0 : pages_of(height);
	const struct table *table = slot;
	uint64_t span = pages_of(height - 1);
	for (uint64_t i = first / span; i < SLOTS; i++) {
		uint64_t found = next_page(table->slots[i], height - 1, i == first / span ? first % span : 0);
		if (found < span)
			return i * span + found;
	}
	return pages_of(height);
}

uint64_t contents_seek(const struct contents *contents, uint64_t offset, int hole)
{
	uint64_t index = offset / PAGE, found = index;
	if (offset >= contents->size)
		return contents->size;
	if (hole)
		while (find_page(contents, found))
			found++;
	else
		found = index < pages_of(contents->height) ? next_page(contents->top, contents->height, index)
							   : contents->size / PAGE + 1;
	uint64_t at = found == index ? offset : found * PAGE;
	if (!hole && found >= pages_of(contents->height))
		return contents->size;
	return at < contents->size ? at : contents->size;
}

static uint64_t count_pages(const void *slot, unsigned height)
{
	if (!slot || height == 0)
		return slot ? 1 : 0;
	uint64_t count = 0;
	for (int i = 0; i < SLOTS; i++)
		count += count_pages(((const struct table *)slot)->slots[i], height - 1);
	return count;
}

uint64_t contents_allocated(const struct contents *contents)
{
	return count_pages(contents->top, contents->height) * PAGE;
}

static int copy_slot(const void *slot, unsigned height, struct memory_quota *quota, void **out)
{
	int error;
	if (!slot)
		return 0;
	if (height == 0) {
		struct page *page = (struct page *)slot;
		error = memory_quota_take(quota, PAGE);
		if (error < 0)
			return error;
		atomic_fetch_add(&page->references, 1);
		*out = page;
		return 0;
	}
	struct table *table = take(quota, sizeof(*table), &error);
	if (!table)
		return error;
	*out = table;
	for (int i = 0; i < SLOTS && error == 0; i++)
		error = copy_slot(((const struct table *)slot)->slots[i], height - 1, quota, &table->slots[i]);
	return error;
}

int contents_copy(const struct contents *contents, struct memory_quota *quota, struct contents *out)
{
	*out = (struct contents){.height = contents->height, .size = contents->size};
	int r = copy_slot(contents->top, contents->height, quota, &out->top);
	if (r < 0)
		contents_clear(out, quota);
	return r;
}

void contents_clear(struct contents *contents, struct memory_quota *quota)
{
	drop_from(contents->top, contents->height, 0, quota);
	*contents = (struct contents){0};
}
