/* SPDX-License-Identifier: MIT */
/* Functions of a guest's program by their names, from the symbol tables of the files that it has mapped. */
#ifndef GUEST_SYMBOLS_H
#define GUEST_SYMBOLS_H

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
};

enum { SYMBOLS_CACHED = 16 };

struct symbol_cache {
	struct symbol entries[SYMBOLS_CACHED];
	unsigned next; /* to be replaced */
};

/* The address of a function; 0 where there is none of that name. -ENOMEM. */
int symbol_find(struct symbol_cache *cache, struct address_space *space, const char *name, uint64_t *out_address);

void symbols_release(struct symbol_cache *cache);

#endif
