/* SPDX-License-Identifier: MIT */
/* See: AMD64 Architecture Programmer's Manual, volume 2, "Long-Mode Page Translation". */
#include "guest/x86_64/paging.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PTE_PRESENT 0x1ull
#define PTE_WRITABLE 0x2ull
#define PTE_USER 0x4ull
#define PTE_ACCESSED 0x20ull
#define PTE_DIRTY 0x40ull
#define PTE_ALLOCATED 0x200ull /* one of the bits that the processor leaves to software */
#define PTE_NO_EXECUTE (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull

enum { LEVELS = 4, ENTRIES = 512 };

/* The number of address bits below those that index a table of this level; level 0 holds the pages. */
static unsigned level_shift(int level)
{
	return 12 + 9 * (unsigned)level;
}

static uint64_t *table_entry(struct page_tables *tables, uint64_t table, uint64_t address, int level)
{
	uint64_t *entries = memory_page(tables->memory, table);
	return entries ? &entries[(address >> level_shift(level)) % ENTRIES] : NULL;
}

static uint64_t allocate_table(struct page_tables *tables)
{
	size_t pages;
	return memory_allocate(tables->memory, 1, &pages);
}

int paging_init(struct page_tables *tables, struct guest_memory *memory)
{
	tables->memory = memory;
	tables->root = allocate_table(tables);
	return tables->root ? 0 : -ENOMEM;
}

int paging_init_clone(struct page_tables *tables, struct guest_memory *memory, uint64_t root)
{
	*tables = (struct page_tables){.memory = memory, .origin = root, .is_touched = true};
	const void *origin = memory_page(memory, root);
	tables->root = origin ? allocate_table(tables) : 0;
	if (!tables->root)
		return -ENOMEM;
	memcpy(memory_page(memory, tables->root), origin, GUEST_PAGE);
	return 0;
}

static bool is_own(const struct page_tables *tables, uint64_t entry)
{
	return (entry & PTE_PRESENT) && !memory_is_frozen(tables->memory, entry & PTE_ADDRESS);
}

static int note_copy(struct page_tables *tables, uint64_t table, uint64_t origin, uint64_t address)
{
	if (tables->copy_count == tables->copy_capacity) {
		size_t capacity = tables->copy_capacity ? 2 * tables->copy_capacity : 8;
		struct table_copy *copies = reallocarray(tables->copies, capacity, sizeof(*copies));
		if (!copies)
			return -ENOMEM;
		tables->copies = copies;
		tables->copy_capacity = capacity;
	}
	tables->copies[tables->copy_count++] =
		(struct table_copy){table, origin, address >> level_shift(1) << level_shift(1)};
	return 0;
}

/* Gives an entry a table of this level that may be changed. 0 or -ENOMEM. */
static int own_table(struct page_tables *tables, uint64_t *entry, uint64_t address, int level)
{
	uint64_t origin = *entry & PTE_PRESENT ? *entry & PTE_ADDRESS : 0;
	const void *from = origin ? memory_page(tables->memory, origin) : NULL;
	uint64_t table = origin && !from ? 0 : allocate_table(tables);
	if (!table || (level == 0 && tables->memory->frozen && note_copy(tables, table, origin, address) < 0))
		return -ENOMEM;
	if (from)
		memcpy(memory_page(tables->memory, table), from, GUEST_PAGE);
	/* Rights are given by the last level alone. */
	*entry = table | PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_ACCESSED;
	return 0;
}

uint64_t *paging_entry(struct page_tables *tables, uint64_t address, bool make)
{
	uint64_t table = tables->root;
	tables->is_touched |= make;
	for (int level = LEVELS - 1; level > 0; level--) {
		uint64_t *entry = table_entry(tables, table, address, level);
		if (!entry)
			return NULL;
		if (make && !is_own(tables, *entry) && own_table(tables, entry, address, level - 1) < 0)
			return NULL;
		if (!(*entry & PTE_PRESENT))
			return NULL;
		table = *entry & PTE_ADDRESS;
	}
	return table_entry(tables, table, address, 0);
}

uint64_t *paging_to_change(struct page_tables *tables, uint64_t address, uint64_t *entry)
{
	tables->is_touched = true;
	return memory_holds_frozen(tables->memory, entry) ? paging_entry(tables, address, true) : entry;
}

void paging_begin_reset(struct page_tables *tables)
{
	tables->is_touched = false;
	tables->kept_count = 0;
}

int paging_keep(struct page_tables *tables, const struct kept_page *page)
{
	if (tables->kept_count == tables->kept_capacity) {
		size_t capacity = tables->kept_capacity ? 2 * tables->kept_capacity : 32;
		struct kept_page *kept = reallocarray(tables->kept, capacity, sizeof(*kept));
		if (!kept)
			return -ENOMEM;
		tables->kept = kept;
		tables->kept_capacity = capacity;
	}
	tables->kept[tables->kept_count++] = *page;
	return 0;
}

