/* SPDX-License-Identifier: MIT */
/* VISO_PLATFORM_MICROVM: what an operating system that knows of virtualisation needs, and nothing else. */
#include "guest/kernel/platform.h"
#include "guest/kernel/power.h"

int microvm_add_devices(struct machine *machine, viso_guest *guest)
{
	int r = platform_add_serial(machine);
	if (r == 0)
		r = power_add(machine);
	if (r == 0)
		r = power_add_keyboard_reset(machine);
	return r;
}
