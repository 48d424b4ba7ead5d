/* SPDX-License-Identifier: MIT */
/* What a program must not be able to do, and what ends it. Returning from one of these means that it could. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
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

/* Memory of all kinds, each with its last bytes before a hole. */
static uint64_t edges[28];
static size_t edge_count;

static void *map_before_hole(void)
{
	uint8_t *pages = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(pages + 4096, 4096);
	return pages;
}

static void add_edges(unsigned protection, bool touched)
{
	enum { PAGE = 4096 };
	uint8_t *pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (touched)
		memset(pages, '/', 2 * PAGE);
	mprotect(pages, 2 * PAGE, (int)protection);
	munmap(pages + 2 * PAGE, PAGE);
	const uint64_t end = (uint64_t)(uintptr_t)pages + 2 * PAGE;
	const uint64_t added[] = {end - PAGE - 3, end - 8, end - 1};
	memcpy(edges + edge_count, added, sizeof(added));
	edge_count += 3;
}

static void make_edges(void)
{
	static const uint64_t numbers[] = {0,
					   1,
					   (uint64_t)-1,
					   (uint64_t)INT64_MAX,
					   0xfff,
					   0x1000,
					   0x2ff8,
					   0x4000,
					   0x7fffffffeff8,
					   0x7ffffffff000,
					   0x7fffffffffff,
					   0xffff800000000000,
					   0xffffffffff600000};
	add_edges(PROT_READ | PROT_WRITE, true);
	add_edges(PROT_READ | PROT_WRITE, false);
	add_edges(PROT_READ, true);
	add_edges(PROT_READ, false);
	add_edges(PROT_NONE, true);
	memcpy(edges + edge_count, numbers, sizeof(numbers));
	edge_count += sizeof(numbers) / sizeof(numbers[0]);
}

static void pass_signal(int signal)
{
}

/* What waits goes on after a while. */
static void interrupt_often(void)
{
	const struct itimerval often = {.it_interval.tv_usec = 2000, .it_value.tv_usec = 2000};
	const struct sigaction action = {.sa_handler = pass_signal};
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

/* A process that the call has made ends here. */
static void end_child(long number, pid_t parent)
{
	bool makes_one = number == SYS_fork || number == SYS_vfork || number == SYS_clone || number == SYS_clone3;
	if (makes_one && getpid() != parent)
		_exit(0);
}

/* With each argument in turn at the edges of what there is, among sensible ones; then pointers beside lengths. */
static void call_at_edges(long number)
{
	static const uint64_t lengths[] = {0, 1, 4096, INT64_MAX, SIZE_MAX};
	char *memory = map_before_hole();
	const uint64_t text = (uintptr_t)memory, room = text + 1024;
	const uint64_t sensible[2][6] = {{(uint64_t)open("/data", O_RDONLY), room, 64, room + 512, 8, 0},
					 {text, room, 64, room + 512, 0, 8}};
	const pid_t self = getpid();
	strcpy(memory, "/dir");
	for (size_t i = 0; i < 6 * edge_count; i++) {
		uint64_t args[6];
		memcpy(args, sensible[i / 6 % 2], sizeof(args));
		args[i % 6] = edges[i / 6];
		if (syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]) < 0 && errno == ENOSYS)
			return;
		end_child(number, self);
	}
	for (size_t i = 0; i < 10 * 5; i++) {
		syscall(number, sensible[0][0], edges[i / 5], lengths[i % 5], edges[i / 5], lengths[i % 5], 0);
		end_child(number, self);
	}
}

/* The system calls from argv[2] on, each of which is told by hypercall 0 before. */
static int attack_edge_calls(int argc, char **argv)
{
	for (long number = strtol(argv[2], NULL, 0); number < 512; number++) {
		if (syscall(0x56530000, number) != 1)
			continue;
		edge_count = 0;
		make_edges();
		interrupt_often();
		call_at_edges(number);
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
	{"edge-calls", attack_edge_calls},
	{0},
};
