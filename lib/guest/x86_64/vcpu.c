/* SPDX-License-Identifier: MIT */
/*
 * A system call leaves the guest by SYSCALL, which goes to the stub at LSTAR, whose OUT ends KVM_RUN. The host then
 * puts the program's registers back itself, so that no instruction is needed to return to ring 3: the emulator that
 * runs ring 0 on hosts with kvm_pvm knows neither SYSRET nor IRETQ. There SYSCALL stays in ring 3 too, and the first
 * instruction of the stub, a supervisor page, is a page fault: that counts as the system call, with RCX and R11 set as
 * by SYSCALL.
 *
 * Where ring 0 is real, which the OUT in ring 0 shows, the stub's SYSRET can return instead. That spares no exit, but
 * the exchange of the segment registers: under an emulated kvm_amd 64 instead of 74 us for a call. The host chooses it
 * when it enters, and only for registers that SYSRET gives the program exactly: RCX is RIP and R11 is RFLAGS, all other
 * segments are as the processor left them. So it does not matter what has been done to the registers meanwhile. RIP is
 * canonical then: ring 0 would fault on any other (CVE-2012-0217). A host that cannot execute SYSRET is found out at
 * the first one, which has changed nothing.
 *
 * A program may jump to the stub and give RCX and R11 itself; both are checked before they are used, and it gains
 * nothing.
 */
#include "guest/x86_64/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "core/error.h"
#include "core/hot.h"
#include "guest/memory/address_space.h"
#include "guest/x86_64/exception.h"
#include "guest/x86_64/system.h"
#include "guest/x86_64/xstate.h"

#define CR0_START 0x80050033ull /* PG AM WP NE ET MP PE */
#define CR4_PAE 0x20ull
#define EFER_START 0xd01ull /* NXE LMA LME SCE */
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_SYSCALL_MASK 0xc0000084u
#define APIC_BASE_RESET 0xfee00900ull

#define FLAGS_FIXED 0x202ull      /* IF, and the bit that is always set */
#define FLAGS_OF_USER 0x254dd5ull /* ID AC NT OF DF TF SF ZF AF PF CF, and RF: what a program may set; not IOPL */
#define FLAGS_TF_RF 0x10100ull    /* SYSRET clears RF; a program that steps itself goes on as ever */
#define FLAGS_OF_STUB 0x2ull      /* the bit that is always set */
#define FLAGS_CLEARED 0x47700ull  /* by SYSCALL, as on Linux: AC NT IOPL OF DF IF TF */

enum {
	PAGE_FAULT_WRITE = 2,
	PAGE_FAULT_USER = 4,
	PAGE_FAULT_FETCH = 16,
	PAGE_FAULT_KEY = 32,
};

static const struct kvm_segment user_code = {
	.limit = 0xffffffff,
	.selector = SELECTOR_USER_CODE,
	.type = 11,
	.present = 1,
	.dpl = 3,
	.s = 1,
	.l = 1,
	.g = 1,
};
static const struct kvm_segment user_data = {
	.limit = 0xffffffff,
	.selector = SELECTOR_USER_DATA,
	.type = 3,
	.present = 1,
	.dpl = 3,
	.db = 1,
	.s = 1,
	.g = 1,
};

static struct kvm_sregs *sregs_of(const struct vcpu *vcpu)
{
	return &vcpu->vm->run->s.regs.sregs;
}

static void set_sregs(struct vcpu *vcpu, uint64_t root, uint64_t cr4)
{
	/* As after SYSCALL and through a null selector: no base, no limit. */
	const struct kvm_segment null_data = {
		.type = 3, .present = 1, .dpl = 3, .s = 1, .db = 1, .g = 1, .limit = 0xffffffff};
	vcpu->can_sysret = false;
	*sregs_of(vcpu) = (struct kvm_sregs){
		.cs = user_code,
		.ss = user_data,
		.ds = null_data,
		.es = null_data,
		.fs = null_data,
		.gs = null_data,
		.tr = {.base = SYSTEM_TSS,
		       .limit = SYSTEM_TSS_SIZE - 1,
		       .selector = SELECTOR_TSS,
		       .type = 11,
		       .present = 1},
		.ldt = {.unusable = 1, .type = 2},
		.gdt = {.base = SYSTEM_GDT, .limit = SYSTEM_GDT_SIZE - 1},
		.idt = {.base = SYSTEM_IDT, .limit = SYSTEM_IDT_SIZE - 1},
		.cr0 = CR0_START,
		.cr3 = root,
		.cr4 = CR4_PAE | cr4,
		.efer = EFER_START,
		.apic_base = APIC_BASE_RESET,
	};
}

