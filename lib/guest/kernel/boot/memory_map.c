/* SPDX-License-Identifier: MIT */
#include "guest/kernel/boot/memory_map.h"

#include "guest/kernel/layout.h"

static void add(struct memory_range *out, int *count, uint64_t base, uint64_t end, enum memory_type type)
{
	if (base < end)
		out[(*count)++] = (struct memory_range){.base = base, .size = end - base, .type = type};
}

int memory_map_list(const struct ram *ram, struct memory_range out[MEMORY_MAP_MAX])
{
	int count = 0;
	add(out, &count, 0, LAYOUT_EXTENDED_BIOS, MEMORY_USABLE);
	add(out, &count, LAYOUT_EXTENDED_BIOS, LAYOUT_LOW_END, MEMORY_RESERVED);
	add(out, &count, LAYOUT_ACPI, LAYOUT_MP_END, MEMORY_RESERVED);
	for (int i = 0; i < ram->count; i++) {
		const struct ram_region *region = &ram->regions[i];
		uint64_t base = region->base < LAYOUT_KERNEL ? LAYOUT_KERNEL : region->base;
		if (region->base < LAYOUT_HOLE_END)
			add(out, &count, base, region->base + region->size, MEMORY_USABLE);
	}
	add(out, &count, ram->reserved, ram->reserved + ram->reserved_size, MEMORY_RESERVED);
	const struct ram_region *last = &ram->regions[ram->count - 1];
	if (ram->count > 0 && last->base >= LAYOUT_HOLE_END)
		add(out, &count, last->base, last->base + last->size, MEMORY_USABLE);
	return count;
}
