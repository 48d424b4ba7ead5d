/* SPDX-License-Identifier: MIT */
/* A processor of a computer: its state at power-on, and the thread that is it. */
#ifndef GUEST_KERNEL_PROCESSOR_H
#define GUEST_KERNEL_PROCESSOR_H

#include "guest/kernel/machine.h"

struct boot_entry;

/* So that everything can be given back whatever fails. */
void processor_clear(struct machine_cpu *processor, struct machine *machine, unsigned index);

/* As after power-on. 0 or a negative errno with the error set. */
int processor_init(struct machine_cpu *processor, int kvm);

/* Where the first one begins. 0 or a negative errno with the error set. */
int processor_set_entry(struct machine_cpu *processor, const struct boot_entry *entry);

/*
 * In the thread of a processor, around what may take long, a handler of the host program's: the machine may be paused
 * or ended meanwhile, as if the processor stood still. It comes back when the machine goes on, or has ended: then
 * nothing of the guest is there any more.
 */
void processor_leave(void);
void processor_back(void);

/* The thread: until the machine has ended. */
void *processor_run(void *data);

#endif
