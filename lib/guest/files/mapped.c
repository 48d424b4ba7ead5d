/* SPDX-License-Identifier: MIT */
#include "guest/files/mapped.h"

#include <errno.h>
#include <string.h>

#include "guest/files/memory_file.h"
#include "guest/instance.h"
#include "guest/memory/shared_memory.h"

/* A lane for each word of a line, so that they can be reckoned side by side. */
static uint64_t sum_of(const void *page)
{
	enum { LANES = 4, WORDS = GUEST_PAGE / sizeof(uint64_t) };
	uint64_t lanes[LANES] = {1, 2, 3, 4}, sum = 0;
	const uint64_t *words = page;
	for (size_t i = 0; i < WORDS; i += LANES)
		for (size_t j = 0; j < LANES; j++) {
			/* Turned, so that a difference in the highest bits alone is not lost. */
			uint64_t mixed = (lanes[j] ^ words[i + j]) * 0x9e3779b97f4a7c15ull;
			lanes[j] = mixed << 31 | mixed >> 33;
		}
	for (size_t j = 0; j < LANES; j++) {
		sum = (sum ^ lanes[j]) * 0xbf58476d1ce4e5b9ull;
		sum ^= sum >> 29;
	}
	return sum;
}

static struct shared_memory *find(const struct view *view, const struct mapped_key *key)
{
	struct shared_memory *shared = view->mapped;
	while (shared && (shared->key.inode != key->inode || shared->key.device != key->device ||
			  shared->key.in_memory != key->in_memory))
		shared = shared->next;
	return shared;
}

static int find_key(struct file *file, struct mapped_key *out)
{
	struct stat st;
	int r = file_status(file, &st);
	*out = (struct mapped_key){file->kind == FILE_MEMORY, st.st_dev, st.st_ino};
	return r;
}

/* What an open file is mapped as; NULL where it is not. */
static struct shared_memory *find_file(struct file *file)
{
	struct mapped_key key;
	if (!file->view || !file->view->mapped || !file->ops->put || find_key(file, &key) < 0)
		return NULL;
	return find(file->view, &key);
}

bool mapped_can_share(const struct file *file)
{
	return file->ops->put && file->view && file->mount && file->mount->writable && !file->is_lower;
}

int mapped_get(struct guest_memory *memory, struct file *file, struct shared_memory **out)
{
	struct mapped_key key;
	int r = find_key(file, &key);
	if (r < 0)
		return r;
	struct shared_memory *shared = shared_memory_ref(find(file->view, &key));
	if (!shared) {
		shared = shared_memory_new(memory, 0);
		if (!shared)
			return -ENOMEM;
		shared->file = file_ref(file);
		shared->key = key;
		shared->next = file->view->mapped;
		file->view->mapped = shared;
	}
	if (file_is_writable(file) && !shared->is_written) {
		file_ref(file);
		file_unref(shared->file);
		shared->file = file;
		shared->is_written = true;
	}
	*out = shared;
	return 0;
}

