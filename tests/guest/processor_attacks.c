/* SPDX-License-Identifier: MIT */
/* Instructions that are not for programs, and those that try to get out of ring 3. Each must end as on Linux. */
#include "processor.h"

#include <cpuid.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <unistd.h>
#define VISO_HYPERCALL_NUMBERS_ONLY
#include <virtiso/hypercall.h>

/* How an instruction may end: by one of these signals, or without harm. */
enum { SEGV = 1, ILL = 2, TRAP = 4, BUS = 8, FINE = 16, FAULT = SEGV | ILL };

struct attack {
	const char *name;
	const char *code;
	size_t size;
	int allowed;
	uint64_t a, c, d;
};
#define ATTACK(what, bytes, how, ...)                                                                                  \
	{                                                                                                              \
		.name = (what), .code = (bytes), .size = sizeof(bytes) - 1, .allowed = (how), __VA_ARGS__              \
	}

static const struct attack attacks[] = {
	/* What is allowed, as a check of the checks. */
	ATTACK("nop", "\x90", FINE, ),
	ATTACK("rdtsc", "\x0f\x31", FINE, ),
	ATTACK("ud2", "\x0f\x0b", ILL, ),
	ATTACK("int3", "\xcc", TRAP, ),
	ATTACK("icebp", "\xf1", TRAP | ILL, ), /* SIGILL where QEMU emulates */
	ATTACK("int1", "\xcd\x01", FAULT, ),
	/* Registers of the system. */
	ATTACK("wrmsr lstar", "\x0f\x30", SEGV, .c = 0xc0000082),
	ATTACK("wrmsr kernel gs", "\x0f\x30", SEGV, .c = 0xc0000102),
	ATTACK("rdmsr efer", "\x0f\x32", SEGV, .c = 0xc0000080),
	ATTACK("rdmsr x2apic", "\x0f\x32", SEGV, .c = 0x802),
	ATTACK("rdpmc", "\x0f\x33", FAULT | FINE, ),
	ATTACK("xsetbv", "\x0f\x01\xd1", FAULT, .a = 1),
	ATTACK("read cr0", "\x0f\x20\xc0", SEGV, ),
	ATTACK("write cr0", "\x0f\x22\xc0", SEGV, ),
	ATTACK("read cr2", "\x0f\x20\xd0", SEGV, ),
	ATTACK("write cr3", "\x0f\x22\xd8", SEGV, ),
	ATTACK("write cr4", "\x0f\x22\xe0", SEGV, ),
	ATTACK("write cr8", "\x44\x0f\x22\xc0", SEGV, ),
	ATTACK("read dr7", "\x0f\x21\xf8", SEGV, ),
	ATTACK("write dr7", "\x0f\x23\xf8", SEGV, ),
	ATTACK("clts", "\x0f\x06", SEGV, ),
	ATTACK("lmsw", "\x0f\x01\xf0", SEGV, ),
	ATTACK("swapgs", "\x0f\x01\xf8", FAULT, ),
	ATTACK("stac", "\x0f\x01\xcb", FAULT, ),
	/* Tables. Linux answers those that store them itself, or with SIGSEGV. */
	ATTACK("lgdt", "\x0f\x01\x14\x24", SEGV, ),
	ATTACK("lidt", "\x0f\x01\x1c\x24", SEGV, ),
	ATTACK("lldt", "\x0f\x00\xd0", SEGV, ),
	ATTACK("ltr", "\x0f\x00\xd8", SEGV, .a = 0x38),
	ATTACK("sgdt", "\x0f\x01\x44\x24\xe0", SEGV | FINE, ),
	ATTACK("sidt", "\x0f\x01\x4c\x24\xe0", SEGV | FINE, ),
	ATTACK("sldt", "\x0f\x00\xc0", SEGV | FINE, ),
	ATTACK("str", "\x0f\x00\xc8", SEGV | FINE, ),
	ATTACK("smsw", "\x0f\x01\xe0", SEGV | FINE, ),
	/* Segments. */
	ATTACK("ds of ring 0", "\x8e\xd8", SEGV | BUS, .a = 0x18),
	ATTACK("ss of ring 0", "\x8e\xd0", SEGV | BUS, .a = 0x18),
	ATTACK("ss 0", "\x8e\xd0", SEGV | BUS, .a = 0),
	ATTACK("fs of code of ring 0", "\x8e\xe0", SEGV | BUS, .a = 0x10),
	ATTACK("es of the tss", "\x8e\xc0", SEGV | BUS, .a = 0x38),
	ATTACK("ds of a local table", "\x8e\xd8", SEGV | BUS, .a = 0x7),
	ATTACK("ds beyond the table", "\x8e\xd8", SEGV | BUS, .a = 0xfffb),
	ATTACK("ds of ring 3", "\x8e\xd8", FINE, .a = 0x2b),
	ATTACK("mov cs", "\x8e\xc8", FAULT, .a = 0x33),
	/* Protection keys: no memory at all can be read any more. */
	ATTACK("wrpkru", "\x0f\x01\xef", FAULT, .a = 0xffffffff),
	/* Interrupts, ports and stopping. */
	ATTACK("cli", "\xfa", SEGV, ),
	ATTACK("sti", "\xfb", SEGV, ),
	ATTACK("hlt", "\xf4", SEGV, ),
	ATTACK("in", "\xec", SEGV, .d = 0x10),
	ATTACK("out", "\xee", SEGV, .d = 0x10),
	ATTACK("insb", "\x6c", SEGV, .d = 0x10),
	ATTACK("rep outsb", "\xf3\x6e", SEGV, .c = 2, .d = 0x10),
	ATTACK("monitor", "\x0f\x01\xc8", FAULT | FINE, ),
	ATTACK("mwait", "\x0f\x01\xc9", FAULT | FINE, ),
	ATTACK("monitorx", "\x0f\x01\xfa", FAULT | FINE, ),
	ATTACK("mwaitx", "\x0f\x01\xfb", FAULT | FINE, ),
	ATTACK("umwait", "\xf2\x0f\xae\xf1", FAULT | FINE, ),
	ATTACK("tpause", "\x66\x0f\xae\xf1", FAULT | FINE, ),
	/* Entering and leaving rings. */
	ATTACK("sysenter", "\x0f\x34", FAULT, ),
	ATTACK("sysexit", "\x0f\x35", FAULT, .c = 0x2000),
	ATTACK("sysret", "\x48\x0f\x07", FAULT, .c = 0x2000),
	ATTACK("rsm", "\x0f\xaa", FAULT, ),
	/* Caches and address spaces. */
	ATTACK("invd", "\x0f\x08", SEGV, ),
	ATTACK("wbinvd", "\x0f\x09", SEGV, ),
	ATTACK("invlpg", "\x0f\x01\x38", SEGV, .a = 0x2000),
	ATTACK("invpcid", "\x66\x0f\x38\x82\x04\x24", FAULT, ),
	/* Virtualisation. KVM answers VMCALL and VMMCALL of ring 3 with an errno. */
	ATTACK("vmcall", "\x0f\x01\xc1", FAULT | FINE, .a = 1),
	ATTACK("vmmcall", "\x0f\x01\xd9", FAULT | FINE, .a = 1),
	ATTACK("vmlaunch", "\x0f\x01\xc2", FAULT, ),
	ATTACK("vmresume", "\x0f\x01\xc3", FAULT, ),
	ATTACK("vmxoff", "\x0f\x01\xc4", FAULT, ),
	ATTACK("vmfunc", "\x0f\x01\xd4", FAULT, ),
	ATTACK("vmrun", "\x0f\x01\xd8", FAULT, .a = 0x1000),
	ATTACK("vmload", "\x0f\x01\xda", FAULT, .a = 0x1000),
	ATTACK("vmsave", "\x0f\x01\xdb", FAULT, .a = 0x1000),
	ATTACK("stgi", "\x0f\x01\xdc", FAULT, ),
	ATTACK("clgi", "\x0f\x01\xdd", FAULT, ),
	ATTACK("skinit", "\x0f\x01\xde", FAULT, ),
	ATTACK("invlpga", "\x0f\x01\xdf", FAULT, ),
	ATTACK("getsec", "\x0f\x37", FAULT, ),
	ATTACK("encls", "\x0f\x01\xcf", FAULT, ),
	ATTACK("enclu", "\x0f\x01\xd7", FAULT, ),
	/* What a decoder may take wrongly. */
	ATTACK("lock cmpxchg8b eax", "\xf0\x0f\xc7\xc8", ILL, ),
	ATTACK("lock nop", "\xf0\x90", ILL, ),
	ATTACK("sixteen bytes", "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90", FAULT, ),
	ATTACK("into", "\xce", ILL, ),
	ATTACK("push cs", "\x0e", ILL, ),
	ATTACK("ud0", "\x0f\xff\xc0", ILL, ),
	ATTACK("xrstors", "\x0f\xc7\x1c\x24", FAULT, ),
};

