/* SPDX-License-Identifier: MIT */
/*
 * The address space of a saved snapshot. Its pages are mapped from the file and lie together at the beginning of the
 * guest's memory; behind them come page tables that are made here and lead to nothing else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/guest.h"
#include "guest/memory/memory.h"
#include "guest/program/file.h"
#include "guest/snapshot/saved.h"
#include "guest/x86_64/system.h"

struct saved_area {
	uint64_t start;
	uint64_t end;
	uint32_t protection;
	uint8_t grows_down;
	uint8_t is_program;
	uint8_t has_file;
	uint8_t flags;
	uint64_t file; /* its number */
	uint64_t file_offset;
	uint64_t file_size;
};

enum { AREA_READ_ONLY = 1, AREA_WIPES_ON_FORK = 2 };

/* Adjacent pages. */
struct saved_run {
	uint64_t address;
	uint64_t pages;
};

struct saved_bounds {
	uint64_t mmap_base;
	uint64_t heap_start;
	uint64_t heap_end;
	uint64_t limit;
	uint64_t data_limit;
	uint64_t stack_limit;
};

/* Anonymous memory that is all zeros is what it is when it is touched for the first time. */
static bool is_needed(const struct area *area, uint64_t address, const uint8_t *page)
{
	bool begins_empty = !area->file || (area->is_program && address - area->start >= area->file_size);
	return !begins_empty || page[0] || memcmp(page, page + 1, GUEST_PAGE - 1) != 0;
}

struct page_list {
	struct saved_page *pages;
	size_t count;
	size_t capacity;
};

static int add_page(struct page_list *list, uint64_t address, const void *data)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 1024;
		struct saved_page *pages = reallocarray(list->pages, capacity, sizeof(*pages));
		if (!pages)
			return error_memory();
		list->pages = pages;
		list->capacity = capacity;
	}
	list->pages[list->count++] = (struct saved_page){address, data};
	return 0;
}

