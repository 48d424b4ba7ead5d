/* SPDX-License-Identifier: MIT */
#include "guest/memory/memory.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/error.h"
#include "core/hot.h"

/* From Linux 5.14; older C library headers lack it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static const uint64_t huge_page = 2u << 20;

/*
 * KVM keeps some bytes for each page of a slot, which must be cleared when it is made and freed when it goes: a slot of
 * 256 MiB costs three times as much as one of 16 MiB. So the guest starts with a small slot and gets further ones.
 */
static const uint64_t first_slot = 16u << 20;
static const uint64_t first_slot_of_clone = 2u << 20;

/* What a guest needs in any case: a clone, and one that loads a program. */
static const size_t first_pages_of_clone = 16;
static const size_t first_pages = 32;

/* Beyond all the others: each of those doubles what there is. */
static const uint32_t flush_slot = 31;

/* Page tables that wait until all of them can be used again. */
static const size_t tables_max = 256;

static int put_slot(struct guest_memory *memory, uint64_t address, uint64_t size, const uint8_t *host)
{
	struct kvm_userspace_memory_region region = {
		.slot = memory->slots,
		.guest_phys_addr = address,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};
	if (memory->vm_fd >= 0 && ioctl(memory->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return -errno;
	memory->slots++;
	return 0;
}

static int add_slot(struct guest_memory *memory)
{
	uint64_t own = memory->backed - memory->start;
	uint64_t size = own ? own : (memory->frozen ? first_slot_of_clone : first_slot);
	if (size > memory->size - memory->backed)
		size = memory->size - memory->backed;
	int r = put_slot(memory, memory->backed, size, memory->base + own);
	if (r == 0)
		memory->backed += size;
	return r;
}

/* Reserves what the guest gets of its own from memory->start on. */
static int reserve(struct guest_memory *memory, uint64_t size)
{
	uint64_t physical = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	if (size > physical)
		size = physical;
	size &= ~(GUEST_PAGE - 1);
	memory->limit = size / GUEST_PAGE;
	memory->size = memory->start + size;
	memory->backed = memory->next = memory->start;

	size_t mapping_size = size + huge_page;
	void *mapping =
		mmap(NULL, mapping_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapping == MAP_FAILED)
		return error_fail(VISO_STAGE_GUEST, ENOMEM, "mmap", "no address space for %llu bytes of guest memory",
				  (unsigned long long)size);
	memory->mapping = mapping;
	memory->mapping_size = mapping_size;
	memory->base = (uint8_t *)(((uintptr_t)mapping + huge_page - 1) & ~(huge_page - 1));
	/* A fork of the host must neither copy the guest nor make its pages copy-on-write under the running guest. */
	madvise(mapping, mapping_size, MADV_DONTFORK);
	return 0;
}

/*
 * A page that KVM has to fault in costs ten times as much as one that is there, as the neighbours are where there is a
 * huge page. But to clear that takes a tenth of a start, most guests change little, and there may be thousands of them:
 * the first ones are small.
 */
static void back(struct guest_memory *memory, size_t pages)
{
	uint64_t own = memory->size - memory->start;
	if (own > huge_page)
		madvise(memory->base + huge_page, own - huge_page, MADV_HUGEPAGE);
	madvise(memory->base, pages * GUEST_PAGE, MADV_POPULATE_WRITE);
}

static int fail_slot(struct guest_memory *memory, int r)
{
	memory_release(memory);
	return error_fail(VISO_STAGE_KVM, -r, "KVM_SET_USER_MEMORY_REGION", NULL);
}

int memory_init(struct guest_memory *memory, uint64_t size, int vm_fd)
{
	*memory = (struct guest_memory){.vm_fd = vm_fd};
	int r = reserve(memory, size);
	if (r < 0)
		return r;
	memory->next = GUEST_PAGE; /* address 0 stands for none */
	back(memory, first_pages);
	r = add_slot(memory);
	return r < 0 ? fail_slot(memory, r) : 0;
}

int memory_init_clone(struct guest_memory *memory, struct frozen_memory *frozen, uint64_t size, int vm_fd)
{
	*memory = (struct guest_memory){.vm_fd = vm_fd};
	memory->start = (frozen->size + huge_page - 1) & ~(huge_page - 1);
	memory->frozen = frozen_ref(frozen);
	memory->used = memory->peak = frozen->used;
	int r = reserve(memory, size);
	if (r < 0) {
		memory_release(memory);
		return r;
	}
	back(memory, first_pages_of_clone);
	r = put_slot(memory, 0, frozen->size, frozen->base);
	if (r == 0)
		r = add_slot(memory);
	return r < 0 ? fail_slot(memory, r) : 0;
}

void memory_forget(struct guest_memory *memory)
{
	free(memory->freed);
	free(memory->tables);
	owners_release(&memory->owners);
	frozen_unref(memory->frozen);
	*memory = (struct guest_memory){0};
}

void memory_release(struct guest_memory *memory)
{
	if (memory->mapping)
		munmap(memory->mapping, memory->mapping_size);
	memory_forget(memory);
}

static void count_used(struct guest_memory *memory, uint64_t pages)
{
	memory->used += pages;
	memory->own += pages;
	if (memory->used > memory->peak)
		memory->peak = memory->used;
}

/* The most pages, up to `wanted`, that lie together where none was handed out yet. */
static size_t fresh_pages(struct guest_memory *memory, size_t wanted)
{
	while (memory->backed < memory->size && memory->next + wanted * GUEST_PAGE > memory->backed)
		if (add_slot(memory) < 0)
			break;
	uint64_t left = (memory->backed - memory->next) / GUEST_PAGE;
	return left < wanted ? (size_t)left : wanted;
}

/* Up to `wanted` pages of the extent that was freed last; 0 pages where there is none. */
static size_t freed_pages(struct guest_memory *memory, size_t wanted, uint64_t *out_address)
{
	if (wanted == 0 || memory->freed_count == 0)
		return 0;
	struct page_extent *extent = &memory->freed[memory->freed_count - 1];
	size_t pages = extent->pages < wanted ? extent->pages : wanted;
	*out_address = extent->first * GUEST_PAGE;
	extent->first += (uint32_t)pages;
	extent->pages -= (uint32_t)pages;
	if (extent->pages == 0)
		memory->freed_count--;
	return pages;
}

static bool fits_freed(const struct guest_memory *memory, size_t wanted)
{
	return memory->freed_count && memory->freed[memory->freed_count - 1].pages >= wanted;
}

static int remember_freed(struct guest_memory *memory, struct page_extent extent)
{
	struct page_extent *last = memory->freed_count ? &memory->freed[memory->freed_count - 1] : NULL;
	if (last && last->first + last->pages == extent.first) {
		last->pages += extent.pages;
		return 0;
	}
	if (memory->freed_count == memory->freed_capacity) {
		size_t capacity = memory->freed_capacity ? 2 * memory->freed_capacity : 64;
		struct page_extent *freed = reallocarray(memory->freed, capacity, sizeof(*freed));
		if (!freed)
			return -ENOMEM;
		memory->freed = freed;
		memory->freed_capacity = capacity;
	}
	memory->freed[memory->freed_count++] = extent;
	return 0;
}

static void give_back(struct guest_memory *memory, uint64_t address, size_t pages)
{
	/*
	 * KVM does not watch the host's changes to the guest's page tables: with shadow paging, as with a TLB, the
	 * guest would go on to reach the page. Taking the page out of the host's mapping invalidates both
	 * (mmu_notifier(9)).
	 */
	void *host = memory_page(memory, address);
	if (madvise(host, pages * GUEST_PAGE, MADV_DONTNEED) < 0) {
		/* The host has locked its memory (mlockall(2)). */
		memory_remap(memory, address, pages);
		memset(host, 0, pages * GUEST_PAGE);
	}
	if (remember_freed(memory, (struct page_extent){(uint32_t)(address / GUEST_PAGE), (uint32_t)pages}) == 0) {
		memory->used -= pages < memory->used ? pages : memory->used;
		memory->own -= pages;
	}
}

HOT void memory_count_anew(struct guest_memory *memory, size_t copies)
{
	memory->used = memory->frozen->used + memory->own - copies;
	memory->further_frozen = 0;
	memory->peak = memory->used;
}

static bool is_handed_out(const struct guest_memory *memory, uint64_t address, size_t pages)
{
	uint64_t end = memory_is_frozen(memory, address) ? memory->frozen->size : memory->next;
	return pages && address < end && pages <= (end - address) / GUEST_PAGE;
}

void memory_leave_frozen(struct guest_memory *memory, size_t pages)
{
	/* Others go on to have them. What the last process of this guest has lost it may take of its own. */
	uint64_t further = pages < memory->further_frozen ? pages : memory->further_frozen;
	memory->further_frozen -= further;
	pages -= further;
	memory->used -= pages < memory->used ? pages : memory->used;
}

void memory_free(struct guest_memory *memory, uint64_t address, size_t pages)
{
	if (!is_handed_out(memory, address, pages))
		return;
	if (memory_is_frozen(memory, address)) {
		memory_leave_frozen(memory, pages);
		memory_remap(memory, address, pages);
		return;
	}
	for (size_t done = 0, same; done < pages; done += same) {
		uint64_t start = address + done * GUEST_PAGE, first = start / GUEST_PAGE;
		bool has_others = owners_further(&memory->owners, first) > 0;
		/* Looked at before it is counted down: the page that ends a run is the first one of the next. */
		for (same = 0; done + same < pages && (owners_further(&memory->owners, first + same) > 0) == has_others;
		     same++)
			owners_remove(&memory->owners, first + same);
		if (has_others)
			memory_remap(memory, start, same);
		else
			give_back(memory, start, same);
	}
}

int memory_share(struct guest_memory *memory, uint64_t address)
{
	if (!memory_is_frozen(memory, address))
		return owners_add(&memory->owners, address / GUEST_PAGE);
	memory->further_frozen++;
	return 0;
}

int memory_keep(struct guest_memory *memory, uint64_t bytes)
{
	if (!memory)
		return 0;
	if (bytes / GUEST_PAGE >= memory_left(memory))
		return -ENOMEM;
	memory->kept += bytes;
	return 0;
}

void memory_unkeep(struct guest_memory *memory, uint64_t bytes)
{
	if (memory)
		memory->kept -= bytes < memory->kept ? bytes : memory->kept;
}

bool memory_is_shared(const struct guest_memory *memory, uint64_t address)
{
	return memory_is_frozen(memory, address) || owners_further(&memory->owners, address / GUEST_PAGE) > 0;
}

/*
 * Makes KVM forget all that it knows of the guest's page tables: it does when a slot goes
 * (kvm_arch_flush_shadow_memslot() of arch/x86/kvm/mmu/mmu.c). The slot is one of a single page that no page table
 * leads to.
 */
static bool forget_tables(struct guest_memory *memory)
{
	struct kvm_userspace_memory_region region = {
		.slot = flush_slot,
		.guest_phys_addr = memory->size,
		.memory_size = GUEST_PAGE,
		.userspace_addr = (uintptr_t)memory->base,
	};
	if (memory->vm_fd < 0)
		return true;
	if (ioctl(memory->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return false;
	region.memory_size = 0;
	return ioctl(memory->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) == 0;
}

/* Takes the page tables that were given back among the free pages. */
static bool recycle_tables(struct guest_memory *memory)
{
	if (memory->table_count == 0 || !forget_tables(memory))
		return false;
	for (size_t i = 0; i < memory->table_count; i++)
		give_back(memory, memory->tables[i], 1);
	memory->table_count = 0;
	return true;
}

/*
 * With shadow paging KVM keeps a shadow of each page table, found by the table's address, for as long as it sees no
 * write to the table, and the host's writes it does not see. So a page that was a table must not become another one
 * before KVM has forgotten them all, which is dear: it is done for many at once.
 */
void memory_free_table(struct guest_memory *memory, uint64_t address)
{
	if (memory_is_frozen(memory, address) || !is_handed_out(memory, address, 1))
		return;
	if (memory->table_count == memory->table_capacity) {
		size_t capacity = memory->table_capacity ? 2 * memory->table_capacity : 64;
		uint64_t *tables = reallocarray(memory->tables, capacity, sizeof(*tables));
		if (!tables)
			return; /* it is lost to this guest */
		memory->tables = tables;
		memory->table_capacity = capacity;
	}
	memory->tables[memory->table_count++] = address;
	if (memory->table_count >= tables_max)
		recycle_tables(memory);
}

uint64_t memory_allocate(struct guest_memory *memory, size_t wanted, size_t *out_pages)
{
	uint64_t address = memory->next;
	uint64_t left = memory_left(memory);
	if (wanted > left)
		wanted = (size_t)left;
	size_t pages = wanted == 0 || fits_freed(memory, wanted) ? 0 : fresh_pages(memory, wanted);
	if (pages)
		memory->next += pages * GUEST_PAGE;
	else
		pages = freed_pages(memory, wanted, &address);
	if (pages == 0)
		return recycle_tables(memory) ? memory_allocate(memory, wanted, out_pages) : 0;
	if (pages > 1)
		madvise(memory_page(memory, address), pages * GUEST_PAGE, MADV_POPULATE_WRITE);
	count_used(memory, pages);
	*out_pages = pages;
	return address;
}

void memory_remap(struct guest_memory *memory, uint64_t address, size_t pages)
{
	if (!memory->has_run || !is_handed_out(memory, address, pages))
		return;
	/* As in give_back(), but the contents stay. */
	void *host = memory_page(memory, address);
	mprotect(host, pages * GUEST_PAGE, PROT_READ);
	mprotect(host, pages * GUEST_PAGE, PROT_READ | PROT_WRITE);
}
