/* SPDX-License-Identifier: MIT */
/* Switching a computer on, and the process that stands for it. */
#ifndef GUEST_KERNEL_BOOT_H
#define GUEST_KERNEL_BOOT_H

#include <virtiso/guest.h>

#include "sandbox/sandbox.h"

/* A command in the operating system of a guest: as struct kernel_ops has it. */
int kernel_spawn(viso_guest *guest, const viso_command *command, bool to_end, viso_process *process);

#endif