static int kind_of(int signal)
{
	return signal == SIGSEGV   ? SEGV
	       : signal == SIGILL  ? ILL
	       : signal == SIGTRAP ? TRAP
	       : signal == SIGBUS  ? BUS
				   : 0;
}

/* Where code can be put, followed by a RET. */
static uint8_t *make_code(const void *code, size_t size)
{
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(page, code, size);
	page[size] = 0xc3;
	mprotect(page, 4096, PROT_READ | PROT_EXEC);
	return page;
}

static void execute(const struct attack *attack)
{
	static char data[4096];
	uint8_t *code = make_code(attack->code, attack->size);
	alarm(5);
	__asm__ volatile("call *%[code]; mov $60, %%eax; xor %%edi, %%edi; syscall"
			 :
			 : [code] "r"(code), "a"(attack->a), "c"(attack->c), "d"(attack->d), "D"(data), "S"(data)
			 : "memory", "cc", "r11");
}

int attack_by_instructions(void)
{
	int failed = 0;
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		const struct attack *attack = &attacks[i];
		int status;
		pid_t child = fork();
		if (child == 0)
			execute(attack);
		if (waitpid(child, &status, 0) != child)
			return 1;
		int ended = WIFSIGNALED(status) ? kind_of(WTERMSIG(status)) : FINE;
		dprintf(1, "%s: %d\n", attack->name, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
		if (!(ended & attack->allowed) || (WIFEXITED(status) && WEXITSTATUS(status))) {
			dprintf(2, "%s ended with %#x\n", attack->name, status);
			failed = 1;
		}
	}
	return failed;
}

