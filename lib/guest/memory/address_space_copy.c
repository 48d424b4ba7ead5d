/* SPDX-License-Identifier: MIT */
/* Copies of address spaces: for fork(2), for snapshots and for clones of these. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/hot.h"
#include "guest/memory/address_space.h"
#include "guest/memory/page_run.h"
#include "guest/memory/shared_memory.h"
#include "guest/program/copies.h"
#include "guest/program/file.h"
#include "guest/x86_64/system.h"

/*
 * A list of areas without any in it yet; the rest as in `from`, but for the tables. `memory` is that of `to`, NULL for
 * what is kept. 0 or -ENOMEM.
 */
static int begin(struct address_space *to, const struct address_space *from, struct guest_memory *memory)
{
	*to = *from;
	to->memory = memory;
	to->tables = (struct page_tables){.memory = memory};
	to->areas = NULL;
	to->count = to->capacity = 0;
	to->stale_count = 0;
	return space_reserve(to, from->count + 4);
}

/* One page of a private or shared area, for both. 0 or -ENOMEM. */
static int copy_entry(struct address_space *to, const struct area *area, uint64_t address, uint64_t entry)
{
	uint64_t *copy = paging_entry(&to->tables, address, true);
	if (!copy || memory_share(to->memory, paging_page(entry)) < 0)
		return -ENOMEM;
	*copy = area->shared ? entry : paging_without_write(entry);
	return 0;
}

/* Takes the right to write from an entry that has it; that is always in a table that may be changed. */
static void protect_entry(struct page_run *run, uint64_t *entry)
{
	if (!paging_is_writable(*entry))
		return;
	*entry = paging_without_write(*entry);
	run_add(run, paging_page(*entry));
}

static int copy_pages(struct address_space *to, struct address_space *from, const struct area *area)
{
	struct page_run run = {.memory = from->memory, .apply = memory_remap};
	uint64_t *entry;
	int r = 0;
	from->tables.is_touched = true;
	for (uint64_t at = area->start; r == 0 && (entry = paging_next(&from->tables, &at, area->end));
	     at += GUEST_PAGE) {
		r = copy_entry(to, area, at, *entry);
		if (!area->shared)
			protect_entry(&run, entry);
	}
	run_apply(&run);
	return r;
}

int space_copy(struct address_space *to, struct address_space *from)
{
	int r = begin(to, from, from->memory);
	if (r < 0)
		return r;
	r = paging_init(&to->tables, from->memory);
	if (r == 0)
		r = paging_copy_below(&to->tables, &from->tables, SPACE_START);
	for (size_t i = 0; i < from->count && r == 0; i++) {
		to->areas[to->count++] = from->areas[i];
		area_ref(&from->areas[i]);
		if (!from->areas[i].wipes_on_fork)
			r = copy_pages(to, from, &from->areas[i]);
	}
	if (r < 0)
		space_destroy(to);
	return r;
}

void space_freeze(struct address_space *space)
{
	struct page_run run = {.memory = space->memory, .apply = memory_remap};
	uint64_t *entry;
	space->tables.is_touched = true;
	for (uint64_t at = SPACE_START; (entry = paging_next(&space->tables, &at, SPACE_END)); at += GUEST_PAGE)
		protect_entry(&run, entry);
	run_apply(&run);
}

/* The copy that an earlier area has got of the same thing, or a new one. 0 or a negative errno. */
static int keep_file(struct file *file, struct copy_map *things, struct file **out)
{
	*out = file_ref(copy_map_find(things, file));
	if (!file || *out)
		return 0;
	int r = file_copy_mapped(file, out);
	return r < 0 ? r : copy_map_add(things, file, *out);
}

static int keep_shared(const struct area *area, struct guest_memory *memory, struct copy_map *things,
		       struct shared_memory **out)
{
	*out = shared_memory_ref(copy_map_find(things, area->shared));
	if (!area->shared || *out)
		return 0;
	/* The clones would write to one file. What is only read is from now on as if each had read it. */
	if (area->shared->file)
		return area->is_read_only ? 0 : -EOPNOTSUPP;
	*out = shared_memory_copy(area->shared, memory);
	return *out ? copy_map_add(things, area->shared, *out) : -ENOMEM;
}

static void drop_kept(struct address_space *out)
{
	for (size_t i = 0; i < out->count; i++) {
		struct shared_memory *shared = out->areas[i].shared;
		file_unref(out->areas[i].file);
		/* Its pages go on as those of the snapshot. */
		if (shared && shared->file && shared->references == 1)
			mapped_close(shared);
		shared_memory_forget(shared);
	}
	free(out->areas);
	memory_unkeep(out->memory, out->capacity * sizeof(*out->areas));
	*out = (struct address_space){0};
}

