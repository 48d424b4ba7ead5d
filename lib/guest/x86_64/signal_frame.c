/* SPDX-License-Identifier: MIT */
/*
 * See: arch/x86/kernel/signal.c, signal_64.c, fpu/signal.c; arch/x86/include/uapi/asm/sigcontext.h. From the lowest
 * address on: the return address, ucontext, siginfo, then (aligned to 64 bytes) the XSAVE area.
 */
#include "guest/x86_64/signal_frame.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "guest/memory/fault.h"
#include "guest/x86_64/system.h"
#include "guest/x86_64/xstate.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

enum {
	RED_ZONE = 128, /* System V ABI: what a leaf function uses below the stack pointer */
	FLAG_XSTATE = 1,
	FLAG_SS = 2,
	FLAG_STRICT_SS = 4,
	MAGIC1 = 0x46505853,
	MAGIC2 = 0x46505845,
	MAGIC2_SIZE = 4,
	XSTATE_ALIGNMENT = 64,
};

#define FLAGS_OF_HANDLER_CLEARED 0x10500ull /* RF DF TF */
#define FLAGS_RESTORED 0x50dd5ull           /* FIX_EFLAGS: AC RF OF DF TF SF ZF AF PF CF */

struct machine_context {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, trap, old_mask, address, xstate;
	uint64_t reserved[8];
};

struct frame_stack {
	uint64_t start;
	uint32_t flags;
	uint32_t padding;
	uint64_t size;
};

struct frame {
	uint64_t return_address;
	uint64_t flags;
	uint64_t link;
	struct frame_stack stack;
	struct machine_context machine;
	uint64_t mask;
	siginfo_t info;
};
_Static_assert(sizeof(struct machine_context) == 256 && sizeof(struct frame) == 440, "the frame of Linux");

/* struct _fpx_sw_bytes */
struct software_bytes {
	uint32_t magic1;
	uint32_t extended_size;
	uint64_t features;
	uint32_t xstate_size;
	uint32_t padding[7];
};
_Static_assert(sizeof(struct software_bytes) == 48, "the bytes of XSAVE that are left to software");

bool frame_is_on_stack(const struct signal_stack *stack, uint64_t pointer)
{
	/* Disarmed when a handler is entered, it is never left: it can be used at once again. */
	if (stack->flags & SS_AUTODISARM)
		return false;
	return stack->size && pointer > stack->start && pointer - stack->start <= stack->size;
}

/* How much of the stack the floating-point state takes. */
static uint64_t state_size(const struct processor *processor)
{
	return processor->xstate_features ? processor->xstate_size + MAGIC2_SIZE : XSTATE_LEGACY;
}

uint64_t frame_size_max(const struct processor *processor)
{
	const uint64_t padding = XSTATE_ALIGNMENT + 16 + 8;
	return (sizeof(struct frame) + state_size(processor) + padding + 15) & ~15ull;
}

/* Where the frame and its floating-point state go. -EFAULT where the alternate stack is too small for it. */
static int choose_place(const struct vcpu *vcpu, const struct frame_setting *setting, uint64_t *out_frame,
			uint64_t *out_state)
{
	const struct signal_stack *stack = setting->stack;
	uint64_t rsp = vcpu->regs->rsp, sp = rsp - RED_ZONE;
	bool nested = frame_is_on_stack(stack, rsp), entering = setting->on_stack && stack->size && !nested;
	if (entering)
		sp = stack->start + stack->size;
	uint64_t state = (sp - state_size(vcpu->processor)) & ~(uint64_t)(XSTATE_ALIGNMENT - 1);
	uint64_t frame = ((state - sizeof(struct frame)) & ~15ull) - 8;
	/* Rather die than write below it: "If we are on the alternate signal stack and would overflow it, don't." */
	bool inside = frame > stack->start && frame - stack->start <= stack->size;
	if (((nested || entering) && !inside) || frame > sp)
		return -EFAULT;
	*out_frame = frame;
	*out_state = state;
	return 0;
}

