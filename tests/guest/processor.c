/* SPDX-License-Identifier: MIT */
/*
 * All registers of x87, SSE, AVX and AVX-512, loaded with values that tell whose they are and stored again after
 * something that must leave them alone.
 */
#include "processor.h"

#include <cpuid.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <virtiso/hypercall.h>

enum {
	CONTROL_START = 0x37f,
	MXCSR = 24,
	MXCSR_START = 0x1f80,
	X87 = 32,
	SSE = 160,
	LEGACY_END = 416,
	HEADER = 512,
	NO_XSAVE = 77,
};

struct state {
	_Alignas(64) uint8_t bytes[4096];
};

/* Which of them there are. 0 without XSAVE. */
static uint64_t components(void)
{
	uint32_t a, b, c, d;
	__cpuid(1, a, b, c, d);
	if (!(c & bit_OSXSAVE))
		return 0;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return a & 0xe7;
}

static uint64_t mark(unsigned seed, unsigned index)
{
	return (0xa5ee0000ull | seed) << 32 | index;
}

static void put(struct state *state, unsigned seed, size_t offset, size_t size)
{
	for (size_t at = 0; at + 8 <= size; at += 8) {
		uint64_t word = mark(seed, (unsigned)(offset + at));
		memcpy(state->bytes + offset + at, &word, sizeof(word));
	}
}

static void put_extended(struct state *state, unsigned seed, uint64_t mask)
{
	for (unsigned component = 2; component < 8; component++) {
		uint32_t size, offset, c, d;
		if (!(mask >> component & 1))
			continue;
		__cpuid_count(0xd, component, size, offset, c, d);
		put(state, seed, offset, size);
	}
}

static void fill(struct state *state, unsigned seed)
{
	uint64_t mask = components();
	const uint16_t control = (uint16_t)(CONTROL_START | (seed & 3) << 10), status = (uint16_t)((seed & 7) << 11);
	const uint32_t mxcsr = MXCSR_START | (seed & 3) << 13 | (seed & 4) << 13 | (seed & 0x1f);
	const uint16_t exponent = 0x3fff;
	memset(state, 0, sizeof(*state));
	memcpy(state->bytes, &control, sizeof(control));
	memcpy(state->bytes + 2, &status, sizeof(status));
	state->bytes[4] = 0xff; /* all eight are in use */
	memcpy(state->bytes + MXCSR, &mxcsr, sizeof(mxcsr));
	for (size_t i = 0; i < 8; i++) {
		put(state, seed, X87 + i * 16, 8);
		memcpy(state->bytes + X87 + i * 16 + 8, &exponent, sizeof(exponent));
	}
	put(state, seed, SSE, LEGACY_END - SSE);
	memcpy(state->bytes + HEADER, &mask, sizeof(mask));
	put_extended(state, seed, mask);
}

