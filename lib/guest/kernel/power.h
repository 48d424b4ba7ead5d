/* SPDX-License-Identifier: MIT */
/* How a computer is switched off and reset from inside. */
#ifndef GUEST_KERNEL_POWER_H
#define GUEST_KERNEL_POWER_H

#include "guest/kernel/machine.h"

/*
 * Of the reduced hardware of ACPI (6.5, 4.8.3.7 and 4.8.3.6), from LAYOUT_POWER: sleep control, sleep status, reset.
 * 0 or a negative errno with the error set.
 */
enum {
	POWER_CONTROL = 0,
	POWER_STATUS = 1,
	POWER_RESET = 2,
	POWER_PORTS = 4,
	POWER_OFF_TYPE = 5,
	POWER_RESET_VALUE = 1
};
int power_add(struct machine *machine);

/* As much of a keyboard controller as says that nothing is attached, and resets the computer. */
int power_add_keyboard_reset(struct machine *machine);

#endif
