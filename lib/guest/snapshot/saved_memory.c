/* SPDX-License-Identifier: MIT */
/*
 * The pages of a saved snapshot. They are mapped from the file and lie together at the beginning of the guest's memory;
 * behind them come page tables that are made here and lead to nothing else. Whatever has a page has no right to write
 * to it: who does so gets a copy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/error.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/memory/memory.h"
#include "guest/memory/shared_memory.h"
#include "guest/snapshot/saved.h"
#include "guest/x86_64/system.h"

/* Adjacent pages, of an address space (by address) or of what processes share (by place); in the file from `first` on.
 */
struct saved_run {
	uint64_t at;
	uint64_t pages;
	uint64_t first;
};

int saved_pages_init(struct saved_pages *pages, const viso_snapshot *snapshot)
{
	*pages = (struct saved_pages){.numbers = calloc(snapshot->memory->size / GUEST_PAGE + 1, sizeof(uint32_t))};
	return pages->numbers ? 0 : error_memory();
}

void saved_pages_release(struct saved_pages *pages)
{
	free(pages->data);
	free(pages->numbers);
}

/* The place of a page of the frozen memory in the file. */
static uint64_t number_of(struct saved_writer *writer, struct saved_pages *pages, uint64_t address, const void *data)
{
	uint32_t *number = &pages->numbers[address / GUEST_PAGE];
	if (*number || writer->error < 0)
		return *number ? *number - 1 : 0;
	if (pages->count == pages->capacity) {
		size_t capacity = pages->capacity ? 2 * pages->capacity : 1024;
		const void **grown = reallocarray(pages->data, capacity, sizeof(*grown));
		if (!grown) {
			writer->error = -ENOMEM;
			return 0;
		}
		pages->data = grown;
		pages->capacity = capacity;
	}
	pages->data[pages->count++] = data;
	*number = (uint32_t)pages->count;
	return pages->count - 1;
}

/* One more page, where the run can be continued; else the run is written and the page begins another one. */
static void continue_run(struct saved_writer *writer, struct saved_run *run, uint64_t at, uint64_t step,
			 uint64_t number)
{
	if (run->pages && at == run->at + run->pages * step && number == run->first + run->pages) {
		run->pages++;
		return;
	}
	if (run->pages)
		saved_put(writer, run, sizeof(*run));
	*run = (struct saved_run){at, 1, number};
}

static void end_runs(struct saved_writer *writer, struct saved_run *run)
{
	const struct saved_run end = {0};
	if (run->pages)
		saved_put(writer, run, sizeof(*run));
	saved_put(writer, &end, sizeof(end));
}

/* Anonymous memory that is all zeros is what it is when it is touched for the first time. */
static bool is_needed(const struct area *area, uint64_t address, const uint8_t *page)
{
	bool begins_empty = !area->file || (area->is_program && address - area->start >= area->file_size);
	return !begins_empty || page[0] || memcmp(page, page + 1, GUEST_PAGE - 1) != 0;
}

/* The frozen memory alone. */
static struct guest_memory memory_of(const viso_snapshot *snapshot)
{
	return (struct guest_memory){.frozen = snapshot->memory,
				     .start = snapshot->memory->size,
				     .size = snapshot->memory->size,
				     .vm_fd = -1};
}

void saved_put_runs(struct saved_writer *writer, const viso_snapshot *snapshot, const struct address_space *space,
		    struct saved_pages *pages)
{
	struct guest_memory memory = memory_of(snapshot);
	struct page_tables tables = {.memory = &memory, .root = space->tables.root};
	struct saved_run run = {0};
	for (size_t i = 0; i < space->count; i++) {
		const struct area *area = &space->areas[i];
		uint64_t *entry;
		for (uint64_t at = area->start; !area->shared && (entry = paging_next(&tables, &at, area->end));
		     at += GUEST_PAGE) {
			uint64_t address = paging_page(*entry);
			const void *page = memory_page(&memory, address);
			if (page && is_needed(area, at, page))
				continue_run(writer, &run, at, GUEST_PAGE, number_of(writer, pages, address, page));
		}
	}
	end_runs(writer, &run);
}

void saved_put_shared(struct saved_writer *writer, const viso_snapshot *snapshot, struct shared_memory *shared,
		      struct saved_pages *pages)
{
	struct guest_memory memory = memory_of(snapshot);
	struct saved_run run = {0};
	const struct shared_page *shared_page;
	saved_put_number(writer, shared->pages);
	for (uint64_t at = 0; (shared_page = shared_memory_next(shared, &at)); at++) {
		const void *page = memory_page(&memory, shared_page->address);
		if (page)
			continue_run(writer, &run, at, 1, number_of(writer, pages, shared_page->address, page));
	}
	end_runs(writer, &run);
}

uint64_t saved_take_page(struct saved_source *source, uint64_t number)
{
	if (number >= source->pages)
		return 0;
	uint8_t bit = (uint8_t)(1 << number % 8);
	source->seen_count += !(source->seen[number / 8] & bit);
	source->seen[number / 8] |= bit;
	source->owners++;
	/* Address 0 stands for none. */
	return (1 + number) * GUEST_PAGE;
}

