/* SPDX-License-Identifier: MIT */
/* Switching a computer on, and the process that stands for it. */
#ifndef GUEST_KERNEL_BOOT_H
#define GUEST_KERNEL_BOOT_H

#include <virtiso/guest.h>

#include "sandbox/result.h"
#include "sandbox/sandbox.h"

struct kernel_guest;
struct machine;

/* As viso_guest_boot() without streams, in the name of `function`. */
int kernel_boot(viso_guest *guest, const char *function, viso_process **out_process);

/*
 * The parts of it, which the program of contained computers has, too: the machine, with what it boots; its start, after
 * which it is found by kernel_use_machine(); and its result, once it was joined. 0 or a negative errno with the error
 * set.
 */
uint64_t kernel_memory(const viso_guest *guest); /* as whole pages */
int kernel_make_machine(viso_guest *guest, const viso_command *streams, int end_fd, int host[3], struct machine **out);
int kernel_start_machine(struct kernel_guest *kernel, struct machine *machine);
int kernel_make_result(struct machine *machine, viso_result **out_result);

#endif
