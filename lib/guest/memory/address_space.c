/* SPDX-License-Identifier: MIT */
#include "guest/memory/address_space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/hot.h"
#include "guest/memory/page_run.h"
#include "guest/memory/shared_memory.h"
#include "guest/program/file.h"

/* As the kernel's default of vm.max_map_count: it bounds what the guest makes the host allocate for its areas. */
enum { AREAS_MAX = 65530 };

int space_init(struct address_space *space, struct guest_memory *memory)
{
	*space = (struct address_space){
		.memory = memory,
		.mmap_base = SPACE_END,
		.limit = UINT64_MAX,
		.data_limit = UINT64_MAX,
		.stack_limit = 8u << 20,
		.batch = 16,
	};
	return paging_init(&space->tables, memory);
}

void area_ref(const struct area *area)
{
	file_ref(area->file);
	shared_memory_ref(area->shared);
}

void area_unref(const struct area *area)
{
	if (area->shared && area->shared->file && !area->is_read_only)
		mapped_write_back(area->shared);
	file_unref(area->file);
	shared_memory_unref(area->shared);
}

static void forget_areas(struct address_space *space)
{
	free(space->areas);
	memory_unkeep(space->memory, space->capacity * sizeof(*space->areas));
	space->areas = NULL;
	space->count = space->capacity = 0;
}

void space_release(struct address_space *space)
{
	for (size_t i = 0; i < space->count; i++)
		area_unref(&space->areas[i]);
	forget_areas(space);
	paging_forget(&space->tables);
}

void space_destroy(struct address_space *space)
{
	space_discard(space, SPACE_START, SPACE_END);
	paging_release(&space->tables);
	space_release(space);
}

void space_forget(struct address_space *space)
{
	for (size_t i = 0; i < space->count; i++)
		shared_memory_forget(space->areas[i].shared);
	forget_areas(space);
	paging_forget(&space->tables);
}

bool space_is_user(uint64_t address, uint64_t size)
{
	return address <= SPACE_END && size <= SPACE_END - address;
}

static bool is_range(uint64_t start, uint64_t end)
{
	return start % GUEST_PAGE == 0 && end % GUEST_PAGE == 0 && start < end && start >= SPACE_START &&
	       end <= SPACE_END;
}