/* Runs are sorted and within [begin, end). False where there is no more; `*error` is set where it is damaged. */
static bool next_run(struct saved_reader *reader, const struct saved_source *source, uint64_t step, uint64_t *begin,
		     uint64_t end, struct saved_run *out, int *error)
{
	if (!saved_get(reader, out, sizeof(*out))) {
		*error = saved_damaged("pages");
		return false;
	}
	if (out->pages == 0)
		return false;
	if (out->pages > source->pages || out->first > source->pages - out->pages || out->at < *begin ||
	    out->at % step || out->at >= end || out->pages > (end - out->at) / step) {
		*error = saved_damaged("pages");
		return false;
	}
	*begin = out->at + out->pages * step;
	return true;
}

int saved_get_shared(struct saved_reader *reader, viso_snapshot *snapshot, struct saved_source *source,
		     struct shared_memory **out)
{
	uint64_t pages, begin = 0;
	struct saved_run run;
	int r = 0;
	if (!saved_get_number(reader, guest_memory_max(snapshot->settings) / GUEST_PAGE, &pages))
		return saved_damaged("shared memory");
	struct shared_memory *shared = shared_memory_new(NULL, pages);
	if (!shared)
		return error_memory();
	while (r == 0 && next_run(reader, source, 1, &begin, pages, &run, &r))
		for (uint64_t i = 0; i < run.pages && r == 0; i++)
			if (shared_memory_put(shared, run.at + i, saved_take_page(source, run.first + i)) < 0)
				r = error_memory();
	if (r == 0)
		*out = shared;
	else
		shared_memory_forget(shared);
	return r;
}

/* The pages take the places from the second one of the guest's memory on, of which none has been handed out yet. */
static int map_pages(struct guest_memory *memory, const struct saved_source *source)
{
	uint64_t size = source->pages * GUEST_PAGE;
	if (source->pages >= memory->limit)
		return saved_damaged("size");
	memory->next += size;
	memory->used = memory->own = memory->peak = source->pages;
	if (source->pages == 0)
		return 0;
	void *at = memory->base + GUEST_PAGE;
	if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, source->fd,
		 (off_t)source->offset) == MAP_FAILED)
		return errno == ENOMEM ? error_memory() : error_fail(VISO_STAGE_GUEST, EIO, "mmap", NULL);
	madvise(at, size, MADV_DONTFORK);
	return 0;
}

static int enter_run(struct address_space *space, struct page_tables *tables, struct saved_source *source,
		     const struct saved_run *run)
{
	const struct area *area = NULL;
	for (uint64_t i = 0; i < run->pages; i++) {
		uint64_t at = run->at + i * GUEST_PAGE;
		if (!area || at >= area->end)
			area = space_find(space, at);
		if (!area || area->shared)
			return saved_damaged("pages");
		uint64_t *entry = paging_entry(tables, at, true);
		if (!entry)
			return saved_damaged("size");
		uint64_t page = saved_take_page(source, run->first + i);
		*entry = paging_without_write(paging_make(page, area->protection));
	}
	return 0;
}

/* The system's pages are the same in all of them. */
static int make_tables(struct page_tables *tables, struct page_tables *first, struct guest_memory *memory)
{
	uint64_t stack;
	int r = paging_init(tables, memory);
	if (r == 0)
		r = first == tables ? system_build(tables, &stack) : paging_copy_below(tables, first, SPACE_START);
	return r < 0 ? saved_damaged("size") : 0;
}

static int build_space(struct saved_reader *reader, struct address_space *space, struct saved_source *source,
		       struct page_tables *tables)
{
	uint64_t begin = SPACE_START;
	struct saved_run run;
	int r = 0;
	while (r == 0 && next_run(reader, source, GUEST_PAGE, &begin, SPACE_END, &run, &r))
		r = enter_run(space, tables, source, &run);
	space->tables.root = tables->root;
	return r;
}

static int build_memory(struct saved_reader *reader, viso_snapshot *snapshot, struct guest_memory *memory,
			struct saved_source *source)
{
	struct page_tables first = {0};
	int r = make_tables(&first, &first, memory);
	for (size_t i = 0; i < reader->spaces.count && r == 0; i++) {
		struct page_tables other = {0}, *tables = i == 0 ? &first : &other;
		if (i > 0)
			r = make_tables(&other, &first, memory);
		if (r == 0)
			r = build_space(reader, reader->spaces.items[i], source, tables);
		paging_forget(&other);
	}
	paging_forget(&first);
	if (r < 0)
		return r;
	if (source->seen_count != source->pages)
		return saved_damaged("pages");
	snapshot->further_owners = source->owners - source->seen_count;
	snapshot->memory = frozen_new(memory);
	if (!snapshot->memory)
		return error_memory();
	frozen_take_mapping(snapshot->memory, memory);
	return 0;
}

int saved_get_memory(struct saved_reader *reader, viso_snapshot *snapshot, struct saved_source *source)
{
	struct guest_memory memory;
	int r = memory_init(&memory, guest_memory_max(snapshot->settings), -1);
	if (r < 0)
		return r;
	r = map_pages(&memory, source);
	if (r == 0)
		r = build_memory(reader, snapshot, &memory, source);
	memory_release(&memory);
	return r;
}
