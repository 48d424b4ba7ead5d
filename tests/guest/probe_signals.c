/* SPDX-License-Identifier: MIT */
/* Signals: what handlers see and what they leave must be what Linux gives. Each returns 0, or the number of a check. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, SURVIVED = 99 };

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			dprintf(2, "line %d: %s (errno %d)\n", __LINE__, #condition, errno);                           \
			return 1;                                                                                      \
		}                                                                                                      \
	} while (0)

typedef void info_handler(int signal, siginfo_t *info, void *context);

static volatile int count, last, order[64];
/* Not static: the compiler takes raise(3) for a function that changes nothing here. */
extern siginfo_t seen;
extern ucontext_t seen_context;
siginfo_t seen;
ucontext_t seen_context;
static sigjmp_buf back;

static void note(int signal, siginfo_t *info, void *context)
{
	seen = *info;
	memcpy(&seen_context, context, sizeof(seen_context));
	last = signal;
	order[count++ % 64] = info->si_value.sival_int;
}

static void handle(int signal, info_handler *handler, int flags)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
	count = 0;
	sigaction(signal, &action, NULL);
}

static sigset_t set_of(int signal)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, signal);
	return set;
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
	if (!sigsetjmp(back, 1)) {
		double one = 1, none = 0;
		__asm__ volatile("ldmxcsr %2; divsd %1, %0" : "+x"(one) : "x"(none), "m"(unmasked));
		return 1;
	}
	CHECK(seen.si_signo == SIGFPE && seen.si_code == FPE_FLTDIV);
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

static void __attribute__((target("avx"))) clobber(int signal, siginfo_t *info, void *context)
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

typedef struct {
	uint8_t bytes[16][32];
} vectors;

static void __attribute__((target("avx"), noinline)) load_vectors(const vectors *from)
{
	__asm__ volatile(
		"vmovups (%0), %%ymm0; vmovups 32(%0), %%ymm1; vmovups 224(%0), %%ymm7; vmovups 480(%0), %%ymm15" ::"r"(
			from->bytes));
}

static void __attribute__((target("avx"), noinline)) store_vectors(vectors *to)
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

static void start_alarm(long microseconds, long interval)
{
	const struct itimerval setting = {.it_value = {.tv_usec = microseconds}, .it_interval = {.tv_usec = interval}};
	setitimer(ITIMER_REAL, &setting, NULL);
}

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static int feed;

static void feed_pipe(int signal)
{
	if (++count == 3)
		(void)!write(feed, "x", 1);
}

static int signals_restart(int argc, char **argv)
{
	int fds[2];
	char byte = 0;
	CHECK(pipe(fds) == 0);
	feed = fds[1];
	handle(SIGALRM, note, 0);
	/* Again and again: on a busy host the first one may come before the wait. */
	start_alarm(20000, 20000);
	CHECK(read(fds[0], &byte, 1) == -1 && errno == EINTR && count >= 1);
	struct sigaction action = {.sa_handler = feed_pipe, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &action, NULL);
	count = 0;
	start_alarm(10000, 10000);
	CHECK(read(fds[0], &byte, 1) == 1 && byte == 'x' && count >= 3);
	start_alarm(0, 0);
	/* These never go on after a handler. */
	struct pollfd poll_fd = {.fd = fds[0], .events = POLLIN};
	struct timespec time = {.tv_sec = 5}, rest = {0};
	fd_set set;
	FD_ZERO(&set);
	FD_SET(fds[0], &set);
	start_alarm(10000, 10000);
	CHECK(poll(&poll_fd, 1, 5000) == -1 && errno == EINTR);
	start_alarm(10000, 10000);
	CHECK(select(fds[0] + 1, &set, NULL, NULL, NULL) == -1 && errno == EINTR);
	start_alarm(10000, 10000);
	CHECK(nanosleep(&time, &rest) == -1 && errno == EINTR && rest.tv_sec == 4 && rest.tv_nsec > 0);
	start_alarm(10000, 10000);
	CHECK(pause() == -1 && errno == EINTR);
	/* Without a handler all go on, to the end that they had at first. */
	signal(SIGALRM, SIG_IGN);
	start_alarm(5000, 5000);
	time = (struct timespec){.tv_nsec = 60000000};
	int64_t before = now_ns();
	CHECK(nanosleep(&time, NULL) == 0 && now_ns() - before >= 60000000 && now_ns() - before < 2000000000);
	before = now_ns();
	CHECK(poll(&poll_fd, 1, 60) == 0 && now_ns() - before >= 60000000 && now_ns() - before < 2000000000);
	return 0;
}