/* The last signal; what raised it is passed over, as far as it has not been already. */
static volatile sig_atomic_t last_signal;
static volatile uintptr_t go_on;

static void skip(int signal, siginfo_t *info, void *data)
{
	ucontext_t *context = data;
	last_signal = signal;
	if (go_on)
		context->uc_mcontext.gregs[REG_RIP] = (greg_t)go_on;
	context->uc_mcontext.gregs[REG_EFL] &= ~0x40100; /* AC TF */
}

static void catch (void)
{
	static const int signals[] = {SIGSEGV, SIGILL, SIGTRAP, SIGBUS};
	struct sigaction action = {.sa_sigaction = skip, .sa_flags = SA_SIGINFO};
	for (int i = 0; i < 4; i++)
		sigaction(signals[i], &action, NULL);
}

/* Executes it; how it ended. */
static int try(const uint8_t *code, size_t size, uint64_t a, uint64_t d)
{
	last_signal = 0;
	go_on = (uintptr_t)code + size;
	__asm__ volatile("call *%[code]" : "+a"(a), "+d"(d) : [code] "r"(code) : "memory", "cc", "rcx", "r11");
	return last_signal ? kind_of(last_signal) : FINE;
}

/* On kvm_pvm the program sees the host's processor as it is. */
static bool is_host_seen(void)
{
	uint32_t a, b, c, d;
	__cpuid(0x40000000, a, b, c, d);
	return memcmp(&b, VISO_CPUID_SIGNATURE, sizeof(b)) != 0;
}

int attack_by_interrupts(void)
{
	int failed = 0;
	catch ();
	for (int n = 0; n < 256; n++) {
		const uint8_t code[] = {0xcd, (uint8_t)n};
		uint8_t *page = make_code(code, sizeof(code));
		int ended = try(page, sizeof(code), SYS_getpid, 0), allowed = n == 3 ? TRAP | FAULT : FAULT;
		/* What is below kvm_pvm answers this one, with zeros. */
		if (n == 26 && is_host_seen())
			allowed |= FINE;
		if (!(ended & allowed)) {
			dprintf(2, "int %d: %#x\n", n, ended);
			failed = 1;
		}
		munmap(page, 4096);
	}
	return failed;
}

