/* SPDX-License-Identifier: MIT */
/*
 * The address space of the guest's program, kept as Linux keeps it: a sorted list of areas; pages are given to them
 * when they are touched. What the guest may reach is decided here, never by what it can write to.
 */
#ifndef GUEST_MEMORY_ADDRESS_SPACE_H
#define GUEST_MEMORY_ADDRESS_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/memory/memory.h"
#include "guest/x86_64/paging.h"

/* The bounds of user addresses, as on Linux: mmap_min_addr, and one page below the end of the lower half. */
#define SPACE_START 0x10000ull
#define SPACE_END 0x7ffffffff000ull

struct copy_map;
struct file;
struct shared_memory;

struct area {
	uint64_t start;
	uint64_t end;
	unsigned protection;          /* PROT_ bits */
	bool grows_down;              /* the stack */
	bool is_program;              /* a segment of an ELF file: zeroes beyond file_size instead of SIGBUS */
	bool wipes_on_fork;           /* MADV_WIPEONFORK */
	bool is_read_only;            /* MAP_SHARED of a file that was opened for reading: never to be written */
	struct file *file;            /* owned reference; NULL for anonymous memory */
	struct shared_memory *shared; /* owned reference; MAP_SHARED, but of a file that nobody can change */
	uint64_t file_offset;         /* of `start`, also in what is shared */
	uint64_t file_size;           /* is_program: how many bytes from `start` on come from the file */
};

/* See fault.c. */
struct stale_page {
	uint64_t page;
	uint64_t old;
};

enum { STALE_PAGES = 64 };

struct address_space {
	struct page_tables tables;
	struct guest_memory *memory;
	struct area *areas; /* sorted, not overlapping */
	size_t count;
	size_t capacity;
	uint64_t size;       /* bytes in all areas */
	uint64_t mmap_base;  /* areas without a wished address go below it */
	uint64_t heap_start; /* brk(2) */
	uint64_t heap_end;
	uint64_t limit;       /* RLIMIT_AS */
	uint64_t data_limit;  /* RLIMIT_DATA, of the heap */
	uint64_t stack_limit; /* RLIMIT_STACK */
	uint64_t next_fault;  /* where the last batch of pages ended */
	size_t batch;         /* pages that are given at once to a program that touches one after the other */
	unsigned sharers;     /* processes that use it beside one: children of vfork(2) */
	bool out_of_memory;   /* a page was needed and none was left: the program must be ended */
	/* From here on a reset leaves it all. */
	struct stale_page stale[STALE_PAGES];
	size_t stale_count;
};

/* 0 or -ENOMEM. */
int space_init(struct address_space *space, struct guest_memory *memory);

/*
 * Makes `to` a copy of another address space of the same guest, as fork(2) does: private pages are shared until one of
 * the two writes to them. The supervisor's pages are the same in both. 0 or -ENOMEM; then `to` holds nothing.
 */
int space_copy(struct address_space *to, struct address_space *from);

/*
 * For a snapshot. What is written from now on is copied first, so that memory can be frozen; areas other than shared
 * ones. Then a copy of all but the memory is kept in `out`, in which copies of the files have taken the places of those
 * that are mapped. What several address spaces map or share is copied once, by the map. 0 or a negative errno.
 */
void space_freeze(struct address_space *space);
int space_keep(struct address_space *out, const struct address_space *space, struct copy_map *things);

/*
 * What a clone begins with: the snapshot's, above its frozen memory. The pages of the system are those of `first`, or
 * its own with NULL. 0 or -ENOMEM; then nothing is left.
 */
int space_clone(struct address_space *out, const struct address_space *kept, struct guest_memory *memory,
		struct address_space *first, struct copy_map *things);

/* The two are alike: adds what areas share to the map. 0 or -ENOMEM. */
int space_map_shared(const struct address_space *from, const struct address_space *to, struct copy_map *things);

/*
 * Makes a clone's what it was in the beginning. Pages of its own that it will likely write to again stay, up to a
 * bound, and have what they are copies of. 0 or -ENOMEM. Neither it nor the snapshot has shared areas.
 */
int space_reset(struct address_space *space, const struct address_space *kept);

void space_release_kept(struct address_space *kept);
bool space_has_shared(const struct address_space *space);

/* References to what an area holds. */
void area_ref(const struct area *area);
void area_unref(const struct area *area);

/* Before the guest's memory goes as a whole: gives back the rest. */
void space_release(struct address_space *space);

/* For a process that has ended, or begins anew: gives its pages and page tables back too. The processor has left them.
 */
void space_destroy(struct address_space *space);

/* In a forked child of the host: frees the host's memory only. */
void space_forget(struct address_space *space);

/* Room for so many areas in the list, which counts as the guest's memory. 0 or -ENOMEM. */
int space_reserve(struct address_space *space, size_t capacity);

/* The area that holds `address`, or NULL. */
struct area *space_find(struct address_space *space, uint64_t address);

/*
 * Adds an area at exactly area->start; what is there is replaced. The caller keeps its references.
 * 0, or -ENOMEM (no memory, too many areas, over RLIMIT_AS) or -EINVAL (not page-aligned, or outside of user
 * addresses).
 */
int space_map(struct address_space *space, const struct area *area);

/* A free range of `size` bytes, at `wish` where that is free; 0 where there is none. */
uint64_t space_choose(struct address_space *space, uint64_t wish, uint64_t size);

/* True where nothing is mapped in the range. */
bool space_is_free(struct address_space *space, uint64_t start, uint64_t end);

/* As munmap(2) and mprotect(2) of page-aligned ranges: 0, -EINVAL, -ENOMEM or -EACCES. */
int space_unmap(struct address_space *space, uint64_t start, uint64_t end);
int space_protect(struct address_space *space, uint64_t start, uint64_t end, unsigned protection);

/* Moves the pages of an area's range to a range of the same length that is mapped and has no pages. 0 or -ENOMEM. */
int space_move_pages(struct address_space *space, uint64_t from, uint64_t to, uint64_t size);

/* The entry for a page of an area: it can be written only where no other owner would see it, or all are to. */
uint64_t space_make_entry(const struct address_space *space, const struct area *area, uint64_t page);

/* Whether children of fork(2) find zeroes there: 0; -EINVAL where it is not private and anonymous, -ENOMEM. */
int space_wipe_on_fork(struct address_space *space, uint64_t start, uint64_t end, bool wipes);

/* Throws the pages of a range away; they are made anew when touched (MADV_DONTNEED). */
void space_discard(struct address_space *space, uint64_t start, uint64_t end);

/* As brk(2): the end of the heap afterwards. */
uint64_t space_set_heap_end(struct address_space *space, uint64_t end);

/* True where [address, address + size) lies within user addresses. */
bool space_is_user(uint64_t address, uint64_t size);

#endif
