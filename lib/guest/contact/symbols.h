/* SPDX-License-Identifier: MIT */
/* Functions of a guest's program by their names, from the symbol tables of the files that it has mapped. */
#ifndef GUEST_CONTACT_SYMBOLS_H
#define GUEST_CONTACT_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address_space;
struct file;

/* What was found last; valid as long as the same part of the same file is mapped there. */
struct symbol {
	char *name;
	uint64_t address;
	struct file *file; /* owned reference */
	uint64_t offset;   /* in the file */
	bool is_sure; /* found while the program was as its snapshot, which a program may change so as to hide it */
};

enum { SYMBOLS_CACHED = 16 };

struct symbol_cache {
	struct symbol entries[SYMBOLS_CACHED];
	unsigned next;        /* to be replaced */
	bool program_has_run; /* since the start, or since symbols_check() */
};

/* The address of a function; 0 where there is none of that name. -ENOMEM. */
int symbol_find(struct symbol_cache *cache, struct address_space *space, const char *name, uint64_t *out_address);

/* The program is as its snapshot again: what was found in a changed one is looked for anew, or forgotten. */
void symbols_check(struct symbol_cache *cache, struct address_space *space);

void symbols_release(struct symbol_cache *cache);

#endif
