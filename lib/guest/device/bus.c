/* SPDX-License-Identifier: MIT */
#include "guest/device/bus.h"

#include <string.h>

/* The first range that ends behind the address. */
static int find(const struct bus *bus, uint64_t address)
{
	int low = 0, high = bus->count;
	while (low < high) {
		int middle = (low + high) / 2;
		const struct bus_range *range = &bus->ranges[middle];
		if (range->base + (range->size - 1) < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool bus_add(struct bus *bus, uint64_t base, uint64_t size, const struct bus_ops *ops, void *device)
{
	if (bus->count == BUS_RANGES_MAX || size == 0 || base + (size - 1) < base)
		return false;
	int place = find(bus, base);
	if (place < bus->count && bus->ranges[place].base <= base + (size - 1))
		return false;
	memmove(&bus->ranges[place + 1], &bus->ranges[place], (size_t)(bus->count - place) * sizeof(bus->ranges[0]));
	bus->ranges[place] = (struct bus_range){.base = base, .size = size, .ops = ops, .device = device};
	bus->count++;
	return true;
}

/* The range that has all of the access. */
static const struct bus_range *range_of(const struct bus *bus, uint64_t address, unsigned size)
{
	int place = find(bus, address);
	if (place == bus->count || size == 0 || size > BUS_ACCESS_MAX)
		return NULL;
	const struct bus_range *range = &bus->ranges[place];
	if (address < range->base || range->size - (address - range->base) < size)
		return NULL;
	return range;
}

void bus_read(const struct bus *bus, uint64_t address, void *data, unsigned size)
{
	const struct bus_range *range = range_of(bus, address, size);
	memset(data, 0xff, size);
	if (range && range->ops->read)
		range->ops->read(range->device, address - range->base, data, size);
}

void bus_write(const struct bus *bus, uint64_t address, const void *data, unsigned size)
{
	const struct bus_range *range = range_of(bus, address, size);
	if (range && range->ops->write)
		range->ops->write(range->device, address - range->base, data, size);
}

uint64_t bus_get(const void *data, unsigned size)
{
	const uint8_t *bytes = data;
	uint64_t value = 0;
	for (unsigned i = 0; i < size && i < BUS_ACCESS_MAX; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

void bus_put(void *data, unsigned size, uint64_t value)
{
	uint8_t *bytes = data;
	for (unsigned i = 0; i < size && i < BUS_ACCESS_MAX; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
}
