/* SPDX-License-Identifier: MIT */
/* What KVM has of a computer, as bytes (Documentation/virt/kvm/api.rst). */
#ifndef GUEST_KERNEL_SNAPSHOT_REGISTERS_H
#define GUEST_KERNEL_SNAPSHOT_REGISTERS_H

#include "guest/device/state.h"
#include "guest/kernel/machine.h"

/* Of a processor that stands still, and has completed its last exit. 0 or a negative errno with the error set. */
int registers_save(const struct machine_cpu *processor, struct state_writer *out);
/* For one that is as after power-on. */
int registers_load(const struct machine_cpu *processor, struct state_reader *in);

/* Interrupt controllers, clock and timer; loaded after all processors, since pending interrupts go to these. */
int controllers_save(const struct machine *machine, struct state_writer *out);
int controllers_load(const struct machine *machine, struct state_reader *in);

#endif
