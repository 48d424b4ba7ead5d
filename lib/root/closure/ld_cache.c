/* SPDX-License-Identifier: MIT */
/* The format is in ld_cache_format.h. Offsets of strings may lead anywhere. */
#include "root/closure/ld_cache.h"

#include <byteswap.h>
#include <stdlib.h>
#include <string.h>

#include "root/closure/ld_cache_format.h"
#include "root/source.h"

static uint32_t number(const struct ld_cache *cache, uint32_t value)
{
	return cache->swapped ? bswap_32(value) : value;
}

/* Whether its byte order is the other one; older versions do not say it and are those of the host. */
static bool is_swapped(const struct ld_cache_header *header)
{
	const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	unsigned order = header->flags & LD_CACHE_ORDER_MASK;
	return order == (little ? LD_CACHE_BIG_ENDIAN : LD_CACHE_LITTLE_ENDIAN);
}

void ld_cache_parse(struct ld_cache *cache, char *file, size_t size)
{
	*cache = (struct ld_cache){.file = file, .flags = LD_CACHE_ANY};
	size_t start = 0;
	if (size >= LD_CACHE_OLD_HEADER_SIZE && !memcmp(file, LD_CACHE_OLD_MAGIC, sizeof(LD_CACHE_OLD_MAGIC) - 1)) {
		uint32_t count;
		memcpy(&count, file + 12, sizeof(count));
		start = (LD_CACHE_OLD_HEADER_SIZE + (size_t)count * LD_CACHE_OLD_ENTRY_SIZE + 7) & ~(size_t)7;
	}
	struct ld_cache_header header;
	if (start > size || size - start < sizeof(header))
		return;
	memcpy(&header, file + start, sizeof(header));
	if (memcmp(header.magic, LD_CACHE_MAGIC, sizeof(header.magic)) != 0)
		return;
	cache->swapped = is_swapped(&header);
	if (number(cache, header.count) > (size - start - sizeof(header)) / sizeof(struct ld_cache_file_entry))
		return;
	cache->base = file + start;
	cache->size = size - start;
	cache->count = number(cache, header.count);
}

void ld_cache_load(struct ld_cache *cache, const struct source *source, const char *path)
{
	enum { CACHE_MAX = 64 << 20 };
	size_t size;
	*cache = (struct ld_cache){0};
	char *file = source_read_sized(source, path, CACHE_MAX, &size);
	if (file)
		ld_cache_parse(cache, file, size);
}

static void read_entry(const struct ld_cache *cache, size_t index, struct ld_cache_file_entry *out)
{
	memcpy(out, cache->base + sizeof(struct ld_cache_header) + index * sizeof(*out), sizeof(*out));
	if (!cache->swapped)
		return;
	out->flags = bswap_32(out->flags);
	out->key = bswap_32(out->key);
	out->value = bswap_32(out->value);
	out->hwcap = bswap_64(out->hwcap);
}

static const char *string_at(const struct ld_cache *cache, uint32_t offset)
{
	if (offset >= cache->size || !memchr(cache->base + offset, '\0', cache->size - offset))
		return NULL;
	return cache->base + offset;
}

/* The subdirectory's name is the one in the path; the table in the extension says the same. */
static const char *find_variant(const char *path)
{
	static const char directory[] = "/glibc-hwcaps/";
	const char *found = strstr(path, directory);
	return found ? found + sizeof(directory) - 1 : NULL;
}

bool ld_cache_entry(const struct ld_cache *cache, size_t index, struct ld_cache_entry *out)
{
	struct ld_cache_file_entry entry;
	read_entry(cache, index, &entry);
	out->name = string_at(cache, entry.key);
	out->path = string_at(cache, entry.value);
	if (!out->name || !out->path)
		return false;
	out->flags = entry.flags;
	out->baseline = entry.hwcap == 0;
	out->variant = (entry.hwcap & LD_CACHE_EXTENSION) ? find_variant(out->path) : NULL;
	return true;
}

const char *ld_cache_next(const struct ld_cache *cache, const char *name, size_t *position, bool *out_baseline)
{
	const size_t length = strlen(name) + 1, middle = length / 2;
	while (*position < cache->count) {
		struct ld_cache_file_entry entry;
		read_entry(cache, (*position)++, &entry);
		/* Nearly all names begin alike; one byte in the middle tells most of them apart. */
		if (entry.key >= cache->size || cache->size - entry.key < length ||
		    cache->base[entry.key + middle] != name[middle] ||
		    memcmp(cache->base + entry.key, name, length) != 0)
			continue;
		const char *path = string_at(cache, entry.value);
		if (!path || (cache->flags != LD_CACHE_ANY && entry.flags != cache->flags))
			continue;
		*out_baseline = entry.hwcap == 0;
		return path;
	}
	return NULL;
}

void ld_cache_clear(struct ld_cache *cache)
{
	free(cache->file);
	*cache = (struct ld_cache){0};
}