int attack_by_ports(void)
{
	static const uint8_t codes[][2] = {{0xec, 0x90}, {0xee, 0x90}, {0xed, 0x90}, {0x66, 0xef}};
	int failed = 0;
	catch ();
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		uint8_t *page = make_code(codes[i], sizeof(codes[i]));
		for (unsigned port = 0; port < 0x10000; port += port < 0x90 ? 1 : 0x3fd) {
			int ended = try(page, sizeof(codes[i]), 231, port);
			if (ended != SEGV)
				dprintf(2, "port %#x: %#x\n", port, ended);
			failed |= ended != SEGV;
		}
	}
	return failed;
}

static void __attribute__((noreturn)) jump(uint64_t selector, bool by_iret)
{
	if (by_iret)
		__asm__ volatile(
			"mov %%rsp, %%rbx; lea 1f(%%rip), %%rdx; push $0x2b; push %%rbx; push $0x3202; push %0; "
			"push %%rdx; iretq; 1: mov $60, %%eax; xor %%edi, %%edi; syscall"
			:
			: "r"(selector)
			: "rbx", "rdx", "memory");
	else
		__asm__ volatile("lea 1f(%%rip), %%rdx; push %0; push %%rdx; lretq; "
				 "1: mov $60, %%eax; xor %%edi, %%edi; syscall"
				 :
				 : "r"(selector)
				 : "rdx", "memory");
	__builtin_unreachable();
}

/* By IRETQ and RETFQ with each selector. None but that of the program's own code gets through. */
int attack_by_far_jumps(void)
{
	int failed = 0;
	for (unsigned i = 0; i < 0x60; i++) {
		unsigned selector = i / 4 * 8 + i % 2 * 3;
		bool own = (selector & ~3u) == 0x30, by_iret = i & 2;
		int status;
		pid_t child = fork();
		if (child == 0)
			jump(selector, by_iret);
		if (waitpid(child, &status, 0) != child)
			return 1;
		bool refused = WIFSIGNALED(status) && (kind_of(WTERMSIG(status)) & (SEGV | BUS));
		/* On kvm_pvm an IRET with the selector of data gets into 32-bit code, which has the same system calls.
		 */
		own |= selector / 8 == 5 && by_iret && is_host_seen();
		if (own && WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		if (!refused || selector == 0x33) {
			dprintf(2, "%s to %#x: %#x\n", by_iret ? "iret" : "retf", selector, status);
			failed = 1;
		}
	}
	return failed;
}

/* A system call with each flag set that POPF lets a program set. Those of the processor's mode must not get through. */
int attack_by_flags(void)
{
	/* CF IOPL NT AC ID DF OF, and TF for last */
	static const uint64_t all[] = {0x1, 0x3000, 0x4000, 0x40000, 0x200000, 0x400, 0x800, 0x247fd5, 0x100};
	/* kvm_pvm loses NT. */
	const uint64_t kept = is_host_seen() ? 0x240cd5 : 0x244cd5;
	int failed = 0;
	catch ();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		uint64_t flags = all[i], after;
		long result = SYS_getpid;
		last_signal = 0;
		go_on = 0;
		__asm__ volatile("push %[flags]; popfq; syscall; pushfq; pop %[after]; push $0x202; popfq"
				 : [after] "=&r"(after), "+a"(result)
				 : [flags] "r"(flags | 2)
				 : "rcx", "r11", "memory", "cc");
		uint64_t wrong = (after ^ (flags | 0x202)) & kept;
		if (flags & 0x100)
			wrong = 0;
		if (result != getpid() || (after & 0x23200) != 0x200 || wrong ||
		    last_signal != (flags & 0x100 ? SIGTRAP : 0)) {
			dprintf(2, "flags %#lx: %#lx after, result %ld, signal %d\n", flags, after, result,
				(int)last_signal);
			failed = 1;
		}
	}
	return failed;
}
