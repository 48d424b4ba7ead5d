/* SPDX-License-Identifier: MIT */
/* What Linux puts on the program's stack before it enters a handler, and what rt_sigreturn(2) takes from there. */
#ifndef GUEST_X86_64_SIGNAL_FRAME_H
#define GUEST_X86_64_SIGNAL_FRAME_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/memory/address_space.h"
#include "guest/program/signal/signal.h"
#include "guest/x86_64/vcpu.h"

struct frame_setting {
	const siginfo_t *info;
	uint64_t handler;
	uint64_t restorer; /* 0 for none: the handler cannot be entered, as on Linux */
	bool on_stack;     /* on the alternate stack, where there is one */
	uint64_t mask;     /* that comes back with rt_sigreturn(2) */
	struct signal_stack *stack;
	uint64_t trap;
	uint64_t trap_error;
	uint64_t trap_address;
};

/* Saves the program's state on its stack and lets it go on in the handler. 0 or -EFAULT: then nothing has changed. */
int frame_push(struct vcpu *vcpu, struct address_space *space, const struct frame_setting *setting);

/* Takes the state back. The signal mask and alternate stack of the frame go to the outputs. 0 or -EFAULT. */
int frame_pop(struct vcpu *vcpu, struct address_space *space, uint64_t *out_mask, stack_t *out_stack);

/* Whether the stack pointer is on the alternate stack. */
bool frame_is_on_stack(const struct signal_stack *stack, uint64_t pointer);

/* The largest frame: AT_MINSIGSTKSZ. */
uint64_t frame_size_max(const struct processor *processor);

#endif
