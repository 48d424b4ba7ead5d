/* SPDX-License-Identifier: MIT */
#include "guest/memory/fault.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/memory/shared_memory.h"
#include "guest/program/file.h"

/*
 * An exit of the guest costs as much as clearing a hundred pages, so that several pages are given at once: files by
 * aligned windows, anonymous memory in batches that grow while the program goes on where the last batch ended.
 */
enum { WINDOW = 16, BATCH_MAX = 256, TABLE_PAGES = 512 };

/* Linux keeps this distance below a growing stack (stack_guard_gap). */
static const uint64_t stack_guard = 256 * GUEST_PAGE;

static struct area *grow_stack(struct address_space *space, uint64_t address)
{
	uint64_t start = address & ~(GUEST_PAGE - 1);
	for (size_t i = 0; i < space->count; i++) {
		struct area *area = &space->areas[i];
		if (!area->grows_down || area->start <= address)
			continue;
		uint64_t grown = area->start - start;
		if (start < SPACE_START || area->end - start > space->stack_limit || space->size > space->limit ||
		    grown > space->limit - space->size)
			return NULL;
		if (i > 0 && (start < stack_guard || space->areas[i - 1].end > start - stack_guard))
			return NULL;
		area->start = start;
		space->size += grown;
		return area;
	}
	return NULL;
}

static bool is_allowed(const struct area *area, unsigned access)
{
	/* On x86 whatever is mapped with any right can be read, unless protection keys are used. */
	if (access == PROT_READ)
		return area->protection & (PROT_READ | PROT_WRITE | PROT_EXEC);
	return area->protection & access;
}

/* How many pages the next batch of anonymous memory has. */
static size_t choose_batch(struct address_space *space, uint64_t page)
{
	if (page == space->next_fault)
		space->batch = space->batch * 2 < BATCH_MAX ? space->batch * 2 : BATCH_MAX;
	else
		space->batch = WINDOW;
	/* Where memory gets scarce nothing is given that may not be needed. */
	uint64_t left = memory_left(space->memory);
	if (space->memory->used > left)
		return page == space->next_fault && left > 8 * BATCH_MAX ? WINDOW : 1;
	return space->batch;
}

struct range {
	uint64_t start;
	uint64_t end;
};

/* The pages without memory around `page`, all within its area and one page table. `entry` is that of `page`. */
static struct range choose_range(struct address_space *space, const struct area *area, uint64_t page,
				 const uint64_t *entry)
{
	uint64_t table = page & ~(TABLE_PAGES * GUEST_PAGE - 1);
	struct range bounds = {table, table + TABLE_PAGES * GUEST_PAGE};
	size_t batch = area->file ? WINDOW : choose_batch(space, page);
	if (area->file) {
		bounds.start = page & ~(WINDOW * GUEST_PAGE - 1);
		bounds.end = bounds.start + WINDOW * GUEST_PAGE;
	} else if (area->grows_down) {
		bounds.end = page + GUEST_PAGE;
	} else {
		bounds.start = page;
	}
	if (bounds.start < area->start)
		bounds.start = area->start;
	if (bounds.end > area->end)
		bounds.end = area->end;

	struct range range = {page, page + GUEST_PAGE};
	size_t pages = 1;
	for (const uint64_t *at = entry + 1; range.end < bounds.end && pages < batch && !paging_is_allocated(*at);
	     at++) {
		range.end += GUEST_PAGE;
		pages++;
	}
	for (const uint64_t *at = entry - 1; range.start > bounds.start && pages < batch && !paging_is_allocated(*at);
	     at--) {
		range.start -= GUEST_PAGE;
		pages++;
	}
	return range;
}

/* Reads the contents of a file area; how many of the pages have any. */
static size_t fill_from_file(const struct area *area, uint64_t start, uint8_t *memory, size_t pages)
{
	uint64_t offset = start - area->start;
	size_t wanted = pages * GUEST_PAGE;
	if (area->is_program) {
		uint64_t left = offset < area->file_size ? area->file_size - offset : 0;
		wanted = left < wanted ? left : wanted;
	}
	ssize_t got = file_read_at(area->file, memory, wanted, area->file_offset + offset);
	if (area->is_program)
		return got < (ssize_t)wanted ? 0 : pages;
	return got < 0 ? 0 : ((size_t)got + GUEST_PAGE - 1) / GUEST_PAGE;
}

