/* SPDX-License-Identifier: MIT */
/* /etc/ld.so.cache of glibc, read by ourselves. */
#ifndef ROOT_LD_CACHE_H
#define ROOT_LD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source;

#define LD_CACHE_PATH "/etc/ld.so.cache"

/* Entries for libraries of any kind: no flags are such. */
enum { LD_CACHE_ANY = 0 };

struct ld_cache {
	char *file;       /* the whole file; NULL where there is none */
	const char *base; /* where the cache begins in it; offsets count from here */
	size_t size;      /* of what begins there */
	size_t count;     /* entries */
	bool swapped;     /* it is of the other byte order */
	uint32_t flags;   /* of the entries that are looked for, or LD_CACHE_ANY, which it begins as */
};

struct ld_cache_entry {
	const char *name;
	const char *path;
	const char *variant; /* the name of its subdirectory of glibc-hwcaps; NULL where it has none */
	uint32_t flags;
	bool baseline; /* every processor can use it */
};

/* Takes a file over that was read into memory; what is no cache, or a damaged one, becomes an empty cache. */
void ld_cache_parse(struct ld_cache *cache, char *file, size_t size);

/* Reads the cache of a tree; without a usable one the cache is empty. */
void ld_cache_load(struct ld_cache *cache, const struct source *source, const char *path);

/* The entry at an index; false where it is damaged. */
bool ld_cache_entry(const struct ld_cache *cache, size_t index, struct ld_cache_entry *out);

/*
 * The next entry for `name` that the loader may use. `*position` begins at 0. NULL at the end.
 * `*out_baseline` says whether every processor can use it; the others are for some only.
 */
const char *ld_cache_next(const struct ld_cache *cache, const char *name, size_t *position, bool *out_baseline);

void ld_cache_clear(struct ld_cache *cache);

#endif