static void fill_machine(const struct vcpu *vcpu, const struct frame_setting *setting, uint64_t state,
			 struct machine_context *out)
{
	const struct kvm_regs *regs = vcpu->regs;
	*out = (struct machine_context){
		.r8 = regs->r8,
		.r9 = regs->r9,
		.r10 = regs->r10,
		.r11 = regs->r11,
		.r12 = regs->r12,
		.r13 = regs->r13,
		.r14 = regs->r14,
		.r15 = regs->r15,
		.rdi = regs->rdi,
		.rsi = regs->rsi,
		.rbp = regs->rbp,
		.rbx = regs->rbx,
		.rdx = regs->rdx,
		.rax = regs->rax,
		.rcx = regs->rcx,
		.rsp = regs->rsp,
		.rip = regs->rip,
		.rflags = regs->rflags,
		.cs = SELECTOR_USER_CODE,
		.ss = SELECTOR_USER_DATA,
		.error = setting->trap_error,
		.trap = setting->trap,
		.old_mask = setting->mask,
		.address = setting->trap_address,
		.xstate = state,
	};
}

/* Saves the floating-point state on the program's stack. */
static int save_state(const struct vcpu *vcpu, struct address_space *space, uint64_t address)
{
	const struct processor *processor = vcpu->processor;
	uint8_t data[XSTATE_MAX + MAGIC2_SIZE] = {0};
	const uint32_t magic2 = MAGIC2;
	int r = xstate_get(vcpu, data);
	if (r < 0)
		return r;
	struct software_bytes software = {0};
	if (processor->xstate_features) {
		software = (struct software_bytes){
			.magic1 = MAGIC1,
			.extended_size = processor->xstate_size + MAGIC2_SIZE,
			.features = processor->xstate_features,
			.xstate_size = processor->xstate_size,
		};
		memcpy(data + processor->xstate_size, &magic2, sizeof(magic2));
		/* save_xstate_epilog(): so that what a handler changes there is restored, whatever was in use. */
		data[XSTATE_HEADER] |= XSTATE_FP_SSE;
	}
	memcpy(data + XSTATE_SOFTWARE, &software, sizeof(software));
	return space_write(space, address, data, state_size(processor));
}

int frame_push(struct vcpu *vcpu, struct address_space *space, const struct frame_setting *setting)
{
	struct kvm_regs *regs = vcpu->regs;
	struct signal_stack *stack = setting->stack;
	uint64_t address, state;
	if (!setting->restorer || choose_place(vcpu, setting, &address, &state) < 0)
		return -EFAULT;
	struct frame frame = {
		.return_address = setting->restorer,
		.flags = (vcpu->processor->xstate_features ? FLAG_XSTATE : 0) | FLAG_SS | FLAG_STRICT_SS,
		.stack = {.start = stack->start,
			  .size = stack->size,
			  .flags = stack->size ? (frame_is_on_stack(stack, regs->rsp) ? SS_ONSTACK : 0) | stack->flags
					       : SS_DISABLE},
		.mask = setting->mask,
		.info = *setting->info,
	};
	fill_machine(vcpu, setting, state, &frame.machine);
	if (save_state(vcpu, space, state) < 0 || space_write(space, address, &frame, sizeof(frame)) < 0 ||
	    xstate_clear(vcpu) < 0)
		return -EFAULT;
	if (stack->flags & SS_AUTODISARM)
		*stack = (struct signal_stack){0};
	regs->rip = setting->handler;
	regs->rsp = address;
	regs->rdi = (uint64_t)setting->info->si_signo;
	regs->rsi = address + offsetof(struct frame, info);
	regs->rdx = address + offsetof(struct frame, flags);
	regs->rax = 0;
	regs->rflags &= ~FLAGS_OF_HANDLER_CLEARED;
	return 0;
}

/* Whether a saved state has more than the legacy part, as far as the program left it whole (check_xstate_in_sigframe).
 */