static int list_pages(const viso_snapshot *snapshot, struct page_list *list)
{
	/* The frozen memory alone. */
	struct guest_memory memory = {.frozen = snapshot->memory,
				      .start = snapshot->memory->size,
				      .size = snapshot->memory->size,
				      .vm_fd = -1};
	struct page_tables tables = {.memory = &memory, .root = snapshot->space.tables.root};
	for (size_t i = 0; i < snapshot->space.count; i++) {
		const struct area *area = &snapshot->space.areas[i];
		uint64_t *entry;
		for (uint64_t at = area->start; (entry = paging_next(&tables, &at, area->end)); at += GUEST_PAGE) {
			const void *page = memory_page(&memory, paging_page(*entry));
			int r = page && is_needed(area, at, page) ? add_page(list, at, page) : 0;
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void put_runs(struct saved_writer *writer, const struct page_list *list)
{
	struct saved_run run = {0};
	for (size_t i = 0; i < list->count; i++) {
		if (run.pages && list->pages[i].address == run.address + run.pages * GUEST_PAGE) {
			run.pages++;
			continue;
		}
		if (run.pages)
			saved_put(writer, &run, sizeof(run));
		run = (struct saved_run){list->pages[i].address, 1};
	}
	if (run.pages)
		saved_put(writer, &run, sizeof(run));
	run = (struct saved_run){0};
	saved_put(writer, &run, sizeof(run));
}

/* Mapped files in the order of the first areas that have them. Neighbours mostly have the same. */
struct file_list {
	const struct file **files;
	uint64_t count;
};

static uint64_t number_of(struct file_list *list, const struct file *file, bool *out_new)
{
	for (uint64_t i = list->count; i-- > 0;)
		if (list->files[i] == file)
			return i;
	*out_new = true;
	list->files[list->count] = file;
	return list->count++;
}

static void put_areas(struct saved_writer *writer, const viso_snapshot *snapshot)
{
	const struct address_space *space = &snapshot->space;
	_cleanup_free_ const struct file **files = calloc(space->count + 1, sizeof(struct file *));
	struct file_list list = {.files = files};
	if (!files)
		writer->error = error_memory();
	saved_put_number(writer, space->count);
	for (size_t i = 0; i < space->count && writer->error == 0; i++) {
		const struct area *area = &space->areas[i];
		bool is_new = false;
		struct saved_area saved = {
			.start = area->start,
			.end = area->end,
			.protection = area->protection,
			.grows_down = area->grows_down,
			.is_program = area->is_program,
			.has_file = area->file != NULL,
			.flags = (uint8_t)((area->is_read_only ? AREA_READ_ONLY : 0) |
					   (area->wipes_on_fork ? AREA_WIPES_ON_FORK : 0)),
			.file = area->file ? number_of(&list, area->file, &is_new) : 0,
			.file_offset = area->file_offset,
			.file_size = area->file_size,
		};
		if (list.count > snapshot->view.counts.open_max)
			writer->error = saved_refuse("memory", "more files mapped than it may have open");
		if (area->shared)
			writer->error = saved_refuse("memory", "memory that processes share (MAP_SHARED)");
		saved_put(writer, &saved, sizeof(saved));
		if (is_new)
			saved_put_file(writer, &snapshot->view, area->file, "a mapped file");
	}
}

int saved_put_space(struct saved_writer *writer, const viso_snapshot *snapshot, struct saved_page **out_pages,
		    size_t *out_count)
{
	const struct address_space *space = &snapshot->space;
	const struct saved_bounds bounds = {
		.mmap_base = space->mmap_base,
		.heap_start = space->heap_start,
		.heap_end = space->heap_end,
		.limit = space->limit,
		.data_limit = space->data_limit,
		.stack_limit = space->stack_limit,
	};
	struct page_list list = {0};
	saved_put(writer, &bounds, sizeof(bounds));
	put_areas(writer, snapshot);
	if (writer->error == 0)
		writer->error = list_pages(snapshot, &list);
	if (writer->error == 0)
		put_runs(writer, &list);
	*out_pages = list.pages;
	*out_count = list.count;
	return writer->error;
}

static int get_bounds(struct saved_reader *reader, struct address_space *space)
{
	struct saved_bounds bounds;
	if (!saved_get(reader, &bounds, sizeof(bounds)) || bounds.mmap_base > SPACE_END ||
	    bounds.mmap_base < SPACE_START || bounds.mmap_base % GUEST_PAGE || bounds.heap_start > bounds.heap_end ||
	    bounds.heap_end > bounds.mmap_base)
		return saved_damaged("heap");
	space->mmap_base = bounds.mmap_base;
	space->heap_start = bounds.heap_start;
	space->heap_end = bounds.heap_end;
	space->limit = bounds.limit;
	space->data_limit = bounds.data_limit;
	space->stack_limit = bounds.stack_limit;
	space->batch = 16;
	return 0;
}

/* The files of the areas, by number; the areas have references of their own. */
struct mapped_files {
	struct file **files;
	uint64_t count;
	uint64_t capacity;
};

static int add_file(struct saved_reader *reader, viso_snapshot *snapshot, struct mapped_files *mapped)
{
	struct file *opened = NULL;
	/* What a program has mapped counts as open; each may take a fd of the host program's. */
	if (mapped->count >= snapshot->view.counts.open_max)
		return error_fail(VISO_STAGE_GUEST, EMFILE, "files",
				  "the snapshot has more files mapped than the guest may have open; see "
				  "viso_guest_set_files_max()");
	if (mapped->count == mapped->capacity) {
		uint64_t capacity = mapped->capacity ? 2 * mapped->capacity : 16;
		struct file **files = reallocarray(mapped->files, capacity, sizeof(struct file *));
		if (!files)
			return error_memory();
		mapped->files = files;
		mapped->capacity = capacity;
	}
	int r = saved_get_file(reader, snapshot, &opened);
	if (r < 0)
		return r;
	/* Without what only files of programs have. */
	r = file_is_readable(opened) ? file_copy_mapped(opened, &mapped->files[mapped->count]) : -EOPNOTSUPP;
	file_unref(opened);
	if (r == -EOPNOTSUPP)
		return saved_damaged("mapped files");
	if (r < 0)
		return r == -ENOMEM ? error_memory() : error_fail(VISO_STAGE_GUEST, -r, "a mapped file", NULL);
	mapped->count++;
	return 0;
}

static bool is_sound(const struct saved_area *saved, uint64_t after)
{
	return saved->start >= after && saved->start < saved->end && saved->end <= SPACE_END &&
	       saved->start % GUEST_PAGE == 0 && saved->end % GUEST_PAGE == 0 &&
	       !(saved->protection & ~(uint32_t)(PROT_READ | PROT_WRITE | PROT_EXEC)) && saved->grows_down <= 1 &&
	       saved->is_program <= 1 && saved->has_file <= 1 &&
	       !(saved->flags & ~(AREA_READ_ONLY | AREA_WIPES_ON_FORK)) && saved->file_offset % GUEST_PAGE == 0 &&
	       saved->file_offset <= INT64_MAX - SPACE_END;
}

static int get_area(struct saved_reader *reader, viso_snapshot *snapshot, struct mapped_files *mapped)
{
	struct address_space *space = &snapshot->space;
	struct saved_area saved;
	if (!saved_get(reader, &saved, sizeof(saved)) ||
	    !is_sound(&saved, space->count ? space->areas[space->count - 1].end : SPACE_START))
		return saved_damaged("areas");
	if (saved.has_file && saved.file == mapped->count) {
		int r = add_file(reader, snapshot, mapped);
		if (r < 0)
			return r;
	}
	if (saved.has_file && saved.file >= mapped->count)
		return saved_damaged("areas");
	space->areas[space->count++] = (struct area){
		.start = saved.start,
		.end = saved.end,
		.protection = saved.protection,
		.grows_down = saved.grows_down,
		.is_program = saved.is_program,
		.is_read_only = saved.flags & AREA_READ_ONLY,
		.wipes_on_fork = saved.flags & AREA_WIPES_ON_FORK,
		.file = saved.has_file ? file_ref(mapped->files[saved.file]) : NULL,
		.file_offset = saved.file_offset,
		.file_size = saved.file_size,
	};
	space->size += saved.end - saved.start;
	return 0;
}

static int get_areas(struct saved_reader *reader, viso_snapshot *snapshot)
{
	struct mapped_files mapped = {0};
	uint64_t count;
	if (!saved_get_number(reader, SAVED_AREAS_MAX, &count) ||
	    count > (reader->size - reader->at) / sizeof(struct saved_area))
		return saved_damaged("areas");
	snapshot->space.capacity = (size_t)count + 4;
	snapshot->space.areas = calloc(snapshot->space.capacity, sizeof(struct area));
	int r = snapshot->space.areas ? 0 : error_memory();
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = get_area(reader, snapshot, &mapped);
	for (uint64_t i = 0; i < mapped.count; i++)
		file_unref(mapped.files[i]);
	free(mapped.files);
	return r;
}

/* The pages take the places from the second one of the guest's memory on, of which none has been handed out yet. */
static int map_pages(struct guest_memory *memory, int fd, uint64_t offset, uint64_t pages)
{
	uint64_t size = pages * GUEST_PAGE;
	if (pages >= memory->limit)
		return saved_damaged("size");
	memory->next += size;
	memory->used = memory->own = memory->peak = pages;
	if (pages == 0)
		return 0;
	void *at = memory->base + GUEST_PAGE;
	if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, (off_t)offset) ==
	    MAP_FAILED)
		return errno == ENOMEM ? error_memory() : error_fail(VISO_STAGE_GUEST, EIO, "mmap", NULL);
	madvise(at, size, MADV_DONTFORK);
	return 0;
}

/* The pages of a run get their entries, with the rights of the areas that they lie in but that to write. */
static int enter_run(viso_snapshot *snapshot, struct page_tables *tables, const struct saved_run *run, uint64_t page)
{
	const struct area *area = NULL;
	for (uint64_t i = 0; i < run->pages; i++) {
		uint64_t at = run->address + i * GUEST_PAGE;
		if (!area || at >= area->end)
			area = space_find(&snapshot->space, at);
		uint64_t *entry = area ? paging_entry(tables, at, true) : NULL;
		if (!entry)
			return saved_damaged(area ? "size" : "pages");
		*entry = paging_without_write(paging_make(page + i * GUEST_PAGE, area->protection));
	}
	return 0;
}

static int get_runs(struct saved_reader *reader, viso_snapshot *snapshot, struct page_tables *tables, uint64_t pages)
{
	uint64_t done = 0, end = SPACE_START;
	struct saved_run run;
	for (;;) {
		if (!saved_get(reader, &run, sizeof(run)))
			return saved_damaged("pages");
		if (run.pages == 0)
			return done == pages ? 0 : saved_damaged("pages");
		if (run.pages > pages - done || run.address < end || run.address % GUEST_PAGE ||
		    run.address > SPACE_END - run.pages * GUEST_PAGE)
			return saved_damaged("pages");
		int r = enter_run(snapshot, tables, &run, (1 + done) * GUEST_PAGE);
		if (r < 0)
			return r;
		done += run.pages;
		end = run.address + run.pages * GUEST_PAGE;
	}
}

static int build_memory(struct saved_reader *reader, viso_snapshot *snapshot, struct guest_memory *memory,
			struct page_tables *tables, uint64_t pages)
{
	uint64_t stack;
	if (paging_init(tables, memory) < 0 || system_build(tables, &stack) < 0)
		return saved_damaged("size");
	int r = get_runs(reader, snapshot, tables, pages);
	if (r < 0)
		return r;
	snapshot->space.tables.root = tables->root;
	snapshot->memory = frozen_new(memory);
	if (!snapshot->memory)
		return error_memory();
	frozen_take_mapping(snapshot->memory, memory);
	return 0;
}

int saved_get_space(struct saved_reader *reader, viso_snapshot *snapshot, int fd, uint64_t offset, uint64_t pages)
{
	struct guest_memory memory;
	struct page_tables tables = {0};
	int r = get_bounds(reader, &snapshot->space);
	if (r == 0)
		r = get_areas(reader, snapshot);
	if (r < 0)
		return r;
	r = memory_init(&memory, guest_memory_max(snapshot->settings), -1);
	if (r < 0)
		return r;
	r = map_pages(&memory, fd, offset, pages);
	if (r == 0)
		r = build_memory(reader, snapshot, &memory, &tables, pages);
	paging_forget(&tables);
	memory_release(&memory);
	return r;
}