int space_keep(struct address_space *out, const struct address_space *space, struct copy_map *things)
{
	int r = begin(out, space, NULL);
	out->tables = (struct page_tables){.root = space->tables.root};
	for (size_t i = 0; i < space->count && r == 0; i++) {
		out->areas[i] = space->areas[i];
		out->areas[i].file = NULL;
		out->areas[i].shared = NULL;
		out->count++;
		r = keep_file(space->areas[i].file, things, &out->areas[i].file);
		if (r == 0)
			r = keep_shared(&space->areas[i], NULL, things, &out->areas[i].shared);
	}
	if (r < 0)
		drop_kept(out);
	return r;
}

void space_release_kept(struct address_space *kept)
{
	drop_kept(kept);
}

static int clone_areas(struct address_space *out, const struct address_space *kept, struct guest_memory *memory,
		       struct copy_map *things)
{
	int r = 0;
	for (size_t i = 0; i < kept->count && r == 0; i++) {
		out->areas[i] = kept->areas[i];
		out->areas[i].shared = NULL;
		file_ref(out->areas[i].file);
		out->count++;
		r = keep_shared(&kept->areas[i], memory, things, &out->areas[i].shared);
	}
	return r;
}

/*
 * What is shared must be so among all processes that there will be: its pages are copied when one of them touches them
 * first, by writing or not, and none has an entry for the frozen ones.
 */
static int drop_shared_entries(struct address_space *space, const struct area *area)
{
	uint64_t *entry;
	for (uint64_t at = area->start; area->shared && (entry = paging_next(&space->tables, &at, area->end));
	     at += GUEST_PAGE) {
		entry = paging_to_change(&space->tables, at, entry);
		if (!entry)
			return -ENOMEM;
		*entry = 0;
	}
	return 0;
}

/* The processor writes to these on its own; all address spaces have the same. */
static int take_system_pages(struct address_space *space, struct address_space *first)
{
	static const uint64_t pages[] = {SYSTEM_TABLES, SYSTEM_STACK};
	for (int i = 0; i < 2; i++) {
		if (first && paging_take_page(&space->tables, &first->tables, pages[i]) < 0)
			return -ENOMEM;
		if (!first && !paging_own_page(&space->tables, pages[i]))
			return -ENOMEM;
	}
	return 0;
}

int space_map_shared(const struct address_space *from, const struct address_space *to, struct copy_map *things)
{
	int r = 0;
	for (size_t i = 0; i < from->count && r == 0; i++)
		if (to->areas[i].shared && !copy_map_find(things, from->areas[i].shared))
			r = copy_map_add(things, from->areas[i].shared, to->areas[i].shared);
	return r;
}

int space_clone(struct address_space *out, const struct address_space *kept, struct guest_memory *memory,
		struct address_space *first, struct copy_map *things)
{
	int r = begin(out, kept, memory);
	if (r == 0)
		r = clone_areas(out, kept, memory, things);
	if (r == 0)
		r = paging_init_clone(&out->tables, memory, kept->tables.root);
	for (size_t i = 0; i < out->count && r == 0; i++)
		r = drop_shared_entries(out, &out->areas[i]);
	if (r == 0)
		r = take_system_pages(out, first);
	if (r < 0)
		space_release(out);
	return r;
}

struct reset {
	struct address_space *space;
	const struct address_space *kept;
	const struct area *area; /* the kept area that was found last */
	struct page_run freed;
	struct page_run remapped;
	size_t left; /* pages that may stay */
};

/* Only memory that is private and may be written is likely to be wanted again; what a file held can be read again. */
static bool is_kept_page(struct reset *reset, uint64_t address, uint64_t now, uint64_t before)
{
	struct guest_memory *memory = reset->space->memory;
	if (reset->left == 0 || !paging_is_allocated(now) || memory_is_shared(memory, paging_page(now)))
		return false;
	const struct area *area = reset->area;
	if (!area || address < area->start || address >= area->end)
		area = space_find((struct address_space *)reset->kept, address);
	reset->area = area;
	if (!area || area->shared || !(area->protection & PROT_WRITE))
		return false;
	bool begins_empty = !area->file || (area->is_program && address - area->start >= area->file_size);
	return paging_is_allocated(before) || begins_empty;
}

static const void *frozen_page(const struct guest_memory *memory, uint64_t before)
{
	return paging_is_allocated(before) ? memory_page(memory, paging_page(before)) : NULL;
}

/*
 * To read what is all zeroes costs each reset as much as to write them: a program's buffers often are, and that is
 * looked up once.
 */
