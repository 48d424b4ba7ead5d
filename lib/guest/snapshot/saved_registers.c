/* SPDX-License-Identifier: MIT */
/* The registers of a saved snapshot's threads, and where its program waits for the host. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/error.h"
#include "guest/instance.h"
#include "guest/numbers.h"
#include "guest/snapshot/saved.h"
#include "guest/x86_64/system.h"
#include "guest/x86_64/xstate.h"

/* Of a segment register what a program can tell; the rest follows from the selector. */
struct saved_segment {
	uint64_t base;
	uint64_t selector;
};

struct saved_registers {
	struct kvm_regs regs;
	struct saved_segment segments[VCPU_SEGMENTS];
	struct kvm_xsave xsave;
};

struct saved_stay {
	uint64_t state; /* enum stay_state */
	struct kvm_regs waiting;
	uint64_t bases[2];
	uint64_t stack;
	uint64_t buffers;
	uint64_t buffers_size;
};

/* Without the privilege level in the last two bits, which says nothing of them. */
static bool is_null(uint64_t selector)
{
	return selector <= 3;
}

static bool is_user(uint64_t selector)
{
	return (selector | 3) == SELECTOR_USER_DATA || (selector | 3) == SELECTOR_USER_CODE;
}

void saved_put_registers(struct saved_writer *writer, const struct vcpu_state *state)
{
	struct saved_registers saved;
	memset(&saved, 0, sizeof(saved));
	saved.regs = state->regs;
	for (int i = 0; i < VCPU_SEGMENTS; i++) {
		const struct kvm_segment *segment = &state->segments[i];
		saved.segments[i].base = segment->base;
		saved.segments[i].selector = is_user(segment->selector) ? segment->selector : 0;
	}
	saved.xsave = state->xsave;
	saved_put(writer, &saved, sizeof(saved));
}

void saved_put_stay(struct saved_writer *writer, const viso_snapshot *snapshot)
{
	const struct stay *stay = &snapshot->stay;
	const struct saved_stay saved = {
		.state = (uint64_t)stay->state,
		.waiting = stay->regs,
		.bases = {stay->bases[0], stay->bases[1]},
		.stack = stay->stack,
		.buffers = stay->buffers,
		.buffers_size = stay->buffers_size,
	};
	saved_put(writer, &saved, sizeof(saved));
	saved_put_reference(writer, stay->task);
}

/* The descriptor that the processor would have loaded; null ones as it has them in 64-bit mode. */
static struct kvm_segment make_segment(const struct saved_segment *saved)
{
	bool is_code = (saved->selector | 3) == SELECTOR_USER_CODE;
	return (struct kvm_segment){
		.base = saved->base,
		.limit = 0xffffffff,
		.selector = (uint16_t)saved->selector,
		.type = is_code ? 11 : 3,
		.present = 1,
		.dpl = 3,
		.db = !is_code,
		.s = 1,
		.l = is_code,
		.g = 1,
	};
}

static bool is_user_address(uint64_t address)
{
	return address <= SPACE_END;
}

static bool are_sound(const struct saved_registers *saved)
{
	for (int i = 0; i < VCPU_SEGMENTS; i++)
		if ((!is_null(saved->segments[i].selector) && !is_user(saved->segments[i].selector)) ||
		    !is_user_address(saved->segments[i].base))
			return false;
	return true;
}

/* The thread that waits ran last; the one that got a request need not be the one that has answered it. */
static bool is_sound(const struct saved_stay *saved, const struct task *task, const struct task *current)
{
	bool waits = saved->state == STAY_READY || saved->state == STAY_RECEIVES;
	return (waits ? task == current : saved->state == STAY_ANSWERED) && is_user_address(saved->bases[0]) &&
	       is_user_address(saved->bases[1]) && is_user_address(saved->stack) && is_user_address(saved->buffers) &&
	       saved->buffers_size <= SPACE_END - saved->buffers && saved->buffers % GUEST_PAGE == 0 &&
	       saved->buffers_size % GUEST_PAGE == 0;
}

/* The call in which it waits for a request is made again before the program runs, so that it must be one that can. */
static bool receives(const struct saved_stay *saved, struct program *program)
{
	const struct file *file = program_file(program, (int)saved->waiting.rdi);
	switch (saved->waiting.rax) {
	case SYS_read:
	case SYS_readv:
	case SYS_pread64:
	case SYS_preadv:
	case SYS_preadv2:
		return file && file->kind == FILE_CONTACT;
	default:
		return saved->waiting.rax == VISO_HYPERCALL_BASE + VISO_HYPERCALL_RECEIVE;
	}
}

/* KVM tells of components that guests do not have; of what XRSTOR would not take nothing may be left. */
static int check_extended(const struct processor *processor, struct kvm_xsave *xsave)
{
	uint8_t *state = (uint8_t *)xsave;
	uint64_t present, known = processor->xstate_features ? processor->xstate_features : XSTATE_FP_SSE;
	memcpy(&present, state + XSTATE_HEADER, sizeof(present));
	present &= known;
	memcpy(state + XSTATE_HEADER, &present, sizeof(present));
	return xstate_check(processor, state);
}

int saved_get_registers(struct saved_reader *reader, const struct processor *processor, struct vcpu_state *out)
{
	struct saved_registers saved;
	if (!saved_get(reader, &saved, sizeof(saved)) || !are_sound(&saved) ||
	    check_extended(processor, &saved.xsave) < 0)
		return saved_damaged("registers");
	out->regs = saved.regs;
	for (int i = 0; i < VCPU_SEGMENTS; i++)
		out->segments[i] = make_segment(&saved.segments[i]);
	out->xsave = saved.xsave;
	return 0;
}

int saved_get_stay(struct saved_reader *reader, viso_snapshot *snapshot)
{
	struct saved_stay saved;
	const struct task *current = snapshot->holder->scheduler.current;
	void *task;
	if (!saved_get(reader, &saved, sizeof(saved)) || !saved_get_reference(reader, &reader->tasks, &task) ||
	    !is_sound(&saved, task, current) || (saved.state == STAY_RECEIVES && !receives(&saved, current->program)))
		return saved_damaged("registers");
	snapshot->stay = (struct stay){
		.state = (enum stay_state)saved.state,
		.task = task,
		.regs = saved.waiting,
		.bases = {saved.bases[0], saved.bases[1]},
		.stack = saved.stack,
		.buffers = saved.buffers,
		.buffers_size = saved.buffers_size,
	};
	return 0;
}
