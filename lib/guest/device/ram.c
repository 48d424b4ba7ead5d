/* SPDX-License-Identifier: MIT */
#include "guest/device/ram.h"

#include <stddef.h>
#include <string.h>

/* Where the address is, and how much of the region follows it: nothing where it is no memory. */
static uint8_t *find(const struct ram *ram, uint64_t address, uint64_t *out_rest)
{
	for (int i = 0; i < ram->count; i++) {
		const struct ram_region *region = &ram->regions[i];
		if (address < region->base || address - region->base >= region->size)
			continue;
		*out_rest = region->size - (address - region->base);
		return region->host + (address - region->base);
	}
	*out_rest = 0;
	return NULL;
}

void *ram_at(const struct ram *ram, uint64_t address, uint64_t size)
{
	static uint8_t nothing;
	uint64_t rest;
	if (size == 0)
		return &nothing;
	uint8_t *host = find(ram, address, &rest);
	return size <= rest ? host : NULL;
}

static bool is_all_memory(const struct ram *ram, uint64_t address, uint64_t size)
{
	uint64_t rest;
	while (size > 0) {
		find(ram, address, &rest);
		if (rest == 0)
			return false;
		rest = rest < size ? rest : size;
		address += rest;
		size -= rest;
	}
	return true;
}

bool ram_read(const struct ram *ram, uint64_t address, void *data, uint64_t size)
{
	uint8_t *to = data;
	uint64_t rest;
	if (!is_all_memory(ram, address, size))
		return false;
	for (; size > 0; size -= rest, address += rest, to += rest) {
		const uint8_t *host = find(ram, address, &rest);
		rest = rest < size ? rest : size;
		memcpy(to, host, rest);
	}
	return true;
}

bool ram_write(const struct ram *ram, uint64_t address, const void *data, uint64_t size)
{
	const uint8_t *from = data;
	uint64_t rest;
	if (!is_all_memory(ram, address, size))
		return false;
	for (; size > 0; size -= rest, address += rest, from += rest) {
		uint8_t *host = find(ram, address, &rest);
		rest = rest < size ? rest : size;
		memcpy(host, from, rest);
	}
	return true;
}
