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
};

struct objects {
	struct object **items;
	size_t count;
	size_t capacity;
};

/*
 * Reads the ELF file at `path`, an absolute path. 0; 1 where there is an ELF file of another machine; or -ENOENT or
 * -EACCES, without setting the error, where there is none that can be read; or another negative errno with the error
 * set.
 */
int objects_open(struct objects *objects, const char *path, struct object **out_object);

void objects_clear(struct objects *objects);

#endif