static int no_page_left(struct address_space *space)
{
	space->out_of_memory = true;
	return -ENOMEM;
}

static int give_pages(struct address_space *space, struct area *area, uint64_t page, uint64_t *entry)
{
	struct range range = choose_range(space, area, page, entry);
	size_t pages;
	uint64_t memory = memory_allocate(space->memory, (range.end - range.start) / GUEST_PAGE, &pages);
	if (!memory)
		return no_page_left(space);
	if (page >= range.start + pages * GUEST_PAGE)
		range.start = page - (pages - 1) * GUEST_PAGE;

	size_t filled = pages;
	if (area->file)
		filled = fill_from_file(area, range.start, memory_page(space->memory, memory), pages);
	if (filled < pages)
		memory_free(space->memory, memory + filled * GUEST_PAGE, pages - filled);
	if (page >= range.start + filled * GUEST_PAGE) {
		memory_free(space->memory, memory, filled);
		return -EIO;
	}
	uint64_t *first = entry - (page - range.start) / GUEST_PAGE;
	for (size_t i = 0; i < filled; i++)
		first[i] = paging_make(memory + i * GUEST_PAGE, area->protection);
	if (!area->file)
		space->next_fault = range.start + filled * GUEST_PAGE;
	return 0;
}

/* As give_pages(), of what several processes share: up to a window of pages, as far as they lie in the area. */
static int give_shared(struct address_space *space, const struct area *area, uint64_t page, uint64_t *entry)
{
	uint64_t end = (page & ~(WINDOW * GUEST_PAGE - 1)) + WINDOW * GUEST_PAGE;
	if (end > area->end)
		end = area->end;
	for (uint64_t at = page; at < end && !paging_is_allocated(*entry); at += GUEST_PAGE, entry++) {
		uint64_t memory, number = (area->file_offset + (at - area->start)) / GUEST_PAGE;
		int r = shared_memory_page(area->shared, number, &memory);
		if (r < 0 && at > page)
			break;
		if (r < 0)
			return r == -ENOMEM ? no_page_left(space) : r;
		*entry = paging_make(memory, area->protection);
	}
	return 0;
}

/*
 * After a write fault of the guest KVM can still have the old page in its shadow of the page tables, for reading, until
 * the guest makes its write again. Nobody can see that, unless the host writes to the new page before. So the last ones
 * are remembered, and KVM is made to forget a page only where it matters: that is dear with a memory that thousands of
 * virtual machines share (mmu_notifier(9)).
 */
static void note_stale(struct address_space *space, uint64_t page, uint64_t old)
{
	if (space->stale_count == STALE_PAGES) {
		memory_remap(space->memory, space->stale[0].old, 1);
		space->stale[0] = space->stale[--space->stale_count];
	}
	space->stale[space->stale_count++] = (struct stale_page){page, old};
}

/* The host is about to write to a page. */
static void settle(struct address_space *space, uint64_t page)
{
	for (size_t i = 0; i < space->stale_count; i++)
		if (space->stale[i].page == page) {
			memory_remap(space->memory, space->stale[i].old, 1);
			space->stale[i--] = space->stale[--space->stale_count];
		}
}

/* The first write to a page that may not be written yet, though its area may: others have it too, or had it. */
static int own_page(struct address_space *space, const struct area *area, uint64_t *entry, bool by_guest)
{
	uint64_t old = paging_page(*entry);
	if (area->shared || !memory_is_shared(space->memory, old)) {
		*entry = paging_make(old, area->protection);
		return 0;
	}
	size_t pages;
	const void *from = memory_page(space->memory, old);
	uint64_t own = from ? memory_allocate(space->memory, 1, &pages) : 0;
	if (!own)
		return no_page_left(space);
	memcpy(memory_page(space->memory, own), from, GUEST_PAGE);
	*entry = paging_make(own, area->protection);
	if (by_guest && memory_is_frozen(space->memory, old)) {
		memory_leave_frozen(space->memory, 1);
		note_stale(space, own, old);
	} else {
		memory_free(space->memory, old, 1);
	}
	return 0;
}