uint64_t *paging_next(struct page_tables *tables, uint64_t *address, uint64_t end)
{
	while (*address < end) {
		uint64_t table = tables->root;
		int level = LEVELS - 1;
		uint64_t *entry;
		while ((entry = table_entry(tables, table, *address, level)) && level > 0 && (*entry & PTE_PRESENT)) {
			table = *entry & PTE_ADDRESS;
			level--;
		}
		if (!entry)
			return NULL;
		if (level == 0 && paging_is_allocated(*entry))
			return entry;
		/* Nothing is below this entry: on to the next one of its level. */
		*address = ((*address >> level_shift(level)) + 1) << level_shift(level);
	}
	return NULL;
}

uint64_t paging_make(uint64_t page, unsigned protection)
{
	uint64_t entry = page | PTE_ALLOCATED | PTE_USER | PTE_NO_EXECUTE;
	if (protection & (PROT_READ | PROT_WRITE | PROT_EXEC))
		entry |= PTE_PRESENT | PTE_ACCESSED;
	if (protection & PROT_WRITE)
		entry |= PTE_WRITABLE | PTE_DIRTY;
	if (protection & PROT_EXEC)
		entry &= ~PTE_NO_EXECUTE;
	return entry;
}

uint64_t paging_without_write(uint64_t entry)
{
	return entry & ~PTE_WRITABLE;
}

bool paging_is_writable(uint64_t entry)
{
	return entry & PTE_WRITABLE;
}

bool paging_takes_rights(uint64_t before, uint64_t after)
{
	uint64_t given = PTE_PRESENT | PTE_WRITABLE;
	return (before & PTE_PRESENT) && ((before & ~after & given) || (~before & after & PTE_NO_EXECUTE));
}

bool paging_is_allocated(uint64_t entry)
{
	return entry & PTE_ALLOCATED;
}

uint64_t paging_page(uint64_t entry)
{
	return entry & PTE_ADDRESS;
}

int paging_map_supervisor(struct page_tables *tables, uint64_t address, uint64_t page, bool writable, bool executable)
{
	uint64_t *entry = paging_entry(tables, address, true);
	if (!entry)
		return -ENOMEM;
	*entry = page | PTE_PRESENT | PTE_ACCESSED | (writable ? PTE_WRITABLE | PTE_DIRTY : 0) |
		 (executable ? 0 : PTE_NO_EXECUTE);
	return 0;
}

int paging_copy_below(struct page_tables *to, struct page_tables *from, uint64_t end)
{
	for (uint64_t address = 0; address < end; address += GUEST_PAGE) {
		const uint64_t *entry = paging_entry(from, address, false);
		if (!entry || !(*entry & PTE_PRESENT))
			continue;
		uint64_t *copy = paging_entry(to, address, true);
		if (!copy)
			return -ENOMEM;
		*copy = *entry;
	}
	return 0;
}

uint64_t paging_own_page(struct page_tables *tables, uint64_t address)
{
	size_t pages;
	uint64_t *entry = paging_entry(tables, address, true);
	const void *from = entry && (*entry & PTE_PRESENT) ? memory_page(tables->memory, *entry & PTE_ADDRESS) : NULL;
	uint64_t own = from ? memory_allocate(tables->memory, 1, &pages) : 0;
	if (!own)
		return 0;
	memcpy(memory_page(tables->memory, own), from, GUEST_PAGE);
	*entry = (*entry & ~PTE_ADDRESS) | own;
	return own;
}

int paging_take_page(struct page_tables *to, struct page_tables *from, uint64_t address)
{
	const uint64_t *entry = paging_entry(from, address, false);
	uint64_t *own = paging_entry(to, address, true);
	if (!entry || !own)
		return -ENOMEM;
	*own = *entry;
	return 0;
}

static void release_table(struct page_tables *tables, uint64_t table, int level)
{
	if (memory_is_frozen(tables->memory, table))
		return;
	for (unsigned i = 0; level > 0 && i < ENTRIES; i++) {
		const uint64_t *entry = table_entry(tables, table, (uint64_t)i << level_shift(level), level);
		if (entry && (*entry & PTE_PRESENT))
			release_table(tables, *entry & PTE_ADDRESS, level - 1);
	}
	memory_free_table(tables->memory, table);
}

void paging_release(struct page_tables *tables)
{
	if (tables->root)
		release_table(tables, tables->root, LEVELS - 1);
	paging_forget(tables);
}

void paging_forget(struct page_tables *tables)
{
	free(tables->copies);
	free(tables->kept);
	*tables = (struct page_tables){.memory = tables->memory};
}

int paging_map_shared(struct page_tables *tables, uint64_t address, uint64_t page, unsigned protection)
{
	uint64_t *entry = paging_entry(tables, address, true);
	if (!entry)
		return -ENOMEM;
	*entry = paging_make(page, protection) & ~PTE_ALLOCATED;
	return 0;
}