static int set_msrs(const struct vm *vm)
{
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entries[4];
	} msrs = {
		.header.nmsrs = 4,
		.entries =
			{
				{.index = MSR_STAR, .data = (uint64_t)SELECTOR_KERNEL_CODE << 32 | 0x23ull << 48},
				{.index = MSR_LSTAR, .data = SYSTEM_SYSCALL},
				{.index = MSR_CSTAR, .data = SYSTEM_SYSCALL},
				{.index = MSR_SYSCALL_MASK, .data = FLAGS_CLEARED},
			},
	};
	int done = ioctl(vm->vcpu_fd, KVM_SET_MSRS, &msrs);
	if (done >= 0 && done < 4)
		errno = EINVAL;
	return done == 4 ? 0 : vm_fail("KVM_SET_MSRS");
}

/*
 * There is no filter of MSRs: RDMSR and WRMSR fault in ring 3, and none of the program's code runs in ring 0. It would
 * be a second wall, but KVM_X86_SET_MSR_FILTER waits for a grace period of SRCU, 50 us for each machine and on a busy
 * host 20 ms.
 */
int vcpu_prepare(const struct vm *vm, const struct processor *processor)
{
	if (ioctl(vm->vcpu_fd, KVM_SET_CPUID2, processor->cpuid) < 0)
		return vm_fail("KVM_SET_CPUID2");
	if (processor->xcr0) {
		struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs[0].value = processor->xcr0};
		if (ioctl(vm->vcpu_fd, KVM_SET_XCRS, &xcrs) < 0)
			return vm_fail("KVM_SET_XCRS");
	}
	struct kvm_fpu fpu = {.fcw = 0x37f, .mxcsr = 0x1f80};
	if (ioctl(vm->vcpu_fd, KVM_SET_FPU, &fpu) < 0)
		return vm_fail("KVM_SET_FPU");
	return set_msrs(vm);
}

static void begin(struct vcpu *vcpu, struct vm *vm, struct page_tables *tables, const struct processor *processor)
{
	*vcpu = (struct vcpu){
		.vm = vm, .memory = tables->memory, .processor = processor, .regs = &vm->run->s.regs.regs};
	set_sregs(vcpu, tables->root, processor->cr4);
	vm->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
}

int vcpu_init(struct vcpu *vcpu, struct vm *vm, struct page_tables *tables, const struct processor *processor)
{
	begin(vcpu, vm, tables, processor);
	if (system_build(tables, &vcpu->stack_page) < 0)
		return error_fail(VISO_STAGE_GUEST, ENOMEM, "memory",
				  "the guest's memory limit leaves no room for its tables");
	return 0;
}

void vcpu_init_clone(struct vcpu *vcpu, struct vm *vm, struct page_tables *tables, const struct processor *processor)
{
	begin(vcpu, vm, tables, processor);
	vcpu->stack_page = paging_page(*paging_entry(tables, SYSTEM_STACK, false));
}

void vcpu_set_start(struct vcpu *vcpu, uint64_t entry, uint64_t stack)
{
	*vcpu->regs = (struct kvm_regs){.rip = entry, .rsp = stack, .rflags = FLAGS_FIXED};
}

HOT void vcpu_set_call(struct vcpu *vcpu, uint64_t function, uint64_t stack, const uint64_t args[6])
{
	*vcpu->regs = (struct kvm_regs){
		.rdi = args[0],
		.rsi = args[1],
		.rdx = args[2],
		.rcx = args[3],
		.r8 = args[4],
		.r9 = args[5],
		.r11 = function,
		.rsp = stack,
		.rip = SYSTEM_CALL,
		.rflags = FLAGS_FIXED,
	};
	vcpu->restores = vcpu->due && xstate_can_be_put(vcpu->processor) && !vcpu->lacks_restore;
	if (!vcpu->restores)
		return;
	vcpu->regs->rip = SYSTEM_RESTORE;
	vcpu->regs->r10 = vcpu->regs->rdx;
	/* All that there is. */
	vcpu->regs->rax = vcpu->regs->rdx = UINT32_MAX;
}