/* The index of the first area that ends behind `address`. */
static size_t first_behind(const struct address_space *space, uint64_t address)
{
	size_t low = 0, high = space->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (space->areas[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

HOT struct area *space_find(struct address_space *space, uint64_t address)
{
	size_t i = first_behind(space, address);
	return i < space->count && space->areas[i].start <= address ? &space->areas[i] : NULL;
}

bool space_is_free(struct address_space *space, uint64_t start, uint64_t end)
{
	size_t i = first_behind(space, start);
	return i == space->count || space->areas[i].start >= end;
}

int space_reserve(struct address_space *space, size_t capacity)
{
	if (capacity <= space->capacity)
		return 0;
	size_t more = (capacity - space->capacity) * sizeof(*space->areas);
	if (memory_keep(space->memory, more) < 0)
		return -ENOMEM;
	struct area *areas = reallocarray(space->areas, capacity, sizeof(*areas));
	if (!areas) {
		memory_unkeep(space->memory, more);
		return -ENOMEM;
	}
	space->areas = areas;
	space->capacity = capacity;
	return 0;
}

static int make_room(struct address_space *space, size_t more)
{
	size_t needed = space->count + more;
	if (needed > AREAS_MAX)
		return -ENOMEM;
	if (needed <= space->capacity)
		return 0;
	return space_reserve(space, needed < 32 ? 32 : needed + needed / 2);
}

/* The caller has made room. */
static void insert_at(struct address_space *space, size_t index, const struct area *area)
{
	memmove(&space->areas[index + 1], &space->areas[index], (space->count - index) * sizeof(*area));
	space->areas[index] = *area;
	space->count++;
}

static void remove_at(struct address_space *space, size_t index)
{
	area_unref(&space->areas[index]);
	space->count--;
	memmove(&space->areas[index], &space->areas[index + 1], (space->count - index) * sizeof(*space->areas));
}

/* Moves the start of an area up, with what belongs to it. */
static void cut_front(struct area *area, uint64_t start)
{
	uint64_t cut = start - area->start;
	area->start = start;
	area->file_offset += cut;
	area->file_size -= cut < area->file_size ? cut : area->file_size;
	area->grows_down = false;
}

/* Makes `address` a border between areas where it lies within one. The caller has made room. */
static void split(struct address_space *space, uint64_t address)
{
	size_t i = first_behind(space, address);
	if (i == space->count || space->areas[i].start >= address)
		return;
	struct area upper = space->areas[i];
	bool grows_down = upper.grows_down;
	cut_front(&upper, address);
	area_ref(&upper);
	insert_at(space, i + 1, &upper);
	space->areas[i].end = address;
	space->areas[i].grows_down = grows_down;
}

static bool can_join(const struct area *lower, const struct area *upper)
{
	return lower->end == upper->start && lower->protection == upper->protection && !lower->file && !upper->file &&
	       !lower->shared && !upper->shared && !upper->grows_down && lower->wipes_on_fork == upper->wipes_on_fork;
}

/* Joins an area with its anonymous neighbours, so that a growing heap stays one area. */
static void join_around(struct address_space *space, size_t index)
{
	if (index + 1 < space->count && can_join(&space->areas[index], &space->areas[index + 1])) {
		space->areas[index].end = space->areas[index + 1].end;
		remove_at(space, index + 1);
	}
	if (index > 0 && index < space->count && can_join(&space->areas[index - 1], &space->areas[index])) {
		space->areas[index - 1].end = space->areas[index].end;
		remove_at(space, index);
	}
}

void space_discard(struct address_space *space, uint64_t start, uint64_t end)
{
	struct page_run run = {.memory = space->memory, .apply = memory_free};
	uint64_t *entry;
	for (uint64_t at = start; (entry = paging_next(&space->tables, &at, end)); at += GUEST_PAGE) {
		entry = paging_to_change(&space->tables, at, entry);
		if (!entry) {
			space->out_of_memory = true;
			break;
		}
		uint64_t page = paging_page(*entry);
		*entry = 0;
		run_add(&run, page);
	}
	run_apply(&run);
}

int space_unmap(struct address_space *space, uint64_t start, uint64_t end)
{
	if (start % GUEST_PAGE || end % GUEST_PAGE || start >= end || end > SPACE_END)
		return -EINVAL;
	if (make_room(space, 2) < 0)
		return -ENOMEM;
	split(space, start);
	split(space, end);
	size_t first = first_behind(space, start), last = first;
	while (last < space->count && space->areas[last].start < end) {
		space->size -= space->areas[last].end - space->areas[last].start;
		area_unref(&space->areas[last]);
		last++;
	}
	if (last == first)
		return 0;
	memmove(&space->areas[first], &space->areas[last], (space->count - last) * sizeof(*space->areas));
	space->count -= last - first;
	space_discard(space, start, end);
	return 0;
}

int space_map(struct address_space *space, const struct area *area)
{
	if (!is_range(area->start, area->end))
		return -EINVAL;
	uint64_t size = area->end - area->start;
	if (space->size > space->limit || size > space->limit - space->size || make_room(space, 3) < 0)
		return -ENOMEM;
	int r = space_unmap(space, area->start, area->end);
	if (r < 0)
		return r;
	size_t index = first_behind(space, area->start);
	insert_at(space, index, area);
	area_ref(area);
	space->size += size;
	join_around(space, index);
	return 0;
}

uint64_t space_choose(struct address_space *space, uint64_t wish, uint64_t size)
{
	size = (size + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);
	wish &= ~(GUEST_PAGE - 1);
	if (size == 0 || size > SPACE_END)
		return 0;
	if (wish && is_range(wish, wish + size) && space_is_free(space, wish, wish + size))
		return wish;

	uint64_t top = space->mmap_base;
	size_t i = first_behind(space, top - 1);
	if (i < space->count && space->areas[i].start < top)
		i++;
	while (i-- > 0) {
		struct area *area = &space->areas[i];
		if (top >= area->end && top - area->end >= size)
			return top - size;
		if (area->start < top)
			top = area->start;
	}
	return top >= SPACE_START + size ? top - size : 0;
}

uint64_t space_make_entry(const struct address_space *space, const struct area *area, uint64_t page)
{
	uint64_t entry = paging_make(page, area->protection);
	bool is_others = area->shared ? memory_is_frozen(space->memory, page) : memory_is_shared(space->memory, page);
	return is_others ? paging_without_write(entry) : entry;
}

/* Whether a part of the range may never be written. */
static bool has_read_only(struct address_space *space, uint64_t start, uint64_t end)
{
	size_t i = first_behind(space, start);
	while (i < space->count && space->areas[i].start < end && !space->areas[i].is_read_only)
		i++;
	return i < space->count && space->areas[i].start < end;
}

/* Gives the pages of an area its rights. */
static void apply_protection(struct address_space *space, const struct area *area)
{
	struct page_run run = {.memory = space->memory, .apply = memory_remap};
	uint64_t *entry;
	for (uint64_t at = area->start; (entry = paging_next(&space->tables, &at, area->end)); at += GUEST_PAGE) {
		uint64_t old = *entry, now = space_make_entry(space, area, paging_page(old));
		if (now == old)
			continue;
		entry = paging_to_change(&space->tables, at, entry);
		if (!entry) {
			space->out_of_memory = true;
			break;
		}
		*entry = now;
		if (paging_takes_rights(old, *entry))
			run_add(&run, paging_page(old));
	}
	run_apply(&run);
}

int space_protect(struct address_space *space, uint64_t start, uint64_t end, unsigned protection)
{
	if (make_room(space, 2) < 0)
		return -ENOMEM;
	if ((protection & PROT_WRITE) && has_read_only(space, start, end))
		return -EACCES;
	/* As on Linux, what lies before a gap is changed all the same. */
	uint64_t covered = start;
	split(space, start);
	split(space, end);
	size_t i = first_behind(space, start);
	for (; i < space->count && space->areas[i].start == covered && covered < end; i++) {
		struct area *area = &space->areas[i];
		covered = area->end;
		if (area->protection == protection)
			continue;
		area->protection = protection;
		apply_protection(space, area);
	}
	size_t next = i < space->count ? i : space->count;
	while (next-- > 0 && space->areas[next].end > start)
		join_around(space, next);
	return covered < end ? -ENOMEM : 0;
}

int space_wipe_on_fork(struct address_space *space, uint64_t start, uint64_t end, bool wipes)
{
	uint64_t covered = start;
	if (make_room(space, 2) < 0)
		return -ENOMEM;
	split(space, start);
	split(space, end);
	for (size_t i = first_behind(space, start);
	     i < space->count && space->areas[i].start == covered && covered < end; i++) {
		struct area *area = &space->areas[i];
		if (area->file || area->shared)
			return -EINVAL;
		area->wipes_on_fork = wipes;
		covered = area->end;
	}
	return covered < end ? -ENOMEM : 0;
}

int space_move_pages(struct address_space *space, uint64_t from, uint64_t to, uint64_t size)
{
	struct page_run run = {.memory = space->memory, .apply = memory_remap};
	uint64_t *entry;
	for (uint64_t at = from; (entry = paging_next(&space->tables, &at, from + size)); at += GUEST_PAGE) {
		uint64_t *target = paging_entry(&space->tables, to + (at - from), true);
		entry = target ? paging_to_change(&space->tables, at, entry) : NULL;
		if (!entry) {
			space->out_of_memory = true;
			break;
		}
		*target = *entry;
		*entry = 0;
		run_add(&run, paging_page(*target));
	}
	run_apply(&run);
	return space->out_of_memory ? -ENOMEM : 0;
}

uint64_t space_set_heap_end(struct address_space *space, uint64_t end)
{
	uint64_t old_top = (space->heap_end + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);
	if (end < space->heap_start || end >= space->mmap_base || end - space->heap_start > space->data_limit)
		return space->heap_end;
	uint64_t new_top = (end + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);

	if (new_top > old_top) {
		struct area heap = {.start = old_top, .end = new_top, .protection = PROT_READ | PROT_WRITE};
		if (!space_is_free(space, old_top, new_top) || space_map(space, &heap) < 0)
			return space->heap_end;
	} else if (new_top < old_top && space_unmap(space, new_top, old_top) < 0) {
		return space->heap_end;
	}
	space->heap_end = end;
	return end;
}
