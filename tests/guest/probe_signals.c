/* SPDX-License-Identifier: MIT */
/* Signals: what handlers see and what they leave must be what Linux gives. */
#include "probe_signals.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

volatile int count, last, order[64];
siginfo_t seen;
ucontext_t seen_context;
static sigjmp_buf back;

void note(int signal, siginfo_t *info, void *context)
{
	seen = *info;
	memcpy(&seen_context, context, sizeof(seen_context));
	last = signal;
	order[count++ % 64] = info->si_value.sival_int;
}

void handle(int signal, info_handler *handler, int flags)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
	count = 0;
	sigaction(signal, &action, NULL);
}

sigset_t set_of(int signal)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, signal);
	return set;
}

void start_alarm(long microseconds, long interval)
{
	const struct itimerval setting = {.it_value = {.tv_usec = microseconds}, .it_interval = {.tv_usec = interval}};
	setitimer(ITIMER_REAL, &setting, NULL);
}

static int signals_info(int argc, char **argv)
{
	handle(SIGUSR1, note, 0);
	CHECK(kill(getpid(), SIGUSR1) == 0 && count == 1 && last == SIGUSR1);
	CHECK(seen.si_code == SI_USER && seen.si_pid == getpid() && seen.si_uid == getuid());
	CHECK(raise(SIGUSR1) == 0 && count == 2 && seen.si_code == SI_TKILL && seen.si_pid == getpid());
	CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 77}) == 0 && count == 3);
	CHECK(seen.si_code == SI_QUEUE && seen.si_value.sival_int == 77);
	CHECK(kill(getpid(), 0) == 0 && count == 3 && kill(getpid(), 65) == -1 && errno == EINVAL);
	CHECK(kill(12345, SIGUSR1) == -1 && errno == ESRCH);
	CHECK(sigaction(SIGKILL, &(struct sigaction){.sa_handler = SIG_IGN}, NULL) == -1 && errno == EINVAL);
	struct sigaction old;
	CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_sigaction == note && (old.sa_flags & SA_SIGINFO));
	siginfo_t forged = {.si_code = SI_KERNEL};
	CHECK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &forged) == 0 && count == 4);
	CHECK(syscall(SYS_rt_sigqueueinfo, 12345, SIGUSR1, &forged) == -1 && errno == EPERM);
	return 0;
}

static int signals_queue(int argc, char **argv)
{
	const int real_time = SIGRTMIN + 3;
	sigset_t set = set_of(real_time), pending;
	sigaddset(&set, SIGUSR2);
	handle(SIGUSR2, note, 0);
	handle(real_time, note, 0);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	for (int i = 0; i < 5; i++)
		CHECK(sigqueue(getpid(), real_time, (union sigval){.sival_int = i}) == 0 &&
		      sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 50 + i}) == 0);
	CHECK(count == 0 && sigpending(&pending) == 0 && sigismember(&pending, real_time) == 1 &&
	      sigismember(&pending, SIGUSR2) == 1 && sigismember(&pending, SIGUSR1) == 0);
	CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0 && count == 6);
	/* The lower number is taken first; on its frame comes that of the other, which runs first. */
	CHECK(order[5] == 50);
	for (int i = 0; i < 5; i++)
		CHECK(order[i] == i);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, real_time) == 0);

	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	int sent = 0;
	while (sigqueue(getpid(), real_time, (union sigval){.sival_int = sent}) == 0 && sent < 100000)
		sent++;
	CHECK(errno == EAGAIN && sent >= 32 && sent <= 8192);
	signal(real_time, SIG_IGN);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, real_time) == 0);
	return 0;
}

static volatile int depth, deepest;

static void nest(int signal, siginfo_t *info, void *context)
{
	depth++;
	deepest = depth > deepest ? depth : deepest;
	if (count++ < 2)
		raise(signal);
	depth--;
}

extern sigset_t within;
sigset_t within;

static void look_at_mask(int signal)
{
	sigprocmask(SIG_BLOCK, NULL, &within);
}

