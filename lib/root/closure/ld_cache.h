/* SPDX-License-Identifier: MIT */
/* /etc/ld.so.cache of glibc, read by ourselves. */
#ifndef ROOT_LD_CACHE_H
#define ROOT_LD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ld_cache {
	char *file;       /* the whole file; NULL where there is none */
	const char *base; /* where the cache begins in it; offsets count from here */
	size_t size;      /* of what begins there */
	size_t count;     /* entries */
};

/* Takes a file over that was read into memory; what is no cache, or a damaged one, becomes an empty cache. */
void ld_cache_parse(struct ld_cache *cache, char *file, size_t size);

/* Reads the host's cache; without a usable one the cache is empty. 0 or -ENOMEM with the error set. */
int ld_cache_load(struct ld_cache *cache, const char *path);

/*
 * The next entry for `name` that this machine's loader may use. `*position` begins at 0. NULL at the end.
 * `*out_baseline` says whether every processor can use it; the others are for some only.
 */
const char *ld_cache_next(const struct ld_cache *cache, const char *name, size_t *position, bool *out_baseline);

void ld_cache_clear(struct ld_cache *cache);

#endif
