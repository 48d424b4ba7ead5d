/* SPDX-License-Identifier: MIT */
/*
 * The guest's page tables: four levels of 4 KiB pages, written by the host only. They lie in guest memory at addresses
 * that the guest has no mapping for. Even so every step of a walk is checked against the size of the memory.
 */
#ifndef GUEST_X86_64_PAGING_H
#define GUEST_X86_64_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/memory/memory.h"

/* A table of the lowest level that a clone has of its own. */
struct table_copy {
	uint64_t table;   /* guest-physical */
	uint64_t origin;  /* the frozen table that it was copied from; 0 for none */
	uint64_t address; /* of what its first entry maps */
};

/* A page that a clone has kept at its reset for the next time. */
struct kept_page {
	uint64_t page;   /* guest-physical */
	uint64_t before; /* the frozen entry in whose place it is */
	bool is_empty;   /* there it holds nothing but zeroes, or is none */
};

struct page_tables {
	struct guest_memory *memory;
	uint64_t root; /* guest-physical: CR3 */
	/* In a clone: the root of the snapshot's tables, and which tables may differ from those; 0 after execve(2). */
	uint64_t origin;
	struct table_copy *copies;
	size_t copy_count;
	size_t copy_capacity;
	/* Where no entry may have changed since the last reset, these are all that differ. */
	bool is_touched;
	struct kept_page *kept;
	size_t kept_count;
	size_t kept_capacity;
};

/* 0 or -ENOMEM. */
int paging_init(struct page_tables *tables, struct guest_memory *memory);

/* The same tables as those that are frozen at `root`, of which each is copied before it is changed. 0 or -ENOMEM. */
int paging_init_clone(struct page_tables *tables, struct guest_memory *memory, uint64_t root);

/* Maps one page for the guest's supervisor only. 0 or -ENOMEM. */
int paging_map_supervisor(struct page_tables *tables, uint64_t address, uint64_t page, bool writable, bool executable);

/*
 * Maps one page of the library's own for the program, with PROT_ bits. It does not count as allocated: no call of the
 * program gets at it. 0 or -ENOMEM.
 */
int paging_map_shared(struct page_tables *tables, uint64_t address, uint64_t page, unsigned protection);

/*
 * The entry of a user page, for the calls below; NULL where a table on the way is missing, or with `make` where there
 * is no memory for it. Only with `make` it may be changed.
 */
uint64_t *paging_entry(struct page_tables *tables, uint64_t address, bool make);

/* An entry that was found without `make`, to be changed. NULL without memory. */
uint64_t *paging_to_change(struct page_tables *tables, uint64_t address, uint64_t *entry);

/*
 * The first address in [address, end) that has a page, and its entry, which is not to be changed; NULL where there is
 * none.
 */
uint64_t *paging_next(struct page_tables *tables, uint64_t *address, uint64_t end);

/* An entry for a page with the PROT_ bits of mmap(2). With PROT_NONE the page stays allocated, out of the guest's
 * reach. */
uint64_t paging_make(uint64_t page, unsigned protection);

/* True where a change of an entry takes rights away, so that what KVM or the processor remembers of it must go. */
bool paging_takes_rights(uint64_t before, uint64_t after);

/* The same entry without the right to write. */
uint64_t paging_without_write(uint64_t entry);
bool paging_is_writable(uint64_t entry);

/* Gives new tables all that others have below `end`. 0 or -ENOMEM. */
int paging_copy_below(struct page_tables *to, struct page_tables *from, uint64_t end);

/*
 * In a clone: puts a copy of its own in the place of a page of the snapshot, with the same rights. Its guest-physical
 * address; 0 without memory.
 */
uint64_t paging_own_page(struct page_tables *tables, uint64_t address);

/* Puts the page that other tables have at an address there too. 0 or -ENOMEM. */
int paging_take_page(struct page_tables *to, struct page_tables *from, uint64_t address);

/* At a reset: from now on no entry has changed but those that paging_keep() is told. 0 or -ENOMEM. */
void paging_begin_reset(struct page_tables *tables);
int paging_keep(struct page_tables *tables, const struct kept_page *kept);

/* Gives the tables back; the pages that they lead to have been given back before. No processor uses them any more. */
void paging_release(struct page_tables *tables);

/* Before the guest's memory goes as a whole, and in a forked child of the host: frees the host's memory only. */
void paging_forget(struct page_tables *tables);

/* True where a page is allocated; its guest-physical address. */
bool paging_is_allocated(uint64_t entry);
uint64_t paging_page(uint64_t entry);

#endif
