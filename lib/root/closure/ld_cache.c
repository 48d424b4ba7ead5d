/* SPDX-License-Identifier: MIT */
/*
 * The format is that of sysdeps/generic/dl-cache.h in glibc: a header of 48 bytes, entries of 24 bytes, strings. Older
 * versions put a header and entries of a yet older format in front, which are skipped. Offsets of strings may lead
 * anywhere.
 */
#include "root/closure/ld_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"

static const char magic[] = "glibc-ld.so.cache1.1";
static const char old_magic[] = "ld.so-1.7.0";

struct header {
	char magic[20];
	uint32_t count;
	uint32_t strings_size;
	uint8_t flags;
	uint8_t unused[3];
	uint32_t extension;
	uint32_t unused2[3];
};

struct entry {
	int32_t flags;
	uint32_t key;
	uint32_t value;
	uint32_t os_version;
	uint64_t hwcap;
};

_Static_assert(sizeof(struct header) == 48 && sizeof(struct entry) == 24, "the format of the file");

enum { OLD_HEADER_SIZE = 16, OLD_ENTRY_SIZE = 12, CACHE_MAX = 64 << 20 };

/* FLAG_ELF_LIBC6 with the architecture's own flag (sysdeps/generic/ldconfig.h). */
#if defined(__x86_64__) && defined(__LP64__)
enum { HOST_FLAGS = 0x0303 };
#elif defined(__aarch64__)
enum { HOST_FLAGS = 0x0a03 };
#elif defined(__riscv)
enum { HOST_FLAGS = 0x1003 };
#endif

void ld_cache_parse(struct ld_cache *cache, char *file, size_t size)
{
	*cache = (struct ld_cache){.file = file};
	size_t start = 0;
	if (size >= OLD_HEADER_SIZE && !memcmp(file, old_magic, sizeof(old_magic) - 1)) {
		uint32_t count;
		memcpy(&count, file + 12, sizeof(count));
		start = (OLD_HEADER_SIZE + (size_t)count * OLD_ENTRY_SIZE + 7) & ~(size_t)7;
	}
	struct header header;
	if (start > size || size - start < sizeof(header))
		return;
	memcpy(&header, file + start, sizeof(header));
	if (memcmp(header.magic, magic, sizeof(header.magic)) != 0)
		return;
	if (header.count > (size - start - sizeof(header)) / sizeof(struct entry))
		return;
	cache->base = file + start;
	cache->size = size - start;
	cache->count = header.count;
}

int ld_cache_load(struct ld_cache *cache, const char *path)
{
	*cache = (struct ld_cache){0};
	struct stat st;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > CACHE_MAX)
		return 0;
	_cleanup_free_ char *file = malloc((size_t)st.st_size + 1);
	if (!file)
		return error_memory();
	size_t size = 0;
	ssize_t n;
	while (size < (size_t)st.st_size && (n = read(fd, file + size, (size_t)st.st_size - size)) > 0)
		size += (size_t)n;
	ld_cache_parse(cache, TAKE_PTR(file), size);
	return 0;
}

const char *ld_cache_next(const struct ld_cache *cache, const char *name, size_t *position, bool *out_baseline)
{
	size_t length = strlen(name) + 1;
	while (*position < cache->count) {
		struct entry entry;
		memcpy(&entry, cache->base + sizeof(struct header) + *position * sizeof(entry), sizeof(entry));
		++*position;
		if (entry.key >= cache->size || cache->size - entry.key < length ||
		    memcmp(cache->base + entry.key, name, length) != 0)
			continue;
		if (entry.flags != HOST_FLAGS || entry.value >= cache->size ||
		    !memchr(cache->base + entry.value, '\0', cache->size - entry.value))
			continue;
		*out_baseline = entry.hwcap == 0;
		return cache->base + entry.value;
	}
	return NULL;
}

void ld_cache_clear(struct ld_cache *cache)
{
	free(cache->file);
	*cache = (struct ld_cache){0};
}