/* Loads them, computes for a while, makes a system call, and stores them. */
static long across(const struct state *load, struct state *store, uint64_t spins, long number, long a, long b, long c)
{
	const uint64_t mask = components();
	register const struct state *r8 __asm__("r8") = load;
	register struct state *r9 __asm__("r9") = store;
	register uint64_t r10 __asm__("r10") = spins + 1;
	register long r12 __asm__("r12") = number;
	register uint64_t r13 __asm__("r13") = mask;
	register long r14 __asm__("r14") = c;
	__asm__ volatile("mov %%r13, %%rax; xor %%edx, %%edx; xrstor64 (%%r8);"
			 "0: dec %%r10; jnz 0b;"
			 "mov %%r12, %%rax; mov %%r14, %%rdx; syscall; mov %%rax, %%r12;"
			 "mov %%r13, %%rax; xor %%edx, %%edx; xsave64 (%%r9);"
			 : "+r"(r10), "+r"(r12)
			 : "r"(r8), "r"(r9), "r"(r13), "r"(r14), "D"(a), "S"(b)
			 : "rax", "rcx", "rdx", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
			   "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	const uint32_t mxcsr = MXCSR_START;
	__asm__ volatile("fninit; ldmxcsr %0" ::"m"(mxcsr));
	return r12;
}

/* Not compared: where the last x87 instruction was, what is reserved, and the header. */
static bool is_told(size_t at)
{
	return at < 6 || (at >= MXCSR && at < MXCSR + 4) || (at >= X87 && at < LEGACY_END) || at >= HEADER + 64;
}

static int compare(const struct state *stored, unsigned seed, const char *where)
{
	struct state expected; /* not static: a handler compares, too */
	fill(&expected, seed);
	for (size_t at = 0; at < sizeof(expected.bytes); at++)
		if (is_told(at) && stored->bytes[at] != expected.bytes[at]) {
			dprintf(2, "%s: byte %zu is %#x, not %#x\n", where, at, stored->bytes[at], expected.bytes[at]);
			return 1;
		}
	return 0;
}

/* How many words of somebody's are in there. */
static unsigned count_marks(const struct state *state, unsigned seed)
{
	unsigned count = 0;
	for (size_t at = X87; at + 8 <= sizeof(state->bytes); at += 8) {
		uint64_t word;
		memcpy(&word, state->bytes + at, sizeof(word));
		count += word >> 32 == mark(seed, 0) >> 32;
	}
	return count;
}

static void *fresh_page(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* The page that is stored to is not there before, so that there is a page fault too. */
static int check_calls(unsigned seed, uint64_t spins, const char *where)
{
	static _Thread_local struct state load;
	static const long numbers[] = {SYS_getpid, SYS_sched_yield, SYS_brk, SYS_close};
	int failed = 0;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct state *store = fresh_page();
		fill(&load, seed);
		across(&load, store, spins, numbers[i], -1, 0, 0);
		failed |= compare(store, seed, where);
		munmap(store, sizeof(*store));
	}
	return failed;
}

static int test_calls(void)
{
	int failed = 0;
	for (unsigned seed = 0; seed < 40 && !failed; seed++)
		failed = check_calls(seed, 0, "a system call");
	return failed;
}

enum { THREADS = 4, ROUNDS = 25, SPINS = 200000 };

static int check_rounds(unsigned number, const char *where)
{
	int failed = 0;
	for (unsigned round = 0; round < ROUNDS && !failed; round++)
		failed = check_calls(number * ROUNDS + round, round % 2 * SPINS, where);
	return failed;
}

static void *thread(void *number)
{
	return (void *)(intptr_t)check_rounds((unsigned)(uintptr_t)number, "a thread");
}

static int test_threads(void)
{
	pthread_t threads[THREADS];
	void *failed, *any = NULL;
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, thread, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		any = failed ? failed : any;
	}
	return any != NULL;
}

static int wait_for_all(void)
{
	int status, failed = 0;
	while (wait(&status) > 0)
		failed |= status;
	return failed != 0;
}

static int test_processes(void)
{
	for (unsigned i = 0; i < THREADS; i++)
		if (fork() == 0)
			_exit(check_rounds(i + 1, "a process"));
	return wait_for_all();
}

/* The child begins with the parent's, and each then has its own. */
static int test_fork(void)
{
	static struct state load, store;
	for (unsigned seed = 1; seed < 10; seed++) {
		fill(&load, seed);
		long pid = across(&load, &store, 0, SYS_fork, 0, 0, 0);
		int failed = compare(&store, seed, pid ? "a parent" : "a child");
		failed |= check_calls(pid ? 100 : 200, 0, pid ? "a parent later" : "a child later");
		if (pid == 0)
			_exit(failed);
		if (wait_for_all() || failed)
			return 1;
	}
	return 0;
}

static volatile sig_atomic_t handled, handler_failed;

static void handler(int signal)
{
	uint16_t control;
	uint32_t mxcsr;
	__asm__ volatile("fnstcw %0; stmxcsr %1" : "=m"(control), "=m"(mxcsr));
	if (control != CONTROL_START || mxcsr != MXCSR_START)
		handler_failed = 1;
	if (check_calls(1000u + (unsigned)handled, 0, "a handler"))
		handler_failed = 1;
	handled++;
}

static int test_signals(void)
{
	static struct state load, store;
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	const struct itimerval soon = {{0, 0}, {0, 1000}}, never = {{0, 0}, {0, 0}};
	int failed = 0;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	for (unsigned seed = 1; seed < 20 && !failed; seed++) {
		fill(&load, seed);
		across(&load, &store, 0, SYS_kill, getpid(), SIGUSR1, 0);
		failed = compare(&store, seed, "after a handler");
	}
	int before = handled;
	/* One at a time: a handler takes longer than the timer where all is emulated, and would follow on itself for
	 * ever. */
	for (int set = -1, seed = 1; seed < 200 && handled < before + 10 && !failed; seed++) {
		if (set != handled) {
			set = handled;
			setitimer(ITIMER_REAL, &soon, NULL);
		}
		fill(&load, (unsigned)seed);
		across(&load, &store, 5 * SPINS, SYS_getpid, 0, 0, 0);
		failed = compare(&store, (unsigned)seed, "after a handler at any time");
	}
	setitimer(ITIMER_REAL, &never, NULL);
	return failed || handler_failed || handled == before;
}

