/* SPDX-License-Identifier: MIT */
/* Memory: what a program sees must be what Linux gives. Each returns 0, or the number of the check that failed. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, SURVIVED = 99 };

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			return __LINE__ % 90 + 1;                                                                      \
	} while (0)

static char *anonymous(size_t pages)
{
	return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int memory_map(int argc, char **argv)
{
	char *area = anonymous(64);
	CHECK(area != MAP_FAILED);
	for (int i = 0; i < 64; i++) {
		CHECK(area[i * PAGE] == 0);
		area[i * PAGE] = (char)(i + 1);
	}
	CHECK(munmap(area + 8 * PAGE, 4 * PAGE) == 0);
	CHECK(area[7 * PAGE] == 8 && area[12 * PAGE] == 13);
	char *again =
		mmap(area + 8 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(again == area + 8 * PAGE);
	for (int i = 8; i < 12; i++)
		CHECK(area[i * PAGE] == 0);
	CHECK(madvise(area, 4 * PAGE, MADV_DONTNEED) == 0 && area[0] == 0 && area[4 * PAGE] == 5);
	CHECK(mmap(area, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
	CHECK(errno == EEXIST);
	return 0;
}

/* The program's file, by read and by mapping, must be the same. */
static int memory_file(int argc, char **argv)
{
	int fd = open("/probe", O_RDONLY);
	off_t size = lseek(fd, 0, SEEK_END);
	CHECK(fd >= 0 && size > 3 * PAGE);
	char *copy = malloc((size_t)size), *map = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(copy && map != MAP_FAILED && pread(fd, copy, (size_t)size, 0) == size);
	CHECK(memcmp(copy, map, (size_t)size) == 0);
	CHECK(mmap(map + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 2 * PAGE) == map + PAGE);
	CHECK(memcmp(map + PAGE, copy + 2 * PAGE, PAGE) == 0 && memcmp(map, copy, PAGE) == 0);
	CHECK(memcmp(map + 2 * PAGE, copy + 2 * PAGE, PAGE) == 0);
	map[0] = 'x';
	CHECK(pread(fd, copy, 1, 0) == 1 && copy[0] == 0x7f);
	return 0;
}

static int memory_remap(int argc, char **argv)
{
	char *area = anonymous(4), *barrier;
	for (int i = 0; i < 4; i++)
		area[i * PAGE] = (char)(i + 1);
	barrier = mmap(area + 4 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(barrier == area + 4 * PAGE);
	CHECK(mremap(area, 4 * PAGE, 64 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
	char *moved = mremap(area, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	CHECK(moved != MAP_FAILED && moved != area);
	for (int i = 0; i < 64; i++)
		CHECK(moved[i * PAGE] == (i < 4 ? i + 1 : 0));
	CHECK(mremap(moved, 64 * PAGE, 2 * PAGE, 0) == moved && moved[PAGE] == 2);
	return 0;
}

/* By the call itself: musl has no sbrk() to speak of. */
static char *set_heap_end(char *end)
{
	return (char *)syscall(SYS_brk, end);
}

static int memory_heap(int argc, char **argv)
{
	char *start = set_heap_end(NULL), *end = start + 100 * PAGE;
	CHECK(set_heap_end(end) == end);
	for (int i = 0; i < 100; i++)
		start[i * PAGE] = (char)i;
	CHECK(set_heap_end(end - 50 * PAGE) == end - 50 * PAGE && set_heap_end(end) == end);
	CHECK(start[49 * PAGE] == 49 && start[60 * PAGE] == 0);
	CHECK(set_heap_end((char *)1) == end && set_heap_end((char *)-1) == end);
	return 0;
}

/* Rights that are taken away must be gone at once, also from what the processor remembers. */
static int memory_protect(int argc, char **argv)
{
	char *area = anonymous(2);
	area[0] = 5;
	CHECK(mprotect(area, PAGE, PROT_READ) == 0 && area[0] == 5);
	CHECK(read(open("/dev/zero", O_RDONLY), area, 1) == -1 && errno == EFAULT);
	CHECK(mprotect(area, PAGE, PROT_NONE) == 0);
	CHECK(write(1, area, 1) == -1 && errno == EFAULT);
	CHECK(mprotect(area, PAGE, PROT_READ | PROT_WRITE) == 0 && area[0] == 5);
	area[0] = 6;
	CHECK(area[0] == 6);
	const char code[] = {(char)0xb8, 7, 0, 0, 0, (char)0xc3};
	memcpy(area, code, sizeof(code));
	CHECK(mprotect(area, PAGE, PROT_READ | PROT_EXEC) == 0 && ((int (*)(void))(uintptr_t)area)() == 7);
	return 0;
}

static int memory_write_after_protect(int argc, char **argv)
{
	volatile char *area = anonymous(1);
	area[0] = 5;
	CHECK(mprotect((void *)area, PAGE, PROT_READ) == 0);
	area[0] = 6;
	return SURVIVED;
}

static int memory_read_after_unmap(int argc, char **argv)
{
	volatile char *area = anonymous(1);
	area[0] = 5;
	CHECK(munmap((void *)area, PAGE) == 0);
	return area[0] == 5 ? SURVIVED : SURVIVED + 1;
}

static int memory_read_after_move(int argc, char **argv)
{
	volatile char *area = anonymous(1), *target = anonymous(1);
	area[0] = 5;
	CHECK(mremap((void *)area, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target && target[0] == 5);
	return area[0] == 5 ? SURVIVED : SURVIVED + 1;
}

static int memory_beyond_file(int argc, char **argv)
{
	int fd = open("/data", O_RDONLY);
	off_t size = lseek(fd, 0, SEEK_END);
	volatile char *map = mmap(NULL, (size_t)size + 4 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED);
	(void)map[size - 1];
	return map[size + 2 * PAGE] ? SURVIVED : SURVIVED + 1;
}

/* Takes memory until the end comes; with `map` by mappings that are touched, else by malloc. */
static int memory_eat(int argc, char **argv)
{
	for (;;) {
		char *piece = argc > 2 ? anonymous(256) : malloc(1 << 20);
		if (!piece || piece == MAP_FAILED)
			return SURVIVED;
		memset(piece, 1, 1 << 20);
	}
}

/* One page in 64 KiB of argv[2] MiB: few pages, far apart. */
static int memory_sparse(int argc, char **argv)
{
	size_t size = strtoul(argv[2], NULL, 10) << 20;
	char *area = anonymous(size / PAGE);
	CHECK(area != MAP_FAILED);
	for (size_t i = 0; i < size; i += 65536)
		area[i] = 1;
	return 0;
}

/* Takes and gives back argv[2] MiB, argv[3] times: nothing may be lost on the way. */
static int memory_recycle(int argc, char **argv)
{
	size_t size = strtoul(argv[2], NULL, 10) << 20;
	for (int i = atoi(argv[3]); i > 0; i--) {
		char *area = anonymous(size / PAGE);
		CHECK(area != MAP_FAILED && area[0] == 0 && area[size - 1] == 0);
		memset(area, 1, size);
		CHECK(munmap(area, size) == 0);
	}
	return 0;
}

const struct probe memory_probes[] = {
	{"map", memory_map},
	{"file", memory_file},
	{"remap", memory_remap},
	{"heap", memory_heap},
	{"protect", memory_protect},
	{"write-after-protect", memory_write_after_protect},
	{"read-after-unmap", memory_read_after_unmap},
	{"read-after-move", memory_read_after_move},
	{"beyond-file", memory_beyond_file},
	{"eat", memory_eat},
	{"sparse", memory_sparse},
	{"recycle", memory_recycle},
	{0},
};