static int touch(struct address_space *space, uint64_t address, unsigned access, bool by_guest)
{
	struct area *area = space_find(space, address);
	if (!area)
		area = grow_stack(space, address);
	if (!area || !is_allowed(area, access))
		return -EFAULT;
	uint64_t page = address & ~(GUEST_PAGE - 1);
	uint64_t *entry = paging_entry(&space->tables, page, true);
	if (!entry)
		return no_page_left(space);
	if (!paging_is_allocated(*entry))
		return area->shared ? give_shared(space, area, page, entry) : give_pages(space, area, page, entry);
	if (access == PROT_WRITE && !paging_is_writable(*entry))
		return own_page(space, area, entry, by_guest);
	/* It is there already: the processor remembered rights from before they were widened. */
	return 0;
}

int space_fault(struct address_space *space, uint64_t address, unsigned access)
{
	return touch(space, address, access, true);
}

/* The host's address of a guest byte, and how many follow it in the same page; NULL where the guest may not reach it.
 */
static uint8_t *host_address(struct address_space *space, uint64_t address, unsigned access, size_t *out_left)
{
	struct area *area = space_find(space, address);
	uint64_t *entry = area && is_allowed(area, access) ? paging_entry(&space->tables, address, false) : NULL;
	if (!entry || !paging_is_allocated(*entry) || (access == PROT_WRITE && !paging_is_writable(*entry))) {
		if (touch(space, address, access, false) < 0)
			return NULL;
		entry = paging_entry(&space->tables, address, false);
	}
	if (access == PROT_WRITE && space->stale_count)
		settle(space, paging_page(*entry));
	uint8_t *page = memory_page(space->memory, paging_page(*entry));
	if (!page)
		return NULL;
	*out_left = GUEST_PAGE - address % GUEST_PAGE;
	return page + address % GUEST_PAGE;
}

int space_pieces(struct address_space *space, uint64_t address, uint64_t size, unsigned access, struct iovec *out,
		 int max, size_t *out_size)
{
	int count = 0;
	size_t total = 0;
	if (!space_is_user(address, size))
		return -EFAULT;
	while (total < size) {
		size_t left;
		uint8_t *host = host_address(space, address + total, access, &left);
		if (!host)
			break;
		if (left > size - total)
			left = size - total;
		if (count && (uint8_t *)out[count - 1].iov_base + out[count - 1].iov_len == host)
			out[count - 1].iov_len += left;
		else if (count < max)
			out[count++] = (struct iovec){host, left};
		else
			break;
		total += left;
	}
	*out_size = total;
	return count == 0 && size > 0 ? -EFAULT : count;
}

bool space_can_read(struct address_space *space, uint64_t address, size_t size)
{
	if (!space_is_user(address, size))
		return false;
	for (size_t done = 0, left; done < size; done += left)
		if (!host_address(space, address + done, PROT_READ, &left))
			return false;
	return true;
}

int space_read(struct address_space *space, void *out, uint64_t address, size_t size)
{
	if (!space_is_user(address, size))
		return -EFAULT;
	for (size_t done = 0, left; done < size; done += left) {
		const uint8_t *host = host_address(space, address + done, PROT_READ, &left);
		if (!host)
			return -EFAULT;
		if (left > size - done)
			left = size - done;
		memcpy((uint8_t *)out + done, host, left);
	}
	return 0;
}

int space_write(struct address_space *space, uint64_t address, const void *data, size_t size)
{
	if (!space_is_user(address, size))
		return -EFAULT;
	for (size_t done = 0, left; done < size; done += left) {
		uint8_t *host = host_address(space, address + done, PROT_WRITE, &left);
		if (!host)
			return -EFAULT;
		if (left > size - done)
			left = size - done;
		memcpy(host, (const uint8_t *)data + done, left);
	}
	return 0;
}

ssize_t space_read_string(struct address_space *space, char *out, uint64_t address, size_t max)
{
	for (size_t done = 0, left; done < max; done += left) {
		if (!space_is_user(address + done, 1))
			return -EFAULT;
		const uint8_t *host = host_address(space, address + done, PROT_READ, &left);
		if (!host)
			return -EFAULT;
		if (left > max - done)
			left = max - done;
		memcpy(out + done, host, left);
		const char *end = memchr(out + done, '\0', left);
		if (end)
			return end - out;
	}
	return -ENAMETOOLONG;
}
