/* SPDX-License-Identifier: MIT */
/* What Linux makes of the exceptions of a program. See: arch/x86/kernel/traps.c. */
#include "guest/x86_64/exception.h"

#include <linux/kvm.h>
#include <signal.h>
#include <string.h>

#include "guest/x86_64/xstate.h"

/* fpu__exception_code(): 0 where no exception is unmasked after all. */
static int float_code(const struct vcpu *vcpu, bool is_simd)
{
	enum { INVALID = 1, DENORMAL = 2, DIVIDE = 4, OVERFLOWN = 8, UNDERFLOW = 16, INEXACT = 32 };
	uint8_t state[XSTATE_MAX];
	uint16_t control, status;
	uint32_t mxcsr;
	if (xstate_get(vcpu, state) < 0)
		return FPE_FLTINV;
	memcpy(&control, state, sizeof(control));
	memcpy(&status, state + 2, sizeof(status));
	memcpy(&mxcsr, state + XSTATE_MXCSR, sizeof(mxcsr));
	uint32_t raised = is_simd ? mxcsr & ~(mxcsr >> 7) : status & ~(uint32_t)control;
	if (raised & INVALID)
		return FPE_FLTINV;
	if (raised & DIVIDE)
		return FPE_FLTDIV;
	if (raised & OVERFLOWN)
		return FPE_FLTOVF;
	if (raised & (DENORMAL | UNDERFLOW))
		return FPE_FLTUND;
	return raised & INEXACT ? FPE_FLTRES : FPE_FLTINV;
}

static int with_address(siginfo_t *out, int signal, int code, uint64_t address)
{
	*out = (siginfo_t){.si_signo = signal, .si_code = code};
	out->si_addr = (void *)(uintptr_t)address;
	return signal;
}

int vcpu_exception_signal(const struct vcpu *vcpu, const struct vcpu_exit *exit, siginfo_t *out)
{
	uint64_t rip = vcpu->regs->rip;
	switch (exit->vector) {
	case VECTOR_DIVIDE:
		return with_address(out, SIGFPE, FPE_INTDIV, rip);
	case VECTOR_X87:
	case VECTOR_SIMD:
		return with_address(out, SIGFPE, float_code(vcpu, exit->vector == VECTOR_SIMD), rip);
	case VECTOR_DEBUG:
		return with_address(out, SIGTRAP, TRAP_TRACE, rip);
	case VECTOR_BREAKPOINT:
		return with_address(out, SIGTRAP, SI_KERNEL, 0);
	case VECTOR_DEVICE: /* of AMX, where the host's kernel has not given the thread its state (XFD) */
	case VECTOR_OPCODE:
		return with_address(out, SIGILL, ILL_ILLOPN, rip);
	case VECTOR_ALIGNMENT:
		return with_address(out, SIGBUS, BUS_ADRALN, 0);
	case VECTOR_SEGMENT:
	case VECTOR_STACK:
		return with_address(out, SIGBUS, SI_KERNEL, 0);
	case VECTOR_OVERFLOW:
	case VECTOR_BOUND:
	case VECTOR_TSS:
	case VECTOR_PROTECTION:
		return with_address(out, SIGSEGV, SI_KERNEL, 0);
	case VECTOR_PAGE:
		return with_address(out, SIGSEGV, SEGV_MAPERR, exit->address);
	default:
		return 0;
	}
}