enum { SEED_BEFORE = 77, SEED_FROZEN = 88 };

/* Before anything else uses them. */
static void __attribute__((noinline)) store_now(struct state *store)
{
	__asm__ volatile("xsave64 %0" : "=m"(*store) : "a"((uint32_t)components()), "d"(0));
}

static int test_exec(char *program)
{
	static struct state load, store;
	char *const argv[] = {program, "fresh", NULL}, *const none[] = {NULL};
	fill(&load, SEED_BEFORE);
	across(&load, &store, 0, SYS_execve, (long)program, (long)argv, (long)none);
	return 1;
}

static int test_fresh(void)
{
	static struct state store;
	uint16_t control;
	uint32_t mxcsr;
	store_now(&store);
	memcpy(&control, store.bytes, sizeof(control));
	memcpy(&mxcsr, store.bytes + MXCSR, sizeof(mxcsr));
	dprintf(2, "%u words of before, control %#x, mxcsr %#x\n", count_marks(&store, SEED_BEFORE), control, mxcsr);
	return count_marks(&store, SEED_BEFORE) || control != CONTROL_START || (mxcsr & ~0x3fu) != MXCSR_START;
}

/* Protection keys are not offered; on kvm_pvm programs have them all the same, where the host's kernel uses them. */
static bool has_keys(void)
{
	uint32_t a, b, c, d;
	__cpuid_count(7, 0, a, b, c, d);
	return c & bit_OSPKE;
}

static uint32_t key_rights(void)
{
	uint32_t rights = 0, d;
	if (has_keys())
		__asm__ volatile("rdpkru" : "=a"(rights), "=d"(d) : "c"(0));
	return rights;
}

static void set_key_rights(uint32_t rights)
{
	if (has_keys())
		__asm__ volatile("wrpkru" ::"a"(rights), "c"(0), "d"(0));
}

/* What the host calls. With what do functions begin? */
static struct state of_function;
static uint32_t frozen_rights;

__attribute__((used)) uint64_t is_as_frozen(void)
{
	store_now(&of_function);
	return !compare(&of_function, SEED_FROZEN, "a function") && key_rights() == frozen_rights;
}

__attribute__((used)) uint64_t find_marks(uint64_t seed)
{
	store_now(&of_function);
	return count_marks(&of_function, (unsigned)seed) + (key_rights() != frozen_rights);
}

/* Returns with all of them. */
__attribute__((used)) uint64_t leave_marks(uint64_t seed)
{
	fill(&of_function, (unsigned)seed);
	set_key_rights(0xaaaaaaa8);
	__asm__ volatile("xrstor64 %0" ::"m"(of_function), "a"((uint32_t)components()), "d"(0));
	return 1;
}

static int stay(void)
{
	static struct state load, store;
	fill(&load, SEED_FROZEN);
	frozen_rights = key_rights();
	return (int)-across(&load, &store, 0, VISO_HYPERCALL_BASE + VISO_HYPERCALL_READY, 0, 0, 0);
}

static int tell_features(void)
{
	static const uint32_t leaves[] = {0x0,        0x1,        0x4,        0x7,        0xb,       0xd,
					  0x40000000, 0x40000001, 0x80000001, 0x8000000a, 0x8000001e};
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		uint32_t a, b, c, d;
		__cpuid_count(leaves[i], 0, a, b, c, d);
		printf("%x %x %x %x %x\n", leaves[i], a, b, c, d);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} tests[] = {
		{"calls", test_calls},
		{"threads", test_threads},
		{"processes", test_processes},
		{"fork", test_fork},
		{"signals", test_signals},
		{"fresh", test_fresh},
		{"stay", stay},
		{"features", tell_features},
		{"instructions", attack_by_instructions},
		{"interrupts", attack_by_interrupts},
		{"ports", attack_by_ports},
		{"far-jumps", attack_by_far_jumps},
		{"flags", attack_by_flags},
	};
	if (argc > 1 && strcmp(argv[1], "fresh") != 0 && !components())
		return NO_XSAVE;
	if (argc > 1 && strcmp(argv[1], "exec") == 0)
		return test_exec(argv[0]);
	for (size_t i = 0; argc > 1 && i < sizeof(tests) / sizeof(tests[0]); i++)
		if (strcmp(argv[1], tests[i].name) == 0)
			return tests[i].run();
	return 2;
}