static int signals_suspend(int argc, char **argv)
{
	sigset_t set = set_of(SIGALRM), none, now;
	sigemptyset(&none);
	handle(SIGALRM, note, SA_RESTART);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	raise(SIGALRM);
	CHECK(count == 0 && sigsuspend(&none) == -1 && errno == EINTR && count == 1);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGALRM) == 1);
	start_alarm(10000, 0);
	CHECK(sigsuspend(&none) == -1 && errno == EINTR && count == 2);
	start_alarm(10000, 0);
	CHECK(ppoll(NULL, 0, NULL, &none) == -1 && errno == EINTR && count == 3);
	start_alarm(10000, 0);
	CHECK(pselect(0, NULL, NULL, NULL, NULL, &none) == -1 && errno == EINTR && count == 4);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGALRM) == 1);
	CHECK(sigismember(&seen_context.uc_sigmask, SIGALRM) == 1);
	const struct timespec soon = {.tv_nsec = 5000000};
	raise(SIGALRM);
	CHECK(ppoll(NULL, 0, &soon, &set) == 0 && count == 4);
	CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0 && count == 5);
	return 0;
}

static int signals_timedwait(int argc, char **argv)
{
	sigset_t set = set_of(SIGUSR1);
	siginfo_t info;
	const struct timespec soon = {.tv_nsec = 20000000};
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGALRM);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	int64_t before = now_ns();
	CHECK(sigtimedwait(&set, &info, &soon) == -1 && errno == EAGAIN && now_ns() - before >= 20000000);
	CHECK(kill(getpid(), SIGCHLD) == 0 && sigtimedwait(&set, &info, &soon) == SIGCHLD && info.si_code == SI_USER);
	start_alarm(10000, 0);
	CHECK(sigwaitinfo(&set, &info) == SIGALRM && info.si_code == SI_KERNEL);
	int which = 0;
	raise(SIGUSR1);
	CHECK(sigwait(&set, &which) == 0 && which == SIGUSR1);
	/* Another signal ends the wait; by hand, since musl begins again. */
	handle(SIGVTALRM, note, 0);
	timer_t timer;
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM, .sigev_value.sival_int = 5};
	const struct itimerspec often = {.it_value = {.tv_nsec = 10000000}, .it_interval = {.tv_nsec = 10000000}};
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &often, NULL) == 0);
	CHECK(syscall(SYS_rt_sigtimedwait, &set, &info, NULL, 8) == -1 && errno == EINTR);
	CHECK(count >= 1 && seen.si_code == SI_TIMER);
	CHECK(seen.si_value.sival_int == 5);
	return 0;
}

static int signals_timers(int argc, char **argv)
{
	const struct itimerval often = {.it_value = {.tv_usec = 3000}, .it_interval = {.tv_usec = 3000}}, never = {0};
	struct itimerval left;
	static const int kinds[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF},
			 signals[] = {SIGALRM, SIGVTALRM, SIGPROF};
	for (int i = 0; i < 3; i++) {
		handle(signals[i], note, 0);
		CHECK(setitimer(kinds[i], &often, NULL) == 0);
		while (count < 5)
			;
		CHECK(getitimer(kinds[i], &left) == 0 && left.it_interval.tv_usec == 3000);
		CHECK(setitimer(kinds[i], &never, &left) == 0 && left.it_interval.tv_usec == 3000);
		CHECK(getitimer(kinds[i], &left) == 0 && left.it_value.tv_usec == 0 && left.it_value.tv_sec == 0);
	}
	CHECK(alarm(100) == 0 && alarm(0) == 100);
	timer_t timer;
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 9};
	const struct itimerspec fast = {.it_value = {.tv_nsec = 1000000}, .it_interval = {.tv_nsec = 1000000}};
	struct itimerspec setting;
	sigset_t set = set_of(SIGRTMIN + 1);
	handle(SIGRTMIN + 1, note, 0);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK(timer_create(CLOCK_REALTIME, &event, &timer) == 0 && timer_settime(timer, 0, &fast, NULL) == 0);
	usleep(30000);
	CHECK(timer_gettime(timer, &setting) == 0 && setting.it_interval.tv_nsec == 1000000);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	CHECK(count >= 1 && order[0] == 9 && timer_getoverrun(timer) >= 0);
	CHECK(timer_delete(timer) == 0 && timer_gettime(timer, &setting) == -1 && errno == EINVAL);
	/* An absolute time of the real-time clock. */
	struct itimerspec at = {0};
	clock_gettime(CLOCK_REALTIME, &at.it_value);
	at.it_value.tv_sec++;
	count = 0;
	CHECK(timer_create(CLOCK_REALTIME, &event, &timer) == 0 && timer_settime(timer, TIMER_ABSTIME, &at, NULL) == 0);
	while (!count)
		usleep(1000);
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	CHECK(now.tv_sec > at.it_value.tv_sec ||
	      (now.tv_sec == at.it_value.tv_sec && now.tv_nsec >= at.it_value.tv_nsec));
	return 0;
}

