/* SPDX-License-Identifier: MIT */
/* Frames that no kernel has built, and handlers that cannot be. */
#include "probe_signals.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A frame as the kernel builds it, changed in one thing, given to rt_sigreturn(2). */
static int damage;

static void damage_frame(int signal, siginfo_t *info, void *data)
{
	ucontext_t *context = data;
	greg_t *registers = context->uc_mcontext.gregs;
	char *state = (char *)context->uc_mcontext.fpregs;
	count++;
	switch (damage) {
	case 0:
		registers[REG_CSGSFS] = (registers[REG_CSGSFS] & ~0xffffll) | 0x10;
		break;
	case 1:
		registers[REG_CSGSFS] = (registers[REG_CSGSFS] & ~0xffffll) | 0x23;
		break;
	case 2:
		registers[REG_CSGSFS] = (registers[REG_CSGSFS] & 0xffffffffffffll) | 0x18ll << 48;
		break;
	case 3:
		registers[REG_RIP] = 0x800000000000ll;
		break;
	case 4:
		registers[REG_RIP] = (greg_t)0xffffffff81000000ull;
		break;
	case 5:
		memset(state + 24, 0xff, 4); /* MXCSR */
		break;
	case 6:
		state[512 + 7] = 0x7f; /* components that there are not */
		break;
	case 7:
		state[512 + 15] = (char)0x80; /* compacted */
		break;
	case 8:
		state[512 + 20] = 1; /* reserved */
		break;
	case 9:
		context->uc_mcontext.fpregs = (void *)(state + 8);
		break;
	case 10:
		context->uc_mcontext.fpregs = (void *)0x1000;
		break;
	case 11:
		context->uc_mcontext.fpregs = (void *)0xffff800000000000ull;
		break;
	case 12:
		registers[REG_RIP] = 0x2000; /* the stub of system calls */
		break;
	case 13:
		registers[REG_RIP] = 0x2100;
		break;
	default:
		break;
	}
}

static int signals_damage(int argc, char **argv)
{
	damage = atoi(argv[2]);
	handle(SIGUSR1, damage_frame, 0);
	raise(SIGUSR1);
	return SURVIVED;
}

/* What is not the program's to set is left as it is; what is left out is put to its start. */
static void soften_frame(int signal, siginfo_t *info, void *data)
{
	ucontext_t *context = data;
	char *state = (char *)context->uc_mcontext.fpregs;
	count++;
	if (damage == 0) {
		context->uc_mcontext.gregs[REG_EFL] |= 0x1a7000; /* IOPL NT VM VIF VIP */
		context->uc_mcontext.gregs[REG_EFL] &= ~0x200ll; /* IF */
	} else if (damage == 1) {
		context->uc_mcontext.fpregs = NULL;
	} else if (damage == 2) {
		memset(state + 464, 0, 48); /* no extended state */
	} else if (damage == 3) {
		memset(state + 464 + 4, 0xff, 44);
	} else if (damage == 4) {
		state[512 + 40] = 1; /* nobody looks there */
	} else if (damage == 5) {
		memset(&context->uc_sigmask, 0xff, 8);
	}
}

static int signals_soften(int argc, char **argv)
{
	handle(SIGUSR1, soften_frame, 0);
	for (damage = 0; damage < 6; damage++) {
		uint64_t flags;
		kill(getpid(), SIGUSR1);
		__asm__ volatile("pushfq; popq %0" : "=r"(flags));
		CHECK((flags & 0x3000) == 0 && (flags & 0x4000) == 0 && (flags & 0x200));
	}
	CHECK(count == 6);
	kill(getpid(), SIGKILL);
	return SURVIVED;
}

/* rt_sigreturn(2) from nowhere, with this stack pointer. */
static int signals_return(int argc, char **argv)
{
	uint64_t stack = strtoull(argv[2], NULL, 0);
	__asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall" : : "r"(stack) : "rax", "memory");
	return SURVIVED;
}

static int signals_no_restorer(int argc, char **argv)
{
	const uint64_t action[4] = {(uintptr_t)note, SA_SIGINFO, 0, 0};
	CHECK(syscall(SYS_rt_sigaction, SIGUSR1, action, NULL, 8) == 0);
	raise(SIGUSR1);
	return SURVIVED;
}

/* A blocked, or an ignored, fault ends the program. */
static int signals_blocked_fault(int argc, char **argv)
{
	sigset_t set = set_of(SIGSEGV);
	handle(SIGSEGV, note, 0);
	if (argc > 2)
		signal(SIGSEGV, SIG_IGN);
	else
		sigprocmask(SIG_BLOCK, &set, NULL);
	*(volatile int *)16 = 1;
	return SURVIVED;
}

static int signals_endless(int argc, char **argv)
{
	handle(SIGSEGV, note, 0);
	*(volatile int *)16 = 1;
	return SURVIVED;
}

const struct probe signal_attack_probes[] = {
	{"signal-damage", signals_damage},
	{"signal-soften", signals_soften},
	{"signal-return", signals_return},
	{"signal-no-restorer", signals_no_restorer},
	{"signal-blocked-fault", signals_blocked_fault},
	{"signal-endless", signals_endless},
	{0},
};
