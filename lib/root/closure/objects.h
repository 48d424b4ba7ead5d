/* SPDX-License-Identifier: MIT */
/* The ELF files that were read while a closure is made: each is read once. */
#ifndef ROOT_OBJECTS_H
#define ROOT_OBJECTS_H

#include <stddef.h>

#include "root/closure/elf.h"

struct object {
	char *path;           /* by which it was opened; the loader takes $ORIGIN from it */
	size_t origin_length; /* of the directory in `path` */
	struct elf elf;
	unsigned uses; /* see uses.h */
	bool uses_known;
};

struct source;

struct objects {
	const struct source *source;
	struct object **items;
	size_t count;
	size_t capacity;
};

/*
 * Reads the ELF file at `path`, an absolute path in the source. 0; 1 where there is an ELF file of another kind than
 * `kind`, unless that is NULL; or -ENOENT or -EACCES, without setting the error, where there is none that can be read;
 * or another negative errno with the error set.
 */
int objects_open(struct objects *objects, const char *path, const struct elf_kind *kind, struct object **out_object);

void objects_clear(struct objects *objects);

#endif