/* The soft limit warns, the hard one ends it. */
static int signals_cpu_limit(int argc, char **argv)
{
	const struct rlimit limit = {1, argc > 2 ? 2 : RLIM_INFINITY};
	handle(SIGXCPU, note, 0);
	CHECK(setrlimit(RLIMIT_CPU, &limit) == 0);
	while (argc > 2 || count == 0)
		;
	return 0;
}

static int signals_pipe(int argc, char **argv)
{
	int fds[2];
	CHECK(pipe(fds) == 0 && close(fds[0]) == 0);
	handle(SIGPIPE, note, 0);
	CHECK(write(fds[1], "x", 1) == -1 && errno == EPIPE && count == 1 && seen.si_signo == SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	CHECK(write(fds[1], "x", 1) == -1 && errno == EPIPE && count == 1);
	signal(SIGPIPE, SIG_DFL);
	(void)!write(fds[1], "x", 1);
	return SURVIVED;
}

/* Without an end: a wake-up that is lost would leave it here for ever. */
static void wait_blocked(int done)
{
	sigset_t set = set_of(SIGUSR1), none;
	sigemptyset(&none);
	sigprocmask(SIG_BLOCK, &set, NULL);
	while (count == done)
		sigsuspend(&none);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Waits for argv[2] signals SIGUSR1, and acknowledges each with a line. */
static int signals_acknowledge(int argc, char **argv)
{
	int wanted = atoi(argv[2]), done = 0;
	handle(SIGUSR1, note, SA_RESTART);
	puts("ready");
	fflush(stdout);
	while (done < wanted) {
		/* In turn: within the program, between system calls, and waiting. */
		if (done % 3 == 0)
			while (count == done)
				;
		else if (done % 3 == 1)
			while (count == done)
				syscall(SYS_getppid);
		else
			wait_blocked(done);
		done++;
		if (write(1, "\n", 1) != 1)
			return 2;
	}
	return count == wanted ? 0 : 1;
}

static int signals_term(int argc, char **argv)
{
	handle(SIGTERM, note, 0);
	puts("ready");
	fflush(stdout);
	while (!count)
		usleep(1000);
	return seen.si_code == SI_USER && seen.si_pid == 0 ? 33 : 1;
}

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

static int __attribute__((noinline)) crash_inner(volatile int *where, int value)
{
	*where = value;
	return value + 1;
}

static int __attribute__((noinline)) crash_outer(volatile int *where)
{
	return crash_inner(where, 0x4711) + 2;
}

static int signals_crash(int argc, char **argv)
{
	return crash_outer((volatile int *)strtoul(argv[2], NULL, 0));
}

static volatile pthread_t handled_by;
static volatile int thread_result, thread_done;

static void note_thread(int signal, siginfo_t *info, void *context)
{
	handled_by = pthread_self();
	note(signal, info, context);
}

static void *sleep_in_thread(void *data)
{
	const struct timespec time = {.tv_sec = 60};
	thread_result = nanosleep(&time, NULL) < 0 ? errno : 0;
	thread_done = 1;
	return data;
}

static void *wait_in_thread(void *data)
{
	int signal = 0;
	sigset_t set = set_of(SIGUSR2);
	thread_result = sigwait(&set, &signal) == 0 ? signal : -1;
	return data;
}

static void tell_timer(union sigval value)
{
	count = value.sival_int;
}

static void nap(void)
{
	usleep(20000);
}

/* A signal to one thread, one to whichever does not block it, one that a thread waits for, and a timer's thread. */
static int signals_threads(int argc, char **argv)
{
	pthread_t thread;
	sigset_t usr1 = set_of(SIGUSR1), usr2 = set_of(SIGUSR2);
	handle(SIGUSR1, note_thread, SA_RESTART);
	CHECK(pthread_create(&thread, NULL, sleep_in_thread, NULL) == 0);
	for (thread_done = 0; !thread_done; nap())
		CHECK(pthread_kill(thread, SIGUSR1) == 0);
	CHECK(pthread_join(thread, NULL) == 0 && count >= 1 && thread_result == EINTR);
	CHECK(pthread_equal(handled_by, thread) && seen.si_code == SI_TKILL);

	thread_done = count = 0;
	CHECK(pthread_create(&thread, NULL, sleep_in_thread, NULL) == 0);
	CHECK(pthread_sigmask(SIG_BLOCK, &usr1, NULL) == 0);
	for (; !thread_done; nap())
		CHECK(kill(getpid(), SIGUSR1) == 0);
	CHECK(pthread_join(thread, NULL) == 0 && count >= 1 && thread_result == EINTR);
	CHECK(pthread_equal(handled_by, thread));

	CHECK(pthread_sigmask(SIG_BLOCK, &usr2, NULL) == 0 && pthread_create(&thread, NULL, wait_in_thread, NULL) == 0);
	nap();
	CHECK(kill(getpid(), SIGUSR2) == 0 && pthread_join(thread, NULL) == 0 && thread_result == SIGUSR2);

	timer_t timer;
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD, .sigev_notify_function = tell_timer, .sigev_value.sival_int = 4711};
	const struct itimerspec once = {.it_value = {.tv_nsec = 5000000}};
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &once, NULL) == 0);
	for (int i = 0; i < 100 && count != 4711; i++)
		nap();
	CHECK(count == 4711);
	return 0;
}

