/* SPDX-License-Identifier: MIT */
#include "guest/kernel/boot/pvh.h"

#include <stddef.h>

#include "guest/kernel/boot/memory_map.h"
#include "guest/kernel/layout.h"

enum { START_MAGIC = 0x336ec578, START_VERSION = 1 };

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t module_count;
	uint64_t modules;
	uint64_t command_line;
	uint64_t rsdp;
	uint64_t memory_map;
	uint32_t memory_map_count;
	uint32_t reserved;
};

struct start_module {
	uint64_t address;
	uint64_t size;
	uint64_t command_line;
	uint64_t reserved;
};

struct start_range {
	uint64_t base;
	uint64_t size;
	uint32_t type; /* as E820h */
	uint32_t reserved;
};

/* As they lie in memory. */
struct start {
	struct start_info info;
	struct start_module module;
	struct start_range ranges[MEMORY_MAP_MAX];
};

_Static_assert(sizeof(struct start) <= LAYOUT_START_INFO_END - LAYOUT_START_INFO, "the place of the start info");

int pvh_finish(const struct boot_request *request, uint64_t entry, uint64_t end, struct boot_entry *out)
{
	struct memory_range ranges[MEMORY_MAP_MAX];
	struct start start = {
		.info =
			{
				.magic = START_MAGIC,
				.version = START_VERSION,
				.command_line = LAYOUT_COMMAND_LINE,
				.rsdp = request->rsdp,
				.memory_map = LAYOUT_START_INFO + offsetof(struct start, ranges),
			},
	};
	int r = boot_put_command_line(request, LAYOUT_COMMAND_LINE_MAX);
	if (r == 0)
		r = boot_put_initramfs(request, end, LAYOUT_HOLE_BEGIN, &start.module.address);
	if (r < 0)
		return r;
	if (start.module.address) {
		start.module.size = request->initramfs->size;
		start.info.modules = LAYOUT_START_INFO + offsetof(struct start, module);
		start.info.module_count = 1;
	}
	int count = memory_map_list(request->ram, ranges);
	for (int i = 0; i < count; i++)
		start.ranges[i] = (struct start_range){
			.base = ranges[i].base, .size = ranges[i].size, .type = (uint32_t)ranges[i].type};
	start.info.memory_map_count = (uint32_t)count;
	*out = (struct boot_entry){.mode = BOOT_PROTECTED, .address = entry, .rbx = LAYOUT_START_INFO};
	return ram_write(request->ram, LAYOUT_START_INFO, &start, sizeof(start))
		       ? 0
		       : image_fail_space(request->kernel, "the guest has too little memory for it");
}
