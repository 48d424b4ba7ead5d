/* SPDX-License-Identifier: MIT */
/*
 * By which an operating system learns that it is a clone: the device "VM Generation ID", 16 bytes of its memory that
 * are others in each computer, and an interrupt that says that they have changed. Its kernel then has other random
 * numbers than the other clones (Linux: drivers/virt/vmgenid.c).
 */
#ifndef GUEST_KERNEL_GENERATION_H
#define GUEST_KERNEL_GENERATION_H

#include "guest/kernel/machine.h"

/* Other bytes. 0 or a negative errno with the error set. */
int generation_set(const struct machine *machine);

/* The same of a clone, which is told. */
int generation_change(struct machine *machine);

#endif