uint64_t vcpu_stack_pointer(const struct vcpu *vcpu)
{
	return vcpu->regs->rsp;
}

void vcpu_set_result(struct vcpu *vcpu, int64_t result)
{
	vcpu->regs->rax = (uint64_t)result;
}

void vcpu_rewind_call(struct vcpu *vcpu, uint64_t number)
{
	enum { SYSCALL_LENGTH = 2 };
	vcpu->regs->rip -= SYSCALL_LENGTH;
	vcpu->regs->rax = number;
}

bool vcpu_can_switch(const struct vcpu *vcpu)
{
	struct kvm_vcpu_events events;
	if (!vcpu->was_interrupted)
		return true;
	/* On some hosts the stubs run in ring 3, so that the ring tells nothing. */
	if (vcpu->regs->rip < SPACE_START || vcpu->regs->rip >= SPACE_END || sregs_of(vcpu)->cs.dpl != 3)
		return false;
	/* A fault that the processor is about to take belongs to the program that caused it. */
	return ioctl(vcpu->vm->vcpu_fd, KVM_GET_VCPU_EVENTS, &events) == 0 && !events.exception.injected &&
	       !events.exception.pending;
}

/* To the stub's end, for whoever has the state in another way. */
static void skip_restore(struct kvm_regs *regs)
{
	regs->rip = SYSTEM_CALL;
	regs->rdx = regs->r10;
	regs->rax = 0;
}

int vcpu_save(const struct vcpu *vcpu, struct vcpu_state *out)
{
	const struct kvm_sregs *sregs = sregs_of(vcpu);
	const struct kvm_segment segments[] = {sregs->ds, sregs->es, sregs->fs, sregs->gs};
	out->regs = *vcpu->regs;
	if (vcpu->restores)
		skip_restore(&out->regs);
	memcpy(out->segments, segments, sizeof(segments));
	return xstate_save(vcpu, &out->xsave);
}

/* The program was stopped in an exception's midst, which KVM would go on with in whatever program comes next. */
static int forget_exception(const struct vcpu *vcpu)
{
	const struct kvm_vcpu_events none = {0};
	return ioctl(vcpu->vm->vcpu_fd, KVM_SET_VCPU_EVENTS, &none) < 0 ? -errno : 0;
}

HOT int vcpu_rewind(struct vcpu *vcpu, const struct vcpu_state *state, const struct page_tables *tables)
{
	struct kvm_sregs *sregs = sregs_of(vcpu);
	int r = vcpu->was_interrupted ? forget_exception(vcpu) : 0;
	if (r < 0)
		return r;
	vcpu->due = &state->xsave;
	vcpu->restores = false;
	*vcpu->regs = state->regs;
	sregs->ds = state->segments[VCPU_DS];
	sregs->es = state->segments[VCPU_ES];
	sregs->fs = state->segments[VCPU_FS];
	sregs->gs = state->segments[VCPU_GS];
	sregs->cr3 = tables->root;
	vcpu->can_sysret = false;
	vcpu->was_interrupted = false;
	return 0;
}

int vcpu_load(struct vcpu *vcpu, const struct vcpu_state *state, const struct page_tables *tables)
{
	int r = vcpu_rewind(vcpu, state, tables);
	return r < 0 ? r : xstate_load_due(vcpu);
}

int vcpu_begin_anew(struct vcpu *vcpu, const struct page_tables *tables)
{
	int r = xstate_clear(vcpu);
	if (r == 0)
		set_sregs(vcpu, tables->root, vcpu->processor->cr4);
	return r;
}

uint64_t vcpu_base(const struct vcpu *vcpu, bool gs)
{
	return gs ? sregs_of(vcpu)->gs.base : sregs_of(vcpu)->fs.base;
}

HOT void vcpu_set_base(struct vcpu *vcpu, bool gs, uint64_t base)
{
	vcpu->can_sysret = false;
	if (gs)
		sregs_of(vcpu)->gs.base = base;
	else
		sregs_of(vcpu)->fs.base = base;
}

