/* SPDX-License-Identifier: MIT */
/*
 * Guest-physical memory: one anonymous mapping of the host, handed out by the page. All that a guest has, page tables
 * included, comes from here, so its size is the guest's memory limit. A clone has the memory of its snapshot below its
 * own, which it shares with all other clones.
 */
#ifndef GUEST_MEMORY_MEMORY_H
#define GUEST_MEMORY_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/memory/frozen.h"
#include "guest/memory/owners.h"

#define GUEST_PAGE 4096ull

/* Adjacent pages that were given back, by number. */
struct page_extent {
	uint32_t first;
	uint32_t pages;
};

struct guest_memory {
	struct frozen_memory *frozen; /* a reference of its own; NULL where this is no clone */
	uint64_t start;               /* guest-physical, where its own memory begins */
	uint8_t *base;                /* the host's address of `start` */
	uint64_t size;                /* where its own memory ends */
	uint64_t limit;               /* pages that may be handed out at once */
	void *mapping;                /* base is aligned within it */
	size_t mapping_size;
	int vm_fd;
	uint64_t backed; /* guest-physical bytes that KVM knows about */
	bool has_run;    /* before the first run KVM knows nothing that it would have to forget */
	unsigned slots;
	uint64_t next; /* below it pages have been handed out at least once */
	struct page_extent *freed;
	size_t freed_count;
	size_t freed_capacity;
	uint64_t used;           /* pages that are handed out, of the frozen ones too */
	uint64_t own;            /* of these, not frozen */
	uint64_t further_frozen; /* owners that frozen pages have beside one for each: of processes that forked */
	uint64_t peak;
	uint64_t kept; /* bytes of the host that are kept for it beside its memory */
	struct page_owners owners;
	uint64_t *tables; /* page tables that were given back and may not be used again yet */
	size_t table_count;
	size_t table_capacity;
};

/*
 * Reserves the memory and gives the first part of it to the VM; with -1 there is none, as in tests. 0 or a negative
 * errno with the error set.
 */
int memory_init(struct guest_memory *memory, uint64_t size, int vm_fd);

/* The same for a clone, above what is frozen. It takes a reference of its own. */
int memory_init_clone(struct guest_memory *memory, struct frozen_memory *frozen, uint64_t size, int vm_fd);

/* Gives it back; nothing happens where memory_init() was not called or failed. */
void memory_release(struct guest_memory *memory);

/* In a forked child, where the mapping is absent (MADV_DONTFORK): frees the bookkeeping only. */
void memory_forget(struct guest_memory *memory);

/*
 * Up to `wanted` adjacent pages, all zero. The guest-physical address of the first; `*out_pages` tells how many. 0
 * where none is left.
 */
uint64_t memory_allocate(struct guest_memory *memory, size_t wanted, size_t *out_pages);

/*
 * Takes one owner of each of these adjacent pages away, and those back that had no other. The entry of the page table
 * by which the guest reached them through this owner is gone already, and works no longer afterwards.
 */
void memory_free(struct guest_memory *memory, uint64_t address, size_t pages);

/* In a clone: pages that are frozen are not used any more; KVM may still know them. */
void memory_leave_frozen(struct guest_memory *memory, size_t pages);

/* After a reset: all that is frozen is used again, but for `copies` pages that are there twice. */
void memory_count_anew(struct guest_memory *memory, size_t copies);

/* One more owner of a page: it takes as many memory_free() until it is given back. 0 or -ENOMEM. */
int memory_share(struct guest_memory *memory, uint64_t address);

/* True where a page has further owners, so that it must be copied before one of them changes it. */
bool memory_is_shared(const struct guest_memory *memory, uint64_t address);

/* Takes a page table back that no processor uses any more. */
void memory_free_table(struct guest_memory *memory, uint64_t address);

/* Makes KVM forget how it mapped these pages, so that a change in the guest's page tables takes effect. */
void memory_remap(struct guest_memory *memory, uint64_t address, size_t pages);

/*
 * What the library keeps for the guest, as the kernel keeps it for a process: it counts against the limit as that of
 * the kernel does for a control group. 0, or -ENOMEM where it does not fit beside what is used. NULL: nobody counts.
 */
int memory_keep(struct guest_memory *memory, uint64_t bytes);
void memory_unkeep(struct guest_memory *memory, uint64_t bytes);

/* How many pages may still be handed out. */
static inline uint64_t memory_left(const struct guest_memory *memory)
{
	uint64_t taken = memory->used + (memory->kept + GUEST_PAGE - 1) / GUEST_PAGE;
	return memory->limit > taken ? memory->limit - taken : 0;
}

/* True where this is memory of a snapshot: by guest-physical address, and by the host's. */
static inline bool memory_is_frozen(const struct guest_memory *memory, uint64_t address)
{
	return address < memory->start;
}

static inline bool memory_holds_frozen(const struct guest_memory *memory, const void *host)
{
	return memory->frozen && (uintptr_t)host - (uintptr_t)memory->frozen->base < memory->frozen->size;
}

/* The host's address of one guest page; NULL where `address` is not within the memory. */
static inline void *memory_page(const struct guest_memory *memory, uint64_t address)
{
	uint64_t page = address & ~(GUEST_PAGE - 1);
	if (address >= memory->start)
		return address < memory->size ? memory->base + (page - memory->start) : NULL;
	return address < memory->frozen->size ? memory->frozen->base + page : NULL;
}

#endif