static bool is_extended(const struct vcpu *vcpu, struct address_space *space, uint64_t address,
			const struct software_bytes *software)
{
	uint32_t magic2;
	if (!vcpu->processor->xstate_features || software->magic1 != MAGIC1 || software->xstate_size < XSTATE_LEAST ||
	    software->xstate_size > vcpu->processor->xstate_size || software->xstate_size > software->extended_size)
		return false;
	return space_read(space, &magic2, address + software->xstate_size, sizeof(magic2)) == 0 && magic2 == MAGIC2;
}

/* The hostile part: a processor takes no state with reserved bits, and the program gets SIGSEGV. */
static int restore_state(struct vcpu *vcpu, struct address_space *space, uint64_t address)
{
	uint8_t data[XSTATE_MAX] = {0};
	struct software_bytes software;
	const uint64_t legacy = XSTATE_FP_SSE;
	if (!address)
		return xstate_clear(vcpu);
	if (address % XSTATE_ALIGNMENT || space_read(space, data, address, XSTATE_LEGACY) < 0)
		return -EFAULT;
	memcpy(&software, data + XSTATE_SOFTWARE, sizeof(software));
	memset(data + XSTATE_SOFTWARE, 0, sizeof(software));
	if (is_extended(vcpu, space, address, &software)) {
		if (space_read(space, data + XSTATE_LEGACY, address + XSTATE_LEGACY,
			       software.xstate_size - XSTATE_LEGACY) < 0)
			return -EFAULT;
		uint64_t present;
		memcpy(&present, data + XSTATE_HEADER, sizeof(present));
		if (present & ~vcpu->processor->xstate_features)
			return -EFAULT;
		present &= software.features;
		memcpy(data + XSTATE_HEADER, &present, sizeof(present));
		/* XRSTOR does not look there; KVM does. */
		memset(data + XSTATE_HEADER + 24, 0, XSTATE_LEAST - XSTATE_HEADER - 24);
	} else {
		memcpy(data + XSTATE_HEADER, &legacy, sizeof(legacy));
	}
	return xstate_set(vcpu, data) < 0 ? -EFAULT : 0;
}

static int restore_registers(struct vcpu *vcpu, const struct machine_context *machine, uint64_t flags)
{
	/* Other segments cannot be returned to: IRET would fault. */
	if ((machine->cs | 3) != SELECTOR_USER_CODE)
		return -EFAULT;
	if ((flags & FLAG_STRICT_SS) && (machine->ss | 3) != SELECTOR_USER_DATA)
		return -EFAULT;
	struct kvm_regs *regs = vcpu->regs;
	uint64_t rflags = (regs->rflags & ~FLAGS_RESTORED) | (machine->rflags & FLAGS_RESTORED);
	*regs = (struct kvm_regs){
		.r8 = machine->r8,
		.r9 = machine->r9,
		.r10 = machine->r10,
		.r11 = machine->r11,
		.r12 = machine->r12,
		.r13 = machine->r13,
		.r14 = machine->r14,
		.r15 = machine->r15,
		.rdi = machine->rdi,
		.rsi = machine->rsi,
		.rbp = machine->rbp,
		.rbx = machine->rbx,
		.rdx = machine->rdx,
		.rax = machine->rax,
		.rcx = machine->rcx,
		.rsp = machine->rsp,
		.rip = machine->rip,
		.rflags = rflags,
	};
	return 0;
}

int frame_pop(struct vcpu *vcpu, struct address_space *space, uint64_t *out_mask, stack_t *out_stack)
{
	struct frame frame;
	/* The handler's RET has taken the return address off. */
	if (space_read(space, &frame, vcpu->regs->rsp - sizeof(frame.return_address), sizeof(frame)) < 0)
		return -EFAULT;
	*out_mask = frame.mask;
	*out_stack = (stack_t){
		.ss_sp = (void *)(uintptr_t)frame.stack.start,
		.ss_flags = (int)frame.stack.flags,
		.ss_size = frame.stack.size,
	};
	int r = restore_registers(vcpu, &frame.machine, frame.flags);
	return r < 0 ? r : restore_state(vcpu, space, frame.machine.xstate);
}