static int keep_page(struct page_tables *tables, uint64_t page, uint64_t before)
{
	static const uint8_t none[GUEST_PAGE];
	const void *frozen = frozen_page(tables->memory, before);
	const struct kept_page kept = {
		.page = page, .before = before, .is_empty = !frozen || memcmp(frozen, none, GUEST_PAGE) == 0};
	return paging_keep(tables, &kept);
}

HOT static void put_contents_back(struct guest_memory *memory, const struct kept_page *kept)
{
	void *to = memory_page(memory, kept->page);
	if (kept->is_empty)
		memset(to, 0, GUEST_PAGE);
	else
		memcpy(to, frozen_page(memory, kept->before), GUEST_PAGE);
}

static void reset_entry(struct reset *reset, uint64_t address, uint64_t *entry, uint64_t before)
{
	struct guest_memory *memory = reset->space->memory;
	uint64_t now = *entry, page = paging_page(now);
	if (is_kept_page(reset, address, now, before) && keep_page(&reset->space->tables, page, before) == 0) {
		*entry = paging_make(page, reset->area->protection);
		reset->left--;
		if (paging_takes_rights(now, *entry))
			run_add(&reset->remapped, page);
		return;
	}
	*entry = before;
	if (!paging_is_allocated(now))
		return;
	if (!memory_is_frozen(memory, page))
		run_add(&reset->freed, page);
	else if (page != paging_page(before) || paging_takes_rights(now, before))
		run_add(&reset->remapped, page);
}

static void reset_table(struct reset *reset, const struct table_copy *copy)
{
	static const uint64_t none[GUEST_PAGE / sizeof(uint64_t)];
	struct guest_memory *memory = reset->space->memory;
	uint64_t *entries = memory_page(memory, copy->table);
	const uint64_t *origin = copy->origin ? memory_page(memory, copy->origin) : none;
	if (memcmp(entries, origin, GUEST_PAGE) == 0)
		return;
	for (size_t i = 0; i < GUEST_PAGE / sizeof(uint64_t); i++) {
		uint64_t address = copy->address + i * GUEST_PAGE;
		if (entries[i] != origin[i] && address >= SPACE_START)
			reset_entry(reset, address, &entries[i], origin[i]);
	}
}

HOT static int reset_areas(struct address_space *space, const struct address_space *kept)
{
	if (space->count == kept->count && memcmp(space->areas, kept->areas, kept->count * sizeof(*kept->areas)) == 0)
		return 0;
	if (space_reserve(space, kept->count) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < kept->count; i++)
		area_ref(&kept->areas[i]);
	for (size_t i = 0; i < space->count; i++)
		area_unref(&space->areas[i]);
	memcpy(space->areas, kept->areas, kept->count * sizeof(*kept->areas));
	space->count = kept->count;
	return 0;
}

HOT bool space_has_shared(const struct address_space *space)
{
	for (size_t i = 0; i < space->count; i++)
		if (space->areas[i].shared)
			return true;
	return false;
}

/* More than these would cost each reset more than they spare the calls. */
enum { STAY_MAX = 256 };

static void reset_tables(struct address_space *space, const struct address_space *kept)
{
	struct guest_memory *memory = space->memory;
	struct reset reset = {
		.space = space,
		.kept = kept,
		.freed = {.memory = memory, .apply = memory_free},
		.remapped = {.memory = memory, .apply = memory_remap},
		.left = memory->limit / 16 < STAY_MAX ? memory->limit / 16 : STAY_MAX,
	};
	paging_begin_reset(&space->tables);
	for (size_t i = 0; i < space->tables.copy_count; i++)
		reset_table(&reset, &space->tables.copies[i]);
	run_apply(&reset.freed);
	run_apply(&reset.remapped);
}

/* The pages that stay. How many are copies of frozen ones. */
HOT static size_t reset_pages(struct guest_memory *memory, const struct page_tables *tables)
{
	size_t copies = 0;
	for (size_t i = 0; i < tables->kept_count; i++) {
		put_contents_back(memory, &tables->kept[i]);
		copies += paging_is_allocated(tables->kept[i].before);
	}
	return copies;
}

HOT int space_reset(struct address_space *space, const struct address_space *kept)
{
	struct guest_memory *memory = space->memory;
	int r = reset_areas(space, kept);
	if (r < 0)
		return r;
	if (space->tables.is_touched)
		reset_tables(space, kept);
	memory_count_anew(memory, reset_pages(memory, &space->tables));

	const struct page_tables tables = space->tables;
	struct area *areas = space->areas;
	size_t capacity = space->capacity;
	/* What is stale still is: those pages stay. */
	memcpy(space, kept, offsetof(struct address_space, stale));
	space->tables = tables;
	space->memory = memory;
	space->areas = areas;
	space->capacity = capacity;
	return 0;
}