static void fault(struct vcpu_exit *out, const char *what, uint64_t number)
{
	out->event = VCPU_FAULT;
	snprintf(out->detail, sizeof(out->detail), "%s %llu", what, (unsigned long long)number);
}

static bool has_error_code(int vector)
{
	return vector == VECTOR_DOUBLE || (vector >= VECTOR_TSS && vector <= VECTOR_PAGE) ||
	       vector == VECTOR_ALIGNMENT || vector == VECTOR_CONTROL;
}

/* Takes the program's registers from what the processor pushed for an exception. */
HOT static void take_exception(struct vcpu *vcpu, struct vcpu_exit *out, int vector)
{
	struct frame {
		uint64_t error_code, rip, cs, rflags, rsp, ss;
	} frame = {0};
	size_t skip = has_error_code(vector) ? 0 : sizeof(frame.error_code);
	size_t size = sizeof(frame) - skip;
	const uint8_t *stack = memory_page(vcpu->memory, vcpu->stack_page);
	/* From ring 3 the stack is empty before. Anything else is an exception of a stub, which must not happen. */
	if (vcpu->regs->rsp != SYSTEM_STACK_TOP - size) {
		fault(out, "exception within the machine, vector", (uint64_t)vector);
		return;
	}
	memcpy((uint8_t *)&frame + skip, stack + GUEST_PAGE - size, size);
	if ((frame.cs & 3) != 3) {
		fault(out, "exception in ring 0, vector", (uint64_t)vector);
		return;
	}
	out->event = VCPU_EXCEPTION;
	out->vector = vector;
	out->error_code = frame.error_code;
	out->address = sregs_of(vcpu)->cr2;
	vcpu->regs->rip = frame.rip;
	vcpu->regs->rsp = frame.rsp;
	vcpu->regs->rflags = frame.rflags;
}

static void take_syscall(struct vcpu *vcpu, struct vcpu_exit *out)
{
	out->event = VCPU_SYSCALL;
	vcpu->regs->rip = vcpu->regs->rcx;
	vcpu->regs->rflags = vcpu->regs->r11;
}

HOT static void take_out(struct vcpu *vcpu, struct vcpu_exit *out)
{
	const struct kvm_run *run = vcpu->vm->run;
	int port = run->io.port;
	if (run->io.direction != KVM_EXIT_IO_OUT || run->io.size != 1) {
		fault(out, "port", run->io.port);
	} else if (port == PORT_SYSCALL) {
		take_syscall(vcpu, out);
		vcpu->can_sysret = sregs_of(vcpu)->cs.dpl == 0;
	} else if (port >= PORT_EXCEPTION && port < PORT_EXCEPTION + SYSTEM_VECTORS) {
		take_exception(vcpu, out, port - PORT_EXCEPTION);
		if (out->event == VCPU_EXCEPTION && out->vector == VECTOR_PAGE && vcpu->regs->rip == SYSTEM_SYSCALL &&
		    (out->error_code & PAGE_FAULT_FETCH))
			take_syscall(vcpu, out);
	} else {
		fault(out, "port", run->io.port);
	}
}

static bool fits_sysret(const struct vcpu *vcpu)
{
	const struct kvm_regs *regs = vcpu->regs;
	return vcpu->can_sysret && !vcpu->lacks_sysret && regs->rcx == regs->rip && regs->r11 == regs->rflags &&
	       !(regs->rflags & FLAGS_TF_RF);
}

/* Hands the program's registers to the processor, in ring 3 whatever ring it left. False where it could not go on. */
HOT static bool enter_user(struct vcpu *vcpu)
{
	/* By a return from a system call that was made by a jump to the stub. */
	if (vcpu->regs->rip >= SPACE_END)
		return false;
	vcpu->regs->rflags = (vcpu->regs->rflags & FLAGS_OF_USER) | FLAGS_FIXED;
	vcpu->in_sysret = fits_sysret(vcpu);
	vcpu->can_sysret = false;
	vcpu->vm->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	if (vcpu->in_sysret) {
		vcpu->regs->rip = SYSTEM_SYSRET;
		vcpu->regs->rflags = FLAGS_OF_STUB;
		return true;
	}
	sregs_of(vcpu)->cs = user_code;
	sregs_of(vcpu)->ss = user_data;
	vcpu->vm->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	return true;
}

