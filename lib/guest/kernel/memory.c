/* SPDX-License-Identifier: MIT */
#include "guest/kernel/memory.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/kernel/layout.h"

enum { HUGE = 2 << 20, PAGE = 4096, PAGES_AT_ONCE = 16384 };

static void add(struct ram *ram, uint64_t base, uint64_t end, uint8_t *host)
{
	if (base < end)
		ram->regions[ram->count++] = (struct ram_region){.base = base, .size = end - base, .host = host};
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Up to the second hole host and guest addresses differ by a constant, a multiple of 2 MiB, so that huge pages of the
 * host are such of the guest. What the first hole takes away is not put anywhere else.
 */
void memory_lay_out(struct ram *ram, uint64_t size, uint8_t *host)
{
	*ram = (struct ram){0};
	uint64_t low = smaller(size, LAYOUT_HOLE_BEGIN);
	add(ram, 0, smaller(low, LAYOUT_LOW_END), host);
	add(ram, LAYOUT_HIGH_BEGIN, low, host ? host + LAYOUT_HIGH_BEGIN : NULL);
	if (size > LAYOUT_HOLE_BEGIN)
		add(ram, LAYOUT_HOLE_END, LAYOUT_HOLE_END + size - LAYOUT_HOLE_BEGIN,
		    host ? host + LAYOUT_HOLE_BEGIN : NULL);
}

uint8_t *memory_map(uint64_t size)
{
	uint8_t *all =
		mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (all == MAP_FAILED)
		return NULL;
	uint8_t *host = (uint8_t *)(((uintptr_t)all + HUGE - 1) & ~((uintptr_t)HUGE - 1));
	if (host > all)
		munmap(all, (size_t)(host - all));
	munmap(host + size, (size_t)(all + HUGE - host));
	madvise(host, size, MADV_HUGEPAGE);
	/* A child of the host program's has no use for it, and a core file of it neither. */
	madvise(host, size, MADV_DONTFORK);
	madvise(host, size, MADV_DONTDUMP);
	return host;
}

void memory_unmap(uint8_t *host, uint64_t size)
{
	if (host)
		munmap(host, size);
}

/* Of pages that are there, and are not a file's: Documentation/admin-guide/mm/pagemap.rst. */
static int64_t count_own(const uint8_t *host, uint64_t size)
{
	enum { IS_FILE_BIT = 61, IS_THERE_BIT = 63 };
	uint64_t entries[PAGES_AT_ONCE / sizeof(uint64_t)];
	_cleanup_close_ int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int64_t pages = 0;
	for (uint64_t at = 0; host && at < size; at += sizeof(entries) / sizeof(entries[0]) * PAGE) {
		size_t count = smaller(size - at, sizeof(entries) / sizeof(entries[0]) * PAGE) / PAGE;
		off_t place = (off_t)((uintptr_t)(host + at) / PAGE * sizeof(entries[0]));
		if (pread(pagemap, entries, count * sizeof(entries[0]), place) != (ssize_t)(count * sizeof(entries[0])))
			return -1;
		for (size_t i = 0; i < count; i++)
			pages += (entries[i] >> IS_THERE_BIT & 1) && !(entries[i] >> IS_FILE_BIT & 1);
	}
	return pages * PAGE;
}

int64_t memory_resident(const uint8_t *host, uint64_t size, bool is_clone)
{
	unsigned char is_there[PAGES_AT_ONCE];
	int64_t pages = 0;
	if (is_clone)
		return count_own(host, size);
	for (uint64_t at = 0; host && at < size; at += (uint64_t)PAGES_AT_ONCE * PAGE) {
		uint64_t left = smaller(size - at, (uint64_t)PAGES_AT_ONCE * PAGE);
		if (mincore((void *)(host + at), left, is_there) < 0)
			return -1;
		for (uint64_t page = 0; page < left / PAGE; page++)
			pages += is_there[page] & 1;
	}
	return pages * PAGE;
}
