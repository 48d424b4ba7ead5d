/* SPDX-License-Identifier: MIT */
/* A program that somebody else wrote, mapped into a guest's memory and looked through for its functions; without KVM.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/contact/symbols.h"
#include "guest/elf.h"
#include "guest/program/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY = 8 << 20 };

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_guest_elf: %s\n", what);
	abort();
}

static void look_at(const struct elf_image *image)
{
	expect(memchr(image->interpreter, 0, sizeof(image->interpreter)) != NULL, "an interpreter without end");
}

static void look_at_areas(const struct address_space *space)
{
	uint64_t last = 0;
	for (size_t i = 0; i < space->count; i++) {
		const struct area *area = &space->areas[i];
		expect(area->start >= last && area->start < area->end, "areas that overlap");
		expect(area->start >= SPACE_START && area->end <= SPACE_END, "an area outside of user addresses");
		last = area->end;
	}
}

static void map(struct address_space *space, struct file *file)
{
	struct elf_image image = {0};
	struct symbol_cache symbols = {0};
	const char *why = NULL;
	uint64_t address;
	int r = elf_map(space, file, 0, &image, &why);
	expect(r == 0 || r == -ENOEXEC || r == -ENOMEM || r == -EIO, "an errno that is not documented");
	look_at_areas(space);
	if (r < 0)
		return;
	look_at(&image);
	r = symbol_find(&symbols, space, "main", &address);
	expect(r == 0 || r == -ENOMEM, "another errno that is not documented");
	symbols_release(&symbols);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_memory memory;
	struct address_space space;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	expect(fd >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "no memory file");
	struct file *file = file_new(FILE_REGULAR, fd, O_RDONLY);
	expect(file && memory_init(&memory, MEMORY, -1) == 0, "no memory");
	if (space_init(&space, &memory) == 0) {
		space.limit = space.data_limit = space.stack_limit = UINT64_MAX;
		map(&space, file);
		space_release(&space);
	}
	memory_release(&memory);
	file_unref(file);
	return 0;
}
