/* SPDX-License-Identifier: MIT */
/*
 * Archives of somebody else's, unpacked one above the other as the layers of an image are: a libFuzzer target
 * (clang -fsanitize=fuzzer -DFUZZ_WITHOUT_MAIN), and with any compiler a program that mutates its seeds for some
 * seconds:
 *
 *     fuzz_archive SECONDS ARCHIVE...
 *
 * The checksums of headers are made right, or nothing but them would be tested.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/remove_tree.h"
#include "root/base/layer.h"
#include "root/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BLOCK = 512, NAME_SIZE = 100, CHECKSUM = 148, CHECKSUM_SIZE = 8, MAGIC = 257, INPUT_MAX = 64 << 10 };

static char path[] = "/dev/shm/viso-fuzz-XXXXXX";

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_archive: %s\n", what);
	abort();
}

static void make_right(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + BLOCK <= size; at += BLOCK) {
		unsigned sum = 0;
		char text[CHECKSUM_SIZE + 1];
		if (memcmp(data + at + MAGIC, "ustar", 5) != 0)
			continue;
		memset(data + at + CHECKSUM, ' ', CHECKSUM_SIZE);
		for (size_t i = 0; i < BLOCK; i++)
			sum += data[at + i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(data + at + CHECKSUM, text, 7);
	}
}

/* What every root may rely on. */
static void check(const struct manifest *manifest, struct base *base)
{
	for (size_t i = 0; i < manifest->count; i++) {
		const struct manifest_entry *entry = manifest->entries[i];
		char clean[PATH_MAX];
		expect(path_clean(entry->target, clean) == 0 && !strcmp(clean, entry->target),
		       "a path that is not clean");
		expect((entry->mode & ~01777u) == 0, "a mode with setuid");
		if (entry->type == MANIFEST_FILE)
			expect(entry->on_scratch &&
				       !strncmp(entry->source, base->scratch.path, strlen(base->scratch.path)),
			       "contents from elsewhere");
		if (entry->type == MANIFEST_LINK)
			expect(entry->source[0], "a link without a text");
	}
}

static int open_scratch(void)
{
	expect(mkdtemp(path) != NULL, "no directory");
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	expect(fd >= 0, "no directory");
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int scratch = -1, file = -1;
	struct libarchive library;
	struct manifest manifest = {0};
	if (scratch < 0) {
		scratch = open_scratch();
		file = memfd_create("fuzz", MFD_CLOEXEC);
	}
	uint8_t *copy = malloc(size + 1);
	expect(copy && file >= 0 && libarchive_load(&library) == 0, "no libarchive");
	memcpy(copy, data, size);
	make_right(copy, size);
	expect(ftruncate(file, 0) == 0 && pwrite(file, copy, size, 0) == (ssize_t)size, "no memory file");
	free(copy);
	struct base base = {.scratch = {.fd = scratch, .path = path}};
	expect(base_tree_init(&base.tree, size % 2 ? "/opt/x" : "/") == 0, "no tree");
	int r = 0;
	for (int i = 0; r >= 0 && i < 2; i++) {
		struct layer_input input = {.fd = file, .name = "input"};
		lseek(file, 0, SEEK_SET);
		base.tree.layer++;
		r = layer_unpack(&base, &library, LIBARCHIVE_ALL, &input, true);
	}
	expect(r == 0 || r == -EINVAL || r == -EPERM || r == -EFBIG || r == -ENOMEM || r == -ENOSPC,
	       "an errno that is not documented");
	if (r == 0) {
		expect(base_tree_add(&base.tree, &manifest, path) == 0, "a base that cannot be added");
		check(&manifest, &base);
	}
	manifest_clear(&manifest);
	base_tree_clear(&base.tree);
	expect(remove_contents(scratch) == 0, "what was unpacked cannot be removed");
	return 0;
}

#ifndef FUZZ_WITHOUT_MAIN
/* xorshift64: the same run with the same seeds, so that a crash can be had again. */
static uint64_t next_random(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15u;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Bytes of headers: names, sizes, types, links; and whole blocks, moved. */
static void mutate(uint8_t *data, size_t size)
{
	static const char bytes[] = "/.\0\1\xff\x80"
				    "0123456789xLKS";
	for (size_t i = 1 + next_random() % 8; i > 0; i--) {
		size_t block = next_random() % (size / BLOCK) * BLOCK;
		size_t other = next_random() % (size / BLOCK) * BLOCK;
		size_t at = next_random() % 2 ? next_random() % NAME_SIZE : next_random() % BLOCK;
		if (next_random() % 8 == 0)
			memmove(data + block, data + other, BLOCK);
		else if (next_random() % 8 == 0)
			memcpy(data + block, data + other, NAME_SIZE);
		else
			data[block + at] = (uint8_t)bytes[next_random() % (sizeof(bytes) - 1)];
	}
}

int main(int argc, char **argv)
{
	static uint8_t seed[INPUT_MAX], input[INPUT_MAX];
	unsigned long runs = 0;
	if (argc < 3) {
		fprintf(stderr, "usage: fuzz_archive SECONDS ARCHIVE...\n");
		return 2;
	}
	time_t end = time(NULL) + atoi(argv[1]);
	for (int i = 2; time(NULL) < end; i = i + 1 < argc ? i + 1 : 2) {
		FILE *file = fopen(argv[i], "re");
		size_t size = file ? fread(seed, 1, sizeof(seed), file) : 0;
		if (file)
			fclose(file);
		expect(size >= BLOCK, "a seed that is none");
		for (int n = 0; n < 100; n++, runs++) {
			memcpy(input, seed, size);
			if (n)
				mutate(input, size);
			LLVMFuzzerTestOneInput(input, next_random() % 8 ? size : size - next_random() % BLOCK);
		}
	}
	rmdir(path);
	printf("%lu inputs\n", runs);
	return 0;
}
#endif
