/* SPDX-License-Identifier: MIT */
/* What a program must not be able to do, and what ends it. Returning from one of these means that it could. */
#include "probe.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SURVIVED = 99 };

static volatile int sink;

static int attack_opcode(int argc, char **argv)
{
	__asm__ volatile("ud2");
	return SURVIVED;
}

static int attack_breakpoint(int argc, char **argv)
{
	__asm__ volatile("int3");
	return SURVIVED;
}

static int attack_divide(int argc, char **argv)
{
	volatile int zero = 0;
	sink = 5 / zero;
	return SURVIVED;
}

static int attack_overflow_stack(int argc, char **argv)
{
	volatile char frame[4096];
	frame[0] = (char)argc;
	if (argc < 0)
		return SURVIVED;
	return attack_overflow_stack(argc + 1, argv) + frame[0];
}

/* Reads, writes or executes the address in argv[2]. */
static int attack_read(int argc, char **argv)
{
	sink = *(volatile char *)strtoull(argv[2], NULL, 0);
	return SURVIVED;
}

static int attack_write(int argc, char **argv)
{
	*(volatile char *)strtoull(argv[2], NULL, 0) = 1;
	return SURVIVED;
}

static int attack_jump(int argc, char **argv)
{
	((void (*)(void))strtoull(argv[2], NULL, 0))();
	return SURVIVED;
}

/* A jump to where system calls enter, with return addresses of its own. */
static int attack_jump_to_entry(int argc, char **argv)
{
	uint64_t target = strtoull(argv[2], NULL, 0), back = strtoull(argv[3], NULL, 0), flags = ~0ull;
	register uint64_t r11 __asm__("r11") = flags;
	__asm__ volatile("jmp *%1" ::"a"(39), "r"(target), "c"(back), "r"(r11) : "memory");
	return SURVIVED;
}

static int attack_write_code(int argc, char **argv)
{
	*(volatile char *)(uintptr_t)attack_write_code = 0;
	return SURVIVED;
}

static int attack_execute_stack(int argc, char **argv)
{
	volatile char code[] = {(char)0xc3};
	((void (*)(void))(uintptr_t)code)();
	return SURVIVED;
}

static int attack_out(int argc, char **argv)
{
	uint16_t port = (uint16_t)strtoul(argv[2], NULL, 0);
	__asm__ volatile("outb %%al, %0" ::"d"(port), "a"(231), "D"(0));
	return SURVIVED;
}

static int attack_in(int argc, char **argv)
{
	__asm__ volatile("inb $0x60, %%al" ::: "eax");
	return SURVIVED;
}

static int attack_halt(int argc, char **argv)
{
	__asm__ volatile("hlt");
	return SURVIVED;
}

static int attack_interrupts(int argc, char **argv)
{
	__asm__ volatile("cli");
	return SURVIVED;
}

static int attack_control_register(int argc, char **argv)
{
	uint64_t value;
	__asm__ volatile("mov %%cr3, %0" : "=r"(value));
	sink = (int)value;
	return SURVIVED;
}

static int attack_msr(int argc, char **argv)
{
	__asm__ volatile("wrmsr" ::"c"(0xc0000082), "a"(0), "d"(0));
	return SURVIVED;
}

static int attack_descriptors(int argc, char **argv)
{
	static char table[16];
	__asm__ volatile("lgdt %0" ::"m"(table));
	return SURVIVED;
}

/* POPF must leave the I/O privilege alone. */
static int attack_io_privilege(int argc, char **argv)
{
	__asm__ volatile("pushf; orl $0x3000, (%%rsp); popf; outb %%al, $0x80" ::: "memory", "cc");
	return SURVIVED;
}

static int attack_32_bit(int argc, char **argv)
{
	__asm__ volatile("pushq $0x23; pushq $0x10000; lretq");
	return SURVIVED;
}

static int attack_kernel_segment(int argc, char **argv)
{
	__asm__ volatile("mov %0, %%ds; mov %%ds:(%%rsp), %%rax" ::"r"(0x18) : "rax");
	return SURVIVED;
}

static int attack_interrupt(int argc, char **argv)
{
	__asm__ volatile("int $0x0e");
	return SURVIVED;
}

