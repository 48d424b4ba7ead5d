/* SPDX-License-Identifier: MIT */
/* Switching a computer on, and the process that stands for it. */
#ifndef GUEST_KERNEL_BOOT_H
#define GUEST_KERNEL_BOOT_H

#include <virtiso/guest.h>

#include "sandbox/sandbox.h"

/* As viso_guest_boot() without streams, in the name of `function`. */
int kernel_boot(viso_guest *guest, const char *function, viso_process **out_process);

#endif
