/* SPDX-License-Identifier: MIT */
#include "guest/kernel/power.h"

#include "guest/kernel/layout.h"

enum { SLEEP_ENABLE = 0x20, SLEEP_TYPE_SHIFT = 2, SLEEP_TYPE_MASK = 7 };
enum { KEYBOARD_COMMAND = 0x64, COMMAND_RESET = 0xfe };

static void write_power(void *device, uint64_t offset, const void *data, unsigned size)
{
	const uint8_t value = *(const uint8_t *)data;
	if (offset == POWER_CONTROL && (value & SLEEP_ENABLE) &&
	    (value >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK) == POWER_OFF_TYPE)
		machine_power_off(device);
	else if (offset == POWER_RESET && value == POWER_RESET_VALUE)
		machine_reset(device);
}

static void read_zero(void *device, uint64_t offset, void *data, unsigned size)
{
	bus_put(data, size, 0);
}

int power_add(struct machine *machine)
{
	static const struct bus_ops ops = {.read = read_zero, .write = write_power};
	return machine_add_ports(machine, LAYOUT_POWER, POWER_PORTS, &ops, machine);
}

static void write_keyboard(void *device, uint64_t offset, const void *data, unsigned size)
{
	if (*(const uint8_t *)data == COMMAND_RESET)
		machine_reset(device);
}

int power_add_keyboard_reset(struct machine *machine)
{
	static const struct bus_ops ops = {.read = read_zero, .write = write_keyboard};
	return machine_add_ports(machine, KEYBOARD_COMMAND, 1, &ops, machine);
}
