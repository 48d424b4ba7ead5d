/* SPDX-License-Identifier: MIT */
/* The address spaces of a saved snapshot: what is mapped where. Their pages are in saved_memory.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/error.h"
#include "guest/instance.h"
#include "guest/memory/shared_memory.h"
#include "guest/program/file.h"
#include "guest/snapshot/saved.h"

struct saved_area {
	uint64_t start;
	uint64_t end;
	uint32_t protection;
	uint8_t grows_down;
	uint8_t is_program;
	uint8_t flags;
	uint8_t unused;
	uint64_t file_offset;
	uint64_t file_size;
};

enum { AREA_READ_ONLY = 1, AREA_WIPES_ON_FORK = 2 };

struct saved_bounds {
	uint64_t mmap_base;
	uint64_t heap_start;
	uint64_t heap_end;
	uint64_t limit;
	uint64_t data_limit;
	uint64_t stack_limit;
};

static void put_bounds(struct saved_writer *writer, const struct address_space *space)
{
	const struct saved_bounds bounds = {
		.mmap_base = space->mmap_base,
		.heap_start = space->heap_start,
		.heap_end = space->heap_end,
		.limit = space->limit,
		.data_limit = space->data_limit,
		.stack_limit = space->stack_limit,
	};
	saved_put(writer, &bounds, sizeof(bounds));
	saved_put_number(writer, space->count);
}

/* How many files and memories have got numbers. */
struct put_areas {
	struct saved_writer *writer;
	const viso_snapshot *snapshot;
	struct saved_pages *pages;
	uint64_t files;
	uint64_t shared;
};

static void put_area(struct put_areas *put, const struct area *area)
{
	struct saved_writer *writer = put->writer;
	struct saved_area saved = {
		.start = area->start,
		.end = area->end,
		.protection = area->protection,
		.grows_down = area->grows_down,
		.is_program = area->is_program,
		.flags = (uint8_t)((area->is_read_only ? AREA_READ_ONLY : 0) |
				   (area->wipes_on_fork ? AREA_WIPES_ON_FORK : 0)),
		.file_offset = area->file_offset,
		.file_size = area->file_size,
	};
	bool is_new_file = area->file && !saved_has_number(writer, area->file),
	     is_new_shared = area->shared && !saved_has_number(writer, area->shared);
	if (is_new_file)
		saved_give_number(writer, area->file, put->files++);
	if (is_new_shared)
		saved_give_number(writer, area->shared, put->shared++);
	if (put->files > put->snapshot->view.counts.open_max && writer->error == 0)
		writer->error = saved_refuse("memory", "more files mapped than it may have open");
	saved_put(writer, &saved, sizeof(saved));
	saved_put_reference(writer, area->file);
	saved_put_reference(writer, area->shared);
	if (is_new_file)
		saved_put_file(writer, put->snapshot, area->file, "a mapped file");
	if (is_new_shared)
		saved_put_shared(writer, put->snapshot, area->shared, put->pages);
}

/* Those of each address space, when its first process is reached. */
static const struct address_space *next_space(const struct program **program, uint64_t *number,
					      const struct saved_writer *writer)
{
	for (; *program; *program = (*program)->next) {
		const struct address_space *space = (*program)->space;
		if (space && (uintptr_t)copy_map_find(&writer->numbers, space) == *number + 1) {
			++*number;
			*program = (*program)->next;
			return space;
		}
	}
	return NULL;
}

