/* SPDX-License-Identifier: MIT */
/* Version 1 of Multiboot: GNU's specification, 0.6.96. */
#include <stddef.h>
#include <string.h>

#include "guest/kernel/boot/elf.h"
#include "guest/kernel/boot/memory_map.h"
#include "guest/kernel/layout.h"

enum { HEADER_MAGIC = 0x1badb002, LOADER_MAGIC = 0x2badb002, SEARCHED = 8192 };

/* Of the header: what it wants, and that it says itself where it goes. The lower half must be understood. */
enum { WANTS_PAGES = 0x1, WANTS_MEMORY = 0x2, WANTS_VIDEO = 0x4, MUST_KNOW = 0xffff, HAS_ADDRESSES = 0x10000 };

/* Of the information. */
enum { HAS_MEMORY = 0x1, HAS_COMMAND_LINE = 0x4, HAS_MODULES = 0x8, HAS_MEMORY_MAP = 0x40, HAS_LOADER_NAME = 0x200 };

struct header {
	uint32_t magic;
	uint32_t flags;
	uint32_t checksum;
	uint32_t header_address;
	uint32_t load_address;
	uint32_t load_end;
	uint32_t bss_end;
	uint32_t entry;
};

struct information {
	uint32_t flags;
	uint32_t memory_lower;
	uint32_t memory_upper;
	uint32_t boot_device;
	uint32_t command_line;
	uint32_t module_count;
	uint32_t modules;
	uint32_t symbols[4];
	uint32_t memory_map_size;
	uint32_t memory_map;
	uint32_t drives_size;
	uint32_t drives;
	uint32_t configuration;
	uint32_t loader_name;
	uint32_t apm;
	uint32_t video[6];
};

struct module {
	uint32_t begin;
	uint32_t end;
	uint32_t text;
	uint32_t reserved;
};

struct range {
	uint32_t size; /* of the rest */
	uint32_t base[2];
	uint32_t length[2];
	uint32_t type;
};

/* As they lie in memory. */
struct start {
	struct information information;
	struct module module;
	struct range ranges[MEMORY_MAP_MAX];
	char loader_name[16];
};

_Static_assert(sizeof(struct start) <= LAYOUT_START_INFO_END - LAYOUT_START_INFO, "the place of the start info");

int boot_find_multiboot(const struct image *kernel, uint64_t *out_header)
{
	uint32_t words[SEARCHED / 4] = {0};
	uint64_t size = kernel->size < SEARCHED ? kernel->size : SEARCHED;
	int r = image_read(kernel, 0, words, size);
	if (r < 0)
		return r;
	for (uint64_t i = 0; i + 3 <= size / 4; i++)
		if (words[i] == HEADER_MAGIC && words[i] + words[i + 1] + words[i + 2] == 0) {
			*out_header = i * 4;
			return 1;
		}
	return 0;
}

/* By the addresses in its header. */
static int load_raw(const struct boot_request *request, const struct header *header, uint64_t offset, uint64_t *out_end)
{
	const struct image *kernel = request->kernel;
	if (header->header_address < header->load_address || header->header_address - header->load_address > offset)
		return image_fail(kernel, "the addresses in its Multiboot header are wrong");
	uint64_t begin = offset - (header->header_address - header->load_address);
	uint64_t size = header->load_end ? (uint64_t)header->load_end - header->load_address : kernel->size - begin;
	if (header->load_end && header->load_end < header->load_address)
		return image_fail(kernel, "the addresses in its Multiboot header are wrong");
	if (header->load_address < LAYOUT_KERNEL)
		return image_fail(kernel, "it belongs below 1 MiB, where a BIOS would be");
	*out_end = header->load_address + size;
	if (header->bss_end > *out_end)
		*out_end = header->bss_end;
	if (!ram_at(request->ram, header->load_address, *out_end - header->load_address))
		return image_fail_space(kernel, "it does not fit into the guest's memory");
	return image_load(kernel, begin, request->ram, header->load_address, size);
}

static int load_parts(const struct boot_request *request, uint64_t offset, uint32_t *out_entry, uint64_t *out_end)
{
	struct elf_kernel elf;
	struct header header = {0};
	const struct image *kernel = request->kernel;
	int r = image_read(kernel, offset, &header, 3 * sizeof(uint32_t));
	if (r == 0 && (header.flags & HAS_ADDRESSES))
		r = image_read(kernel, offset, &header, sizeof(header));
	if (r < 0)
		return r;
	if (header.flags & MUST_KNOW & ~(WANTS_PAGES | WANTS_MEMORY | WANTS_VIDEO))
		return image_fail(kernel, "its Multiboot header asks for what nobody knows");
	if (header.flags & HAS_ADDRESSES) {
		*out_entry = header.entry;
		return load_raw(request, &header, offset, out_end);
	}
	r = elf_kernel_read(kernel, &elf);
	if (r < 0)
		return r;
	if (elf.entry > UINT32_MAX)
		return image_fail(kernel, "its entry lies beyond 4 GiB");
	*out_entry = (uint32_t)elf.entry;
	return elf_kernel_load(&elf, kernel, request->ram, out_end);
}

static void put_memory_map(const struct ram *ram, struct start *start)
{
	struct memory_range ranges[MEMORY_MAP_MAX];
	int count = memory_map_list(ram, ranges);
	for (int i = 0; i < count; i++) {
		start->ranges[i] = (struct range){.size = sizeof(struct range) - 4, .type = (uint32_t)ranges[i].type};
		memcpy(start->ranges[i].base, &ranges[i].base, sizeof(uint64_t));
		memcpy(start->ranges[i].length, &ranges[i].size, sizeof(uint64_t));
	}
	start->information.memory_map_size = (uint32_t)(count * (int)sizeof(struct range));
	start->information.memory_map = LAYOUT_START_INFO + offsetof(struct start, ranges);
	start->information.memory_lower = LAYOUT_EXTENDED_BIOS / 1024;
	start->information.memory_upper = (uint32_t)((boot_low_end(ram) - LAYOUT_KERNEL) / 1024);
}

int boot_load_multiboot(const struct boot_request *request, uint64_t header, struct boot_entry *out)
{
	uint64_t end, module;
	uint32_t entry;
	struct start start = {
		.information =
			{
				.flags = HAS_MEMORY | HAS_COMMAND_LINE | HAS_MODULES | HAS_MEMORY_MAP | HAS_LOADER_NAME,
				.command_line = LAYOUT_COMMAND_LINE,
				.loader_name = LAYOUT_START_INFO + offsetof(struct start, loader_name),
			},
		.loader_name = "libvirtiso",
	};
	int r = load_parts(request, header, &entry, &end);
	if (r == 0)
		r = boot_put_command_line(request, LAYOUT_COMMAND_LINE_MAX);
	if (r == 0)
		r = boot_put_initramfs(request, end, LAYOUT_HOLE_BEGIN, &module);
	if (r < 0)
		return r;
	if (module) {
		start.module = (struct module){.begin = (uint32_t)module,
					       .end = (uint32_t)(module + request->initramfs->size)};
		start.information.module_count = 1;
		start.information.modules = LAYOUT_START_INFO + offsetof(struct start, module);
	}
	put_memory_map(request->ram, &start);
	*out = (struct boot_entry){
		.mode = BOOT_PROTECTED, .address = entry, .rax = LOADER_MAGIC, .rbx = LAYOUT_START_INFO};
	return ram_write(request->ram, LAYOUT_START_INFO, &start, sizeof(start))
		       ? 0
		       : image_fail_space(request->kernel, "the guest has too little memory for it");
}
