/* SPDX-License-Identifier: MIT */
/* The entry of Xen's PVH, which needs no Xen (docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h of Xen). */
#ifndef GUEST_KERNEL_BOOT_PVH_H
#define GUEST_KERNEL_BOOT_PVH_H

#include "guest/kernel/boot/load.h"

/* Puts initramfs, command line and start info into memory, for a kernel that ends at `end`. */
int pvh_finish(const struct boot_request *request, uint64_t entry, uint64_t end, struct boot_entry *out);

#endif