static int signals_mask(int argc, char **argv)
{
	handle(SIGUSR1, nest, 0);
	raise(SIGUSR1);
	CHECK(count == 3 && deepest == 1);
	deepest = 0;
	handle(SIGUSR1, nest, SA_NODEFER);
	raise(SIGUSR1);
	CHECK(count == 3 && deepest == 3);
	struct sigaction action = {.sa_handler = look_at_mask, .sa_flags = SA_RESETHAND};
	sigaddset(&action.sa_mask, SIGHUP);
	sigaddset(&action.sa_mask, SIGKILL);
	struct sigaction old;
	sigaction(SIGUSR1, &action, &old);
	CHECK(old.sa_sigaction == nest);
	raise(SIGUSR1);
	CHECK(sigismember(&within, SIGHUP) == 1 && sigismember(&within, SIGUSR1) == 1);
	CHECK(sigismember(&within, SIGKILL) == 0 && sigismember(&within, SIGTERM) == 0);
	sigprocmask(SIG_BLOCK, NULL, &within);
	CHECK(sigismember(&within, SIGHUP) == 0 && sigismember(&within, SIGUSR1) == 0);
	raise(SIGUSR1);
	return SURVIVED;
}

extern stack_t inside;
stack_t inside;
static volatile uintptr_t where;
static volatile int change_error;

static void on_stack(int signal, siginfo_t *info, void *context)
{
	char here;
	stack_t other = {.ss_flags = SS_DISABLE};
	where = (uintptr_t)&here;
	sigaltstack(NULL, &inside);
	change_error = sigaltstack(&other, NULL) < 0 ? errno : 0;
	note(signal, info, context);
}

static char alternate[1 << 16];

static int use_alternate(void)
{
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	return sigaltstack(&stack, NULL);
}

static int signals_stack(int argc, char **argv)
{
	stack_t old, little = {.ss_sp = alternate, .ss_size = 1024};
	CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == SS_DISABLE);
	CHECK(sigaltstack(&little, NULL) == -1 && errno == ENOMEM);
	CHECK(use_alternate() == 0 && sigaltstack(NULL, &old) == 0);
	CHECK(old.ss_sp == alternate && old.ss_size == sizeof(alternate) && old.ss_flags == 0);
	handle(SIGUSR1, on_stack, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(where >= (uintptr_t)alternate && where < (uintptr_t)alternate + sizeof(alternate));
	CHECK(inside.ss_flags == SS_ONSTACK && change_error == EPERM && seen_context.uc_stack.ss_sp == alternate);
	handle(SIGUSR1, on_stack, 0);
	raise(SIGUSR1);
	CHECK(where < (uintptr_t)alternate || where >= (uintptr_t)alternate + sizeof(alternate));
	return 0;
}

static void jump(int signal, siginfo_t *info, void *context)
{
	note(signal, info, context);
	siglongjmp(back, 1);
}

static int signals_recover(int argc, char **argv)
{
	char *area = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(use_alternate() == 0);
	handle(SIGSEGV, jump, SA_ONSTACK);
	handle(SIGBUS, jump, SA_ONSTACK);
	for (int i = 0; i < 50; i++) {
		if (!sigsetjmp(back, 1))
			*(volatile char *)(area + 123) = 1;
		CHECK(count == i + 1 && seen.si_signo == SIGSEGV && seen.si_code == SEGV_ACCERR);
		CHECK(seen.si_addr == area + 123 && seen_context.uc_mcontext.gregs[REG_CR2] == (greg_t)(area + 123));
		CHECK(seen_context.uc_mcontext.gregs[REG_TRAPNO] == 14);
		CHECK((seen_context.uc_mcontext.gregs[REG_ERR] & 6) == 6);
	}
	munmap(area, PAGE);
	if (!sigsetjmp(back, 1))
		(void)*(volatile char *)area;
	CHECK(seen.si_code == SEGV_MAPERR && seen.si_addr == area);
	if (!sigsetjmp(back, 1))
		(void)*(volatile char *)0x9000000000000000ull;
	CHECK(seen.si_code == SI_KERNEL && seen.si_addr == NULL);
	if (!sigsetjmp(back, 1))
		((void (*)(void))8)();
	CHECK(seen.si_code == SEGV_MAPERR && seen.si_addr == (void *)8);
	CHECK(seen_context.uc_mcontext.gregs[REG_RIP] == 8);
	int fd = open("/data", O_RDONLY);
	char *file = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE, fd, 0);
	if (!sigsetjmp(back, 1))
		(void)*(volatile char *)(file + (1 << 19));
	CHECK(seen.si_signo == SIGBUS && seen.si_code == BUS_ADRERR && seen.si_addr == file + (1 << 19));
	return 0;
}

