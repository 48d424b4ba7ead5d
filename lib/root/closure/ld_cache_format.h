/* SPDX-License-Identifier: MIT */
/*
 * The format of /etc/ld.so.cache is that of sysdeps/generic/dl-cache.h in glibc: a header of 48 bytes, entries of 24
 * bytes, strings, and since 2.33 extensions. Older versions put a header and entries of a yet older format in front,
 * which are skipped. Offsets count from the header.
 */
#ifndef ROOT_LD_CACHE_FORMAT_H
#define ROOT_LD_CACHE_FORMAT_H

#include <stdint.h>

#define LD_CACHE_MAGIC "glibc-ld.so.cache1.1"
#define LD_CACHE_OLD_MAGIC "ld.so-1.7.0"

enum {
	LD_CACHE_OLD_HEADER_SIZE = 16,
	LD_CACHE_OLD_ENTRY_SIZE = 12,
	LD_CACHE_ORDER_MASK = 3,
	LD_CACHE_LITTLE_ENDIAN = 2,
	LD_CACHE_BIG_ENDIAN = 3,
};

/* In hwcap: its lower half is an index into the table of names of subdirectories. */
#define LD_CACHE_EXTENSION ((uint64_t)1 << 62)

struct ld_cache_header {
	char magic[20];
	uint32_t count;
	uint32_t strings_size;
	uint8_t flags;
	uint8_t unused[3];
	uint32_t extension; /* offset, or 0 */
	uint32_t unused2[3];
};

struct ld_cache_file_entry {
	uint32_t flags;
	uint32_t key;   /* the name by which a library is asked for */
	uint32_t value; /* its path */
	uint32_t os_version;
	uint64_t hwcap;
};

/* The extensions: this, and for each section an ld_cache_section. */
struct ld_cache_extensions {
	uint32_t magic;
	uint32_t count;
};

enum { LD_CACHE_TAG_VARIANTS = 1 };
#define LD_CACHE_EXTENSION_MAGIC 0xeaa42174u

struct ld_cache_section {
	uint32_t tag;
	uint32_t flags;
	uint32_t offset;
	uint32_t size;
};

_Static_assert(sizeof(struct ld_cache_header) == 48 && sizeof(struct ld_cache_file_entry) == 24 &&
		       sizeof(struct ld_cache_section) == 16,
	       "the format of the file");

#endif
