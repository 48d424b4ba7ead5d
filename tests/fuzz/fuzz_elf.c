/* SPDX-License-Identifier: MIT */
/*
 * What somebody else wrote and a root reads: ELF files, the loader's cache, first lines of scripts. A libFuzzer target
 * (clang -fsanitize=fuzzer -DFUZZ_WITHOUT_MAIN), and with any compiler a program that mutates its seeds for some
 * seconds:
 *
 *     fuzz_elf SECONDS SEED-FILE...
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "root/closure/elf.h"
#include "root/closure/ld_cache.h"
#include "root/closure/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_elf: %s\n", what);
	abort();
}

static void read_elf(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct elf elf;
	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	expect(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "no memory file");
	int r = elf_read(fd, "input", &elf);
	expect(r == 0 || r == 1 || r == -ENOEXEC || r == -EIO || r == -ENOMEM, "an errno that is not documented");
	if (r != 0)
		return;
	size_t length = 0;
	for (size_t i = 0; i < elf.needed_count; i++)
		length += strlen(elf.needed[i]);
	length += elf.interpreter ? strlen(elf.interpreter) : 0;
	length += elf.rpath ? strlen(elf.rpath) : 0;
	length += elf.runpath ? strlen(elf.runpath) : 0;
	length += elf.soname ? strlen(elf.soname) : 0;
	for (size_t i = 0; i < elf.dlopen_notes.count; i++)
		length += strlen(elf.dlopen_notes.items[i]);
	expect(length < SIZE_MAX / 2, "names without an end");
	elf_clear(&elf);
}

static void read_cache(const uint8_t *data, size_t size)
{
	struct ld_cache cache;
	struct ld_cache_entry entry;
	size_t position = 0;
	bool baseline;
	char *copy = malloc(size ? size : 1);
	if (!copy)
		return;
	memcpy(copy, data, size);
	ld_cache_parse(&cache, copy, size);
	for (const char *path; (path = ld_cache_next(&cache, "libc.so.6", &position, &baseline));)
		expect(strlen(path) < size, "a path without an end");
	for (size_t i = 0; i < cache.count && i < 10000; i++)
		if (ld_cache_entry(&cache, i, &entry))
			expect(strlen(entry.name) < size && strlen(entry.path) < size &&
				       (!entry.variant || strlen(entry.variant) < size),
			       "an entry without an end");
	ld_cache_clear(&cache);
}

static void read_script(const uint8_t *data, size_t size)
{
	struct script script;
	if (!script_parse((const char *)data, size, &script))
		return;
	expect(script.interpreter[0] && strlen(script.interpreter) < sizeof(script.interpreter), "no interpreter");
	expect(strlen(script.program) < sizeof(script.program), "a program without an end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_elf(data, size);
	read_cache(data, size);
	read_script(data, size);
	return 0;
}

#ifndef FUZZ_WITHOUT_MAIN
enum { SEEDS_MAX = 16, SEED_SIZE_MAX = 1 << 20 };

struct seed {
	uint8_t *data;
	size_t size;
};

/* xorshift64: the same run with the same seeds, so that a crash can be had again. */
static uint64_t next_random(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15u;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Mostly in the first bytes, where headers are; sometimes anywhere. */
static size_t somewhere(size_t size)
{
	size_t bound = next_random() % 4 && size > 1024 ? 1024 : size;
	return next_random() % bound;
}

static size_t mutate(uint8_t *data, size_t size)
{
	static const uint64_t numbers[] = {0, 1, UINT64_MAX, INT64_MAX, UINT32_MAX, INT32_MAX, 0x1000, 0xffff};
	size_t changes = 1 + next_random() % 6;
	if (next_random() % 8 == 0)
		size = 1 + next_random() % size;
	for (size_t i = 0; i < changes; i++) {
		size_t at = somewhere(size), width = (size_t)1 << next_random() % 4;
		uint64_t number = numbers[next_random() % (sizeof(numbers) / sizeof(numbers[0]))];
		if (at + width > size)
			continue;
		if (next_random() % 2)
			data[at] ^= (uint8_t)(1u << next_random() % 8);
		else if (next_random() % 2)
			memcpy(data + at, &number, width);
		else
			memmove(data + at, data + somewhere(size - width + 1), width);
	}
	return size;
}

static struct seed read_seed(const char *path)
{
	struct seed seed = {.data = malloc(SEED_SIZE_MAX)};
	FILE *file = fopen(path, "re");
	if (file && seed.data)
		seed.size = fread(seed.data, 1, SEED_SIZE_MAX, file);
	if (file)
		fclose(file);
	return seed;
}

int main(int argc, char **argv)
{
	struct seed seeds[SEEDS_MAX];
	int count = 0;
	unsigned long runs = 0;
	uint8_t *input = malloc(SEED_SIZE_MAX);
	for (int i = 2; i < argc && count < SEEDS_MAX; i++) {
		seeds[count] = read_seed(argv[i]);
		if (seeds[count].size)
			count++;
		else
			free(seeds[count].data);
	}
	if (argc < 3 || !input || !count) {
		fprintf(stderr, "usage: fuzz_elf SECONDS SEED-FILE...\n");
		return 2;
	}
	for (int i = 0; i < count; i++)
		LLVMFuzzerTestOneInput(seeds[i].data, seeds[i].size);
	for (time_t end = time(NULL) + atoi(argv[1]); time(NULL) < end; runs++) {
		const struct seed *seed = &seeds[next_random() % (unsigned)count];
		memcpy(input, seed->data, seed->size);
		LLVMFuzzerTestOneInput(input, mutate(input, seed->size));
	}
	printf("%lu inputs from %d seeds\n", runs, count);
	for (int i = 0; i < count; i++)
		free(seeds[i].data);
	free(input);
	return 0;
}
#endif