static char *to_open;

static void open_page(int signal, siginfo_t *info, void *context)
{
	count++;
	mprotect(to_open, PAGE, PROT_READ | PROT_WRITE);
}

/* The instruction that failed is made again. */
static int signals_repair(int argc, char **argv)
{
	handle(SIGSEGV, open_page, 0);
	for (int i = 0; i < 20; i++) {
		to_open = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*(volatile char *)to_open = (char)i;
		CHECK(*(volatile char *)to_open == i && count == i + 1);
	}
	return 0;
}

static int __attribute__((noinline)) recurse(int n)
{
	volatile char use[512];
	use[0] = (char)n;
	return n > 0 ? recurse(n + 1) + use[0] : 0;
}

static int signals_overflow(int argc, char **argv)
{
	if (argc > 2)
		CHECK(use_alternate() == 0);
	handle(SIGSEGV, jump, SA_ONSTACK);
	for (int i = 0; i < 3; i++) {
		if (!sigsetjmp(back, 1))
			return recurse(1);
		CHECK(count == i + 1 && seen.si_signo == SIGSEGV);
	}
	return 0;
}

static void skip(int signal, siginfo_t *info, void *context)
{
	ucontext_t *registers = context;
	note(signal, info, context);
	registers->uc_mcontext.gregs[REG_RIP] += 2;
	registers->uc_mcontext.gregs[REG_RBX] = 4711;
}

static int signals_exceptions(int argc, char **argv)
{
	long rbx = 1, zero = 0;
	handle(SIGILL, skip, 0);
	__asm__ volatile("ud2" : "+b"(rbx));
	CHECK(count == 1 && seen.si_code == ILL_ILLOPN && rbx == 4711);
	CHECK(seen.si_addr == (void *)seen_context.uc_mcontext.gregs[REG_RIP]);
	handle(SIGFPE, jump, 0);
	if (!sigsetjmp(back, 1))
		__asm__ volatile("xor %%edx, %%edx; mov $1, %%eax; idiv %0" : : "r"((int)zero) : "rax", "rdx");
	CHECK(count == 1 && seen.si_code == FPE_INTDIV);
	const uint32_t unmasked = 0x1d80;
	/* QEMU's TCG, which the rig runs in, raises no exception of SSE. */
	if (!getenv("VISO_RIG")) {
		if (!sigsetjmp(back, 1)) {
			double one = 1, none = 0;
			__asm__ volatile("ldmxcsr %2; divsd %1, %0" : "+x"(one) : "x"(none), "m"(unmasked));
			return 1;
		}
		CHECK(seen.si_signo == SIGFPE && seen.si_code == FPE_FLTDIV);
	}
	const uint32_t start = 0x1f80;
	__asm__ volatile("ldmxcsr %0" : : "m"(start));
	handle(SIGTRAP, note, 0);
	__asm__ volatile("int3");
	CHECK(count == 1 && seen.si_code == SI_KERNEL);
	return 0;
}

/* Everything that a leaf function may keep without telling anybody. */
static int signals_context(int argc, char **argv)
{
	long pid = getpid(), result, red_zone;
	handle(SIGUSR1, note, 0);
	__asm__ volatile("movq $0x1234567, -100(%%rsp)\n\t"
			 "mov $62, %%eax\n\t"
			 "std\n\t"
			 "syscall\n\t"
			 "cld\n\t"
			 "movq -100(%%rsp), %1"
			 : "=&a"(result), "=&r"(red_zone)
			 : "D"(pid), "S"((long)SIGUSR1)
			 : "rcx", "r11", "memory");
	CHECK(result == 0 && red_zone == 0x1234567 && count == 1);
	CHECK((seen_context.uc_mcontext.gregs[REG_EFL] & 0x400) && (seen_context.uc_flags & 6) == 6);
	CHECK((seen_context.uc_mcontext.gregs[REG_CSGSFS] & 0xffff) == 0x33);
	uint32_t software[3];
	CHECK((uintptr_t)seen_context.uc_mcontext.fpregs % 64 == 0);
	memcpy(software, (char *)seen_context.uc_mcontext.fpregs + 464, sizeof(software));
	CHECK(software[0] == 0x46505853 || !(seen_context.uc_flags & 1));
	return 0;
}

