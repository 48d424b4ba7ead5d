/* SPDX-License-Identifier: MIT */
/* The root's own /etc/ld.so.cache. */
#ifndef ROOT_LD_CACHE_WRITE_H
#define ROOT_LD_CACHE_WRITE_H

#include <stddef.h>

struct manifest;

struct ld_cache_files {
	char *cache; /* the contents of ld.so.cache; NULL where no program has a glibc loader */
	size_t size;
	char *config; /* for ld.so.conf.d: directories that ldconfig would not look into otherwise; NULL for none */
};

/*
 * Makes the cache of all libraries in the manifest: those in the source's own cache, and those that a program finds by
 * a path of its own. glibc finds $ORIGIN of a program by /proc/self/exe (elf/dl-origin.c), and a jail has no /proc; it
 * asks the cache then. A library that only a path in who needs it leads to is listed only where no other one has its
 * name: it must not become the library of another program. 0 or -ENOMEM with the error set.
 */
int ld_cache_make(const struct manifest *manifest, struct ld_cache_files *out);

void ld_cache_files_clear(struct ld_cache_files *files);

/* The order of the entries, which the loader's binary search counts on; as strcmp(3). Numbers are compared as numbers.
 */
int ld_cache_compare(const char *a, const char *b);

#endif