void saved_put_spaces(struct saved_writer *writer, const viso_snapshot *snapshot, struct saved_pages *pages)
{
	struct put_areas put = {.writer = writer, .snapshot = snapshot, .pages = pages};
	const struct program *program = &snapshot->program;
	const struct address_space *space;
	for (uint64_t number = 0; writer->error == 0 && (space = next_space(&program, &number, writer));) {
		put_bounds(writer, space);
		for (size_t i = 0; i < space->count && writer->error == 0; i++)
			put_area(&put, &space->areas[i]);
	}
	program = &snapshot->program;
	for (uint64_t number = 0; writer->error == 0 && (space = next_space(&program, &number, writer));)
		saved_put_runs(writer, snapshot, space, pages);
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

static int add_file(struct saved_reader *reader, viso_snapshot *snapshot)
{
	struct file *opened = NULL, *mapped = NULL;
	/* What a program has mapped counts as open; each may take a fd of the host program's. */
	if (reader->mapped.count >= snapshot->view.counts.open_max)
		return error_fail(VISO_STAGE_GUEST, EMFILE, "files",
				  "the snapshot has more files mapped than the guest may have open; see "
				  "viso_guest_set_files_max()");
	int r = saved_get_file(reader, snapshot, &opened);
	if (r < 0)
		return r;
	/* Without what only files of programs have. */
	r = file_is_readable(opened) ? file_copy_mapped(opened, &mapped) : -EOPNOTSUPP;
	file_unref(opened);
	if (r == -EOPNOTSUPP)
		return saved_damaged("mapped files");
	if (r < 0)
		return r == -ENOMEM ? error_memory() : error_fail(VISO_STAGE_GUEST, -r, "a mapped file", NULL);
	r = saved_list_add(&reader->mapped, mapped);
	if (r < 0)
		file_unref(mapped);
	return r;
}

static int add_shared(struct saved_reader *reader, viso_snapshot *snapshot, struct saved_source *source)
{
	struct shared_memory *shared;
	int r = saved_get_shared(reader, snapshot, source, &shared);
	if (r == 0)
		r = saved_list_add(&reader->shared, shared);
	else
		return r;
	if (r < 0)
		shared_memory_forget(shared);
	return r;
}

static bool is_sound(const struct saved_area *saved, uint64_t after)
{
	return saved->start >= after && saved->start < saved->end && saved->end <= SPACE_END &&
	       saved->start % GUEST_PAGE == 0 && saved->end % GUEST_PAGE == 0 &&
	       !(saved->protection & ~(uint32_t)(PROT_READ | PROT_WRITE | PROT_EXEC)) && saved->grows_down <= 1 &&
	       saved->is_program <= 1 && !(saved->flags & ~(AREA_READ_ONLY | AREA_WIPES_ON_FORK)) &&
	       saved->file_offset % GUEST_PAGE == 0 && saved->file_offset <= INT64_MAX - SPACE_END;
}

/* What processes share has no file, and is nothing else. */
static bool can_be_shared(const struct saved_area *saved, uint64_t file)
{
	return !file && !saved->grows_down && !saved->is_program && !saved->flags;
}

/* The numbers of what an area has of a file or in common with others; a new one follows. */
static int get_contents(struct saved_reader *reader, viso_snapshot *snapshot, struct saved_source *source,
			const struct saved_area *saved, struct area *out)
{
	uint64_t file, shared;
	int r = 0;
	if (!saved_get_number(reader, reader->mapped.count + 1, &file) ||
	    !saved_get_number(reader, reader->shared.count + 1, &shared) || (shared && !can_be_shared(saved, file)))
		return saved_damaged("areas");
	if (file > reader->mapped.count)
		r = add_file(reader, snapshot);
	if (r == 0 && shared > reader->shared.count)
		r = add_shared(reader, snapshot, source);
	if (r < 0)
		return r;
	out->file = file ? file_ref(reader->mapped.items[file - 1]) : NULL;
	out->shared = shared ? shared_memory_ref(reader->shared.items[shared - 1]) : NULL;
	return 0;
}

static int get_area(struct saved_reader *reader, viso_snapshot *snapshot, struct saved_source *source,
		    struct address_space *space)
{
	struct saved_area saved;
	if (!saved_get(reader, &saved, sizeof(saved)) ||
	    !is_sound(&saved, space->count ? space->areas[space->count - 1].end : SPACE_START))
		return saved_damaged("areas");
	struct area area = {
		.start = saved.start,
		.end = saved.end,
		.protection = saved.protection,
		.grows_down = saved.grows_down,
		.is_program = saved.is_program,
		.is_read_only = saved.flags & AREA_READ_ONLY,
		.wipes_on_fork = saved.flags & AREA_WIPES_ON_FORK,
		.file_offset = saved.file_offset,
		.file_size = saved.file_size,
	};
	int r = get_contents(reader, snapshot, source, &saved, &area);
	if (r < 0)
		return r;
	space->areas[space->count++] = area;
	space->size += saved.end - saved.start;
	return 0;
}

static int get_areas(struct saved_reader *reader, viso_snapshot *snapshot, struct saved_source *source,
		     struct address_space *space)
{
	uint64_t count;
	if (!saved_get_number(reader, SAVED_AREAS_MAX, &count) ||
	    count > (reader->size - reader->at) / sizeof(struct saved_area))
		return saved_damaged("areas");
	space->capacity = (size_t)count + 4;
	space->areas = calloc(space->capacity, sizeof(struct area));
	int r = space->areas ? 0 : error_memory();
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = get_area(reader, snapshot, source, space);
	return r;
}

int saved_get_spaces(struct saved_reader *reader, viso_snapshot *snapshot, struct saved_source *source)
{
	source->seen = calloc(1, source->pages / 8 + 1);
	int r = source->seen ? 0 : error_memory();
	for (size_t i = 0; i < reader->spaces.count && r == 0; i++) {
		struct address_space *space = reader->spaces.items[i];
		r = get_bounds(reader, space);
		if (r == 0)
			r = get_areas(reader, snapshot, source, space);
	}
	if (r == 0)
		r = saved_get_memory(reader, snapshot, source);
	free(source->seen);
	source->seen = NULL;
	return r;
}