void __attribute__((target("avx"))) clobber(int signal, siginfo_t *info, void *context)
{
	uint16_t control;
	__asm__ volatile("fnstcw %0" : "=m"(control));
	order[0] = control;
	count++;
	__asm__ volatile(
		"vpcmpeqd %%xmm0, %%xmm0, %%xmm0; vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0; vmovaps %%ymm0, %%ymm15;"
		"vzeroall; fninit; fld1; fld1" ::
			: "memory");
}

void __attribute__((target("avx"), noinline)) load_vectors(const vectors *from)
{
	__asm__ volatile(
		"vmovups (%0), %%ymm0; vmovups 32(%0), %%ymm1; vmovups 224(%0), %%ymm7; vmovups 480(%0), %%ymm15" ::"r"(
			from->bytes));
}

void __attribute__((target("avx"), noinline)) store_vectors(vectors *to)
{
	__asm__ volatile(
		"vmovups %%ymm0, (%0); vmovups %%ymm1, 32(%0); vmovups %%ymm7, 224(%0); vmovups %%ymm15, 480(%0)" ::"r"(
			to->bytes)
		: "memory");
}

/* With argv[2], of the extended state only what SSE has. */
static int signals_vectors(int argc, char **argv)
{
	static vectors in, out;
	long pid = getpid();
	if (!__builtin_cpu_supports("avx"))
		return 77;
	for (size_t i = 0; i < sizeof(in); i++)
		((uint8_t *)&in)[i] = (uint8_t)(i * 7 + i / 32);
	handle(SIGUSR1, clobber, 0);
	for (int i = 0; i < 200; i++) {
		uint16_t round_up = 0xb7f, control;
		__asm__ volatile("fldcw %0" : : "m"(round_up));
		load_vectors(&in);
		/* kill(2), by hand: the C library may use vectors itself. */
		long result = 62;
		__asm__ volatile("syscall" : "+a"(result) : "D"(pid), "S"((long)SIGUSR1) : "rcx", "r11", "memory");
		store_vectors(&out);
		__asm__ volatile("fnstcw %0; fninit" : "=m"(control));
		CHECK(count == i + 1 && order[0] == 0x37f && control == round_up);
		for (int r = 0; r < 16; r++)
			if (r < 2 || r == 7 || r == 15)
				CHECK(memcmp(in.bytes[r], out.bytes[r], 32) == 0);
	}
	/* At any moment, also between two instructions. */
	const struct itimerval often = {.it_value = {.tv_usec = 500}, .it_interval = {.tv_usec = 500}}, never = {0};
	handle(SIGALRM, clobber, SA_RESTART);
	setitimer(ITIMER_REAL, &often, NULL);
	while (count < 50) {
		load_vectors(&in);
		for (volatile int i = 0; i < 20000; i++)
			;
		store_vectors(&out);
		CHECK(memcmp(in.bytes[0], out.bytes[0], 32) == 0 && memcmp(in.bytes[15], out.bytes[15], 32) == 0);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	return 0;
}

const struct probe signal_probes[] = {
	{"signal-info", signals_info},
	{"signal-queue", signals_queue},
	{"signal-mask", signals_mask},
	{"signal-stack", signals_stack},
	{"signal-recover", signals_recover},
	{"signal-repair", signals_repair},
	{"signal-overflow", signals_overflow},
	{"signal-exceptions", signals_exceptions},
	{"signal-context", signals_context},
	{"signal-vectors", signals_vectors},
	{0},
};
