/* SPDX-License-Identifier: MIT */
/* What all entries of Linux but that of PVH have in common: boot_params, the zero page (boot.rst, zero-page.rst). */
#ifndef GUEST_KERNEL_BOOT_LINUX_H
#define GUEST_KERNEL_BOOT_LINUX_H

#include <asm/bootparam.h>

#include "guest/kernel/boot/load.h"

/*
 * Puts initramfs, command line and zero page into memory. `header` is the kernel's, with what it can take; its image
 * ends, unpacked, at `end`. 0 or a negative errno with the error set.
 */
int linux_finish(const struct boot_request *request, const struct setup_header *header, uint64_t end);

#endif