static uint64_t size_of(const struct shared_memory *shared)
{
	struct stat st;
	return file_status(shared->file, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

uint64_t mapped_pages(const struct shared_memory *shared)
{
	return (size_of(shared) + GUEST_PAGE - 1) / GUEST_PAGE;
}

/* What the file has there, and zeroes behind its end. 0 or a negative errno. */
static int load(struct shared_memory *shared, uint64_t number, struct shared_page *page)
{
	uint8_t *data = memory_page(shared->memory, page->address);
	ssize_t n = shared->file->ops->contents(shared->file, data, GUEST_PAGE, number * GUEST_PAGE);
	if (n < 0)
		return (int)n;
	memset(data + n, 0, GUEST_PAGE - (size_t)n);
	page->sum = sum_of(data);
	return 0;
}

int mapped_fill(struct shared_memory *shared, uint64_t number, struct shared_page *page)
{
	/* A hole that is written to later must have its room: the program could not be told then. */
	if (shared->is_written && shared->file->kind == FILE_MEMORY &&
	    memory_file_fill(shared->file, number * GUEST_PAGE) < 0)
		return -EIO;
	return load(shared, number, page) < 0 ? -EIO : 0;
}

static int write_page(struct shared_memory *shared, uint64_t number, struct shared_page *page, uint64_t size)
{
	const void *data = memory_page(shared->memory, page->address);
	uint64_t start = number * GUEST_PAGE, sum = sum_of(data);
	if (sum == page->sum)
		return 0;
	size_t length = size - start < GUEST_PAGE ? (size_t)(size - start) : GUEST_PAGE;
	int r = shared->file->ops->put(shared->file, data, length, start);
	if (r == 0)
		page->sum = sum;
	return r;
}

static int write_range(struct shared_memory *shared, uint64_t start, uint64_t end)
{
	struct shared_page *page;
	uint64_t size = shared->is_written ? size_of(shared) : 0;
	int r = 0;
	if (end > size)
		end = size;
	for (uint64_t number = start / GUEST_PAGE; (page = shared_memory_next(shared, &number)); number++) {
		if (number * GUEST_PAGE >= end)
			break;
		int error = write_page(shared, number, page, size);
		r = r < 0 ? r : error;
	}
	return r;
}

/*
 * While no program has run there is nothing new. A program with very many mappings of a file could otherwise have all
 * of its pages looked at for each of them.
 */
int mapped_write_back(struct shared_memory *shared)
{
	uint64_t now = shared->file->view->turns + 1;
	if (shared->looked_at != now)
		shared->error = write_range(shared, 0, UINT64_MAX);
	shared->looked_at = now;
	return shared->error;
}

int mapped_write_back_all(struct view *view)
{
	int r = 0;
	for (struct shared_memory *shared = view->mapped; shared; shared = shared->next) {
		int error = mapped_write_back(shared);
		r = r < 0 ? r : error;
	}
	return r;
}

int mapped_write_back_file(struct file *file)
{
	struct shared_memory *shared = find_file(file);
	return shared ? mapped_write_back(shared) : 0;
}

void mapped_close(struct shared_memory *shared)
{
	struct shared_memory **link = &shared->file->view->mapped;
	mapped_write_back(shared);
	while (*link != shared)
		link = &(*link)->next;
	*link = shared->next;
	shared->file = file_unref(shared->file);
}

struct mapped_range mapped_begin(struct file *file, uint64_t offset, uint64_t size)
{
	struct mapped_range range = {find_file(file), offset, size < UINT64_MAX - offset ? offset + size : UINT64_MAX};
	if (!range.shared)
		return range;
	/* Where the file grows beyond a gap, the rest of what was its last page becomes zero as well. */
	uint64_t end = size_of(range.shared);
	range.start = offset < end ? offset : end;
	write_range(range.shared, range.start, range.end);
	return range;
}

void mapped_end(const struct mapped_range *range)
{
	struct shared_page *page;
	if (!range->shared)
		return;
	for (uint64_t number = range->start / GUEST_PAGE; (page = shared_memory_next(range->shared, &number));
	     number++) {
		if (number * GUEST_PAGE >= range->end)
			break;
		load(range->shared, number, page);
	}
}

/* Pages from this one on are taken out of all address spaces. */
static void discard(const struct view *view, const struct shared_memory *shared, uint64_t first)
{
	struct program *program = &view->program->instance->program;
	for (; program; program = program->next) {
		struct address_space *space = program->space;
		for (size_t i = 0; space && i < space->count; i++) {
			const struct area *area = &space->areas[i];
			uint64_t skip =
				first * GUEST_PAGE > area->file_offset ? first * GUEST_PAGE - area->file_offset : 0;
			if (area->shared == shared && skip < area->end - area->start)
				space_discard(space, area->start + skip, area->end);
		}
	}
}

void mapped_resized(struct view *view, const struct stat *st, bool in_memory, uint64_t old)
{
	const struct mapped_key key = {in_memory, st->st_dev, st->st_ino};
	struct shared_memory *shared = view->mapped ? find(view, &key) : NULL;
	if (!shared)
		return;
	uint64_t size = (uint64_t)st->st_size, first = (size + GUEST_PAGE - 1) / GUEST_PAGE;
	uint64_t kept = old < size ? old : size, number = kept / GUEST_PAGE;
	struct shared_page *page = shared_memory_next(shared, &number);
	if (page && number == kept / GUEST_PAGE)
		memset((uint8_t *)memory_page(shared->memory, page->address) + kept % GUEST_PAGE, 0,
		       GUEST_PAGE - kept % GUEST_PAGE);
	discard(view, shared, first);
	shared_memory_drop(shared, first);
}
