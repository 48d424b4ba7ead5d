/* SPDX-License-Identifier: MIT */
/* VISO_PLATFORM_MICROVM: what an operating system that knows of virtualisation needs, and nothing else. */
#include "guest/kernel/doorbell.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/layout.h"
#include "guest/kernel/platform.h"
#include "guest/kernel/power.h"
#include "guest/kernel/virtio.h"

static void press_power_button(struct machine *machine)
{
	const struct interrupt event = machine_interrupt(machine, LAYOUT_EVENT_LINE);
	interrupt_pulse(&event);
}

int microvm_add_devices(struct machine *machine, viso_guest *guest)
{
	machine->press_power_button = press_power_button;
	int r = platform_add_serial(machine);
	if (r == 0)
		r = power_add(machine);
	if (r == 0)
		r = power_add_keyboard_reset(machine);
	if (r == 0)
		r = doorbell_add(machine, guest);
	if (r == 0)
		r = virtio_add_devices(machine, &guest->kernel->devices, &guest->kernel->tools,
				       guest->limits.written_max);
	return r;
}