static int attack_single_step(int argc, char **argv)
{
	__asm__ volatile("pushf; orl $0x100, (%%rsp); popf; nop; nop" ::: "memory", "cc");
	return SURVIVED;
}

static int attack_non_canonical(int argc, char **argv)
{
	sink = *(volatile char *)0x9000000000000000ull;
	return SURVIVED;
}

/* Registers that the host must not take over: flags and segments of strange values across a system call. */
static int attack_flags(int argc, char **argv)
{
	__asm__ volatile("std; syscall; cld" ::"a"(39) : "rcx", "r11", "memory", "cc");
	__asm__ volatile("mov %0, %%es; mov %0, %%fs; mov %0, %%gs" ::"r"(0));
	__asm__ volatile("syscall" ::"a"(231), "D"(5) : "rcx", "r11", "memory");
	return SURVIVED;
}

static const uint64_t wild[] = {
	0,
	1,
	2,
	8,
	0xfff,
	0x1000,
	0x2000,
	0x10000,
	0x7fffffff,
	0xffffffff,
	0x7fffffffefff,
	0x7ffffffff000,
	0x800000000000,
	0x7fffffffffffffff,
	0x8000000000000000,
	0xffff800000000000,
	0xfffffffffffff000,
	0xffffffffffffffff,
};
enum { WILD = sizeof(wild) / sizeof(wild[0]) };

/* Calls system call argv[2] with wild arguments, chosen by argv[3]. Real memory and real fds are among them. */
static int attack_wild_call(int argc, char **argv)
{
	long number = strtol(argv[2], NULL, 0);
	uint64_t state = strtoull(argv[3], NULL, 0) * 2654435761u + (uint64_t)number;
	static char memory[8192] = "/../../../etc/shadow";
	int fd = open("/", O_RDONLY);
	open("/probe", O_RDONLY);
	for (int round = 0; round < 24; round++) {
		uint64_t args[6];
		for (int i = 0; i < 6; i++) {
			state = state * 6364136223846793005ull + 1442695040888963407ull;
			unsigned choice = (unsigned)(state >> 33) % (WILD + 4);
			args[i] = choice < WILD        ? wild[choice]
				  : choice == WILD     ? (uint64_t)(uintptr_t)memory
				  : choice == WILD + 1 ? (uint64_t)(uintptr_t)memory + 4095
				  : choice == WILD + 2 ? (uint64_t)fd
						       : (uint64_t)(uintptr_t)argv;
		}
		syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
	}
	_exit(0);
}

/* One system call that moves as much as one can: 2 GiB of random bytes, over and over into the same memory. */
static int attack_endless_read(int argc, char **argv)
{
	enum { PIECES = 1024, PIECE = 2 << 20 };
	static char memory[PIECE];
	static struct iovec pieces[PIECES];
	int fd = open("/dev/urandom", O_RDONLY);
	for (int i = 0; i < PIECES; i++)
		pieces[i] = (struct iovec){memory, PIECE};
	readv(fd, pieces, PIECES);
	return SURVIVED;
}

const struct probe attack_probes[] = {
	{"endless-read", attack_endless_read},
	{"opcode", attack_opcode},
	{"breakpoint", attack_breakpoint},
	{"divide", attack_divide},
	{"overflow-stack", attack_overflow_stack},
	{"read", attack_read},
	{"write-to", attack_write},
	{"jump", attack_jump},
	{"jump-to-entry", attack_jump_to_entry},
	{"write-code", attack_write_code},
	{"execute-stack", attack_execute_stack},
	{"out", attack_out},
	{"in", attack_in},
	{"halt", attack_halt},
	{"interrupts", attack_interrupts},
	{"control-register", attack_control_register},
	{"msr", attack_msr},
	{"descriptors", attack_descriptors},
	{"io-privilege", attack_io_privilege},
	{"32-bit", attack_32_bit},
	{"kernel-segment", attack_kernel_segment},
	{"interrupt", attack_interrupt},
	{"single-step", attack_single_step},
	{"non-canonical", attack_non_canonical},
	{"flags", attack_flags},
	{"wild-call", attack_wild_call},
	{0},
};