/* Threads that count in vectors while signals come all the time. */
static void *count_in_vectors(void *data)
{
	static const int rounds = 300;
	vectors in, out;
	memset(&in, *(int *)data, sizeof(in));
	for (int i = 0; i < rounds; i++) {
		load_vectors(&in);
		for (volatile int j = 0; j < 10000; j++)
			;
		store_vectors(&out);
		if (memcmp(in.bytes[0], out.bytes[0], 32) != 0 || memcmp(in.bytes[15], out.bytes[15], 32) != 0)
			return data;
	}
	return NULL;
}

static int signals_thread_vectors(int argc, char **argv)
{
	pthread_t threads[3];
	int patterns[3] = {0x11, 0x5a, 0xc3};
	if (!__builtin_cpu_supports("avx"))
		return 77;
	handle(SIGALRM, clobber, SA_RESTART);
	start_alarm(700, 700);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, count_in_vectors, &patterns[i]) == 0);
	for (int i = 0; i < 3; i++) {
		void *failed;
		CHECK(pthread_join(threads[i], &failed) == 0 && !failed);
	}
	start_alarm(0, 0);
	CHECK(count > 0);
	return 0;
}

static void *crash_in_thread(void *data)
{
	nap();
	crash_outer((volatile int *)data);
	return data;
}

static int signals_crash_thread(int argc, char **argv)
{
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, crash_in_thread, (void *)0x1234) == 0);
	sleep_in_thread(NULL);
	return SURVIVED;
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
	{"signal-restart", signals_restart},
	{"signal-suspend", signals_suspend},
	{"signal-timedwait", signals_timedwait},
	{"signal-timers", signals_timers},
	{"signal-cpu-limit", signals_cpu_limit},
	{"signal-pipe", signals_pipe},
	{"signal-acknowledge", signals_acknowledge},
	{"signal-term", signals_term},
	{"signal-damage", signals_damage},
	{"signal-soften", signals_soften},
	{"signal-return", signals_return},
	{"signal-no-restorer", signals_no_restorer},
	{"signal-blocked-fault", signals_blocked_fault},
	{"signal-endless", signals_endless},
	{"signal-crash", signals_crash},
	{"signal-threads", signals_threads},
	{"signal-thread-vectors", signals_thread_vectors},
	{"signal-crash-thread", signals_crash_thread},
	{0},
};
