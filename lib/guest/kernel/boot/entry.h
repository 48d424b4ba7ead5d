/* SPDX-License-Identifier: MIT */
/* The state of a processor at the entry of a kernel. */
#ifndef GUEST_KERNEL_BOOT_ENTRY_H
#define GUEST_KERNEL_BOOT_ENTRY_H

#include "guest/kernel/boot/load.h"

struct kvm_regs;
struct kvm_sregs;

/*
 * Changes the state after power-on into that of the entry, and puts the tables that it needs into memory. False where
 * there is no room for them.
 */
bool entry_prepare(const struct boot_entry *entry, const struct ram *ram, struct kvm_regs *regs,
		   struct kvm_sregs *sregs);

#endif