/* Where the processor has not come to execute SYSRET: the program's registers are as before. */
static bool take_back_sysret(struct vcpu *vcpu)
{
	if (!vcpu->in_sysret || vcpu->regs->rip != SYSTEM_SYSRET || sregs_of(vcpu)->cs.dpl != 0)
		return false;
	vcpu->regs->rip = vcpu->regs->rcx;
	vcpu->regs->rflags = vcpu->regs->r11;
	vcpu->can_sysret = true;
	return true;
}

bool vcpu_is_in_program(struct vcpu *vcpu)
{
	if (!vcpu_can_switch(vcpu))
		return false;
	vcpu->was_interrupted = false;
	if (vcpu->restores)
		skip_restore(vcpu->regs);
	vcpu->restores = false;
	return true;
}

/* KVM_RUN. */
HOT static int run(struct vcpu *vcpu)
{
	int r = ioctl(vcpu->vm->vcpu_fd, KVM_RUN, 0);
	if (r < 0 || vcpu->vm->run->exit_reason != KVM_EXIT_INTERNAL_ERROR || !take_back_sysret(vcpu))
		return r;
	/* KVM had to emulate it, and cannot; entering anew forgets the exception that this has left pending. */
	vcpu->lacks_sysret = true;
	enter_user(vcpu);
	return ioctl(vcpu->vm->vcpu_fd, KVM_RUN, 0);
}

HOT static void run_to_exit(struct vcpu *vcpu, struct vcpu_exit *out)
{
	const struct kvm_run *result = vcpu->vm->run;
	vcpu->was_interrupted = false;
	vcpu->memory->has_run = true;
	if (run(vcpu) < 0) {
		out->event = VCPU_INTERRUPTED;
		if (errno != EINTR && errno != EAGAIN)
			fault(out, "KVM_RUN failed with errno", (uint64_t)errno);
		vcpu->was_interrupted = !take_back_sysret(vcpu);
	} else if (result->exit_reason == KVM_EXIT_IO) {
		take_out(vcpu, out);
	} else if (result->exit_reason == KVM_EXIT_INTERNAL_ERROR) {
		fault(out, "KVM internal error", result->internal.suberror);
	} else {
		fault(out, "KVM exit", result->exit_reason);
	}
}

/* Whether the stub has done what it was entered for. Where the processor refuses, the program has not run. */
HOT static bool take_restored(struct vcpu *vcpu, const struct vcpu_exit *exit)
{
	struct kvm_regs *regs = vcpu->regs;
	if (regs->rip < SYSTEM_RESTORE || regs->rip >= SYSTEM_RESTORED) {
		vcpu->due = NULL;
		vcpu->restores = false;
		return true;
	}
	if (exit->event != VCPU_EXCEPTION)
		return true;
	vcpu->restores = false;
	vcpu->lacks_restore = true;
	skip_restore(regs);
	return false;
}

HOT void vcpu_run(struct vcpu *vcpu, struct vcpu_exit *out)
{
	do {
		*out = (struct vcpu_exit){.vector = -1};
		if (vcpu->due && !vcpu->restores && xstate_load_due(vcpu) < 0) {
			fault(out, "KVM_SET_XSAVE failed with errno", (uint64_t)errno);
			return;
		}
		if (!vcpu->was_interrupted && !enter_user(vcpu)) {
			out->event = VCPU_EXCEPTION;
			out->vector = VECTOR_PROTECTION;
			return;
		}
		run_to_exit(vcpu, out);
	} while (vcpu->restores && !take_restored(vcpu, out));
}

bool vcpu_is_page_fault(const struct vcpu_exit *exit)
{
	return exit->vector == VECTOR_PAGE;
}

bool vcpu_is_user_access(const struct vcpu_exit *exit)
{
	return (exit->error_code & PAGE_FAULT_USER) && !(exit->error_code & PAGE_FAULT_KEY);
}

unsigned vcpu_fault_access(const struct vcpu_exit *exit)
{
	if (exit->error_code & PAGE_FAULT_FETCH)
		return PROT_EXEC;
	return exit->error_code & PAGE_FAULT_WRITE ? PROT_WRITE : PROT_READ;
}
