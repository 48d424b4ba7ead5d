/* SPDX-License-Identifier: MIT */
/* What a computer consists of, by platform, and what it begins with. */
#ifndef GUEST_KERNEL_PLATFORM_H
#define GUEST_KERNEL_PLATFORM_H

#include "guest/guest.h"
#include "guest/kernel/machine.h"

/* Devices, tables, and the kernel in memory: after it the machine can start. 0 or a negative errno with the error set.
 */
int platform_build(struct machine *machine, viso_guest *guest);

/* The devices of each platform. 0 or a negative errno with the error set. */
int microvm_add_devices(struct machine *machine, viso_guest *guest);
int pc_add_devices(struct machine *machine, viso_guest *guest);

/* The first serial port, to the streams. */
int platform_add_serial(struct machine *machine);

#endif
