/* SPDX-License-Identifier: MIT */
/* Threads: what they share, what they do not, how they wait for each other, and how they end. */
#include "probe.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 200, MANY = 200 };

/* linux/futex.h, linux/sched.h, which musl's compiler does not find. */
enum {
	FUTEX_WAIT = 0,
	FUTEX_WAKE = 1,
	FUTEX_CMP_REQUEUE = 4,
	FUTEX_WAKE_OP = 5,
	FUTEX_LOCK_PI = 6,
	FUTEX_WAIT_BITSET = 9,
	FUTEX_WAKE_BITSET = 10,
	FUTEX_PRIVATE = 128,
	ADD_5_IF_EQUAL_0 = 1 << 28 | 5 << 12,
};
struct clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
		cgroup;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int count;
static __thread int own;

static int64_t now_ms(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Runs all of them and gives the sum of what they returned. */
static long run_threads(int number, void *(*function)(void *))
{
	pthread_t threads[MANY];
	pthread_attr_t attributes;
	long sum = 0;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 << 10);
	for (long i = 0; i < number; i++)
		if (pthread_create(&threads[i], &attributes, function, (void *)i) != 0)
			exit(101);
	for (int i = 0; i < number; i++) {
		void *result;
		if (pthread_join(threads[i], &result) != 0)
			exit(102);
		sum += (long)result;
	}
	return sum;
}

static void *count_up(void *data)
{
	own = (int)(long)data;
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		int old = count;
		if (i % 16 == 0)
			sched_yield();
		count = old + 1;
		pthread_mutex_unlock(&lock);
	}
	return (void *)(long)(own == (int)(long)data);
}

static int probe_mutex(int argc, char **argv)
{
	own = 77;
	if (run_threads(THREADS, count_up) != THREADS)
		return 1;
	return count == THREADS * ROUNDS && own == 77 ? 0 : 2;
}

/* Each waits until it is its turn. */
static void *take_turns(void *data)
{
	for (int round = 0; round < 20; round++) {
		pthread_mutex_lock(&lock);
		while (count % THREADS != (int)(long)data)
			pthread_cond_wait(&changed, &lock);
		count++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static int probe_condition(int argc, char **argv)
{
	run_threads(THREADS, take_turns);
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 30000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&lock);
	int r = pthread_cond_timedwait(&changed, &lock, &until);
	return count == 20 * THREADS && r == ETIMEDOUT ? 0 : 1;
}

static void *sleep_a_little(void *data)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	nanosleep(&nap, NULL);
	return (void *)1;
}

static int probe_many_threads(int argc, char **argv)
{
	return run_threads(MANY, sleep_a_little) == MANY ? 0 : 1;
}

/* Waits without a system call, so that the other must be given the processor by force. */
static void *wait_busily(void *data)
{
	volatile int *turn = (volatile int *)&count;
	for (int i = 0; i < 5; i++) {
		while (*turn % 2 != (int)(long)data)
			__asm__ volatile("");
		*turn = *turn + 1;
	}
	return NULL;
}

static int probe_preempt(int argc, char **argv)
{
	run_threads(2, wait_busily);
	return count == 10 ? 0 : 1;
}

/*
 * Patterns in registers that only a switch of threads can damage: the general ones, and where the processor has them
 * ymm0 and ymm15, else xmm.
 */
__attribute__((noinline)) static bool hold_pattern(uint64_t pattern, uint64_t rounds)
{
	const uint64_t wide[4] = {pattern, ~pattern, pattern * 3, pattern * 5};
	uint64_t after[8] = {0}, general = pattern;
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vmovdqu (%[wide]), %%ymm0\n\tvmovdqu (%[wide]), %%ymm15\n"
				 "1:\tpause\n\tdec %[rounds]\n\tjnz 1b\n\t"
				 "vmovdqu %%ymm0, (%[after])\n\tvmovdqu %%ymm15, 32(%[after])\n\tvzeroupper\n\t"
				 : [rounds] "+r"(rounds), [general] "+r"(general)
				 : [wide] "r"(wide), [after] "r"(after)
				 : "memory", "xmm0", "xmm15", "cc");
	else
		__asm__ volatile("movdqu (%[wide]), %%xmm0\n\tmovdqu (%[wide]), %%xmm15\n"
				 "1:\tpause\n\tdec %[rounds]\n\tjnz 1b\n\t"
				 "movdqu %%xmm0, (%[after])\n\tmovdqu %%xmm15, 32(%[after])\n\t"
				 : [rounds] "+r"(rounds), [general] "+r"(general)
				 : [wide] "r"(wide), [after] "r"(after)
				 : "memory", "xmm0", "xmm15", "cc");
	size_t size = __builtin_cpu_supports("avx") ? 32 : 16;
	return general == pattern && !memcmp(after, wide, size) && !memcmp(after + 4, wide, size);
}

static void *keep_registers(void *data)
{
	uint64_t pattern = 0x0123456789abcdefull * (2 * (uint64_t)(long)data + 3);
	for (int i = 0; i < 6; i++)
		if (!hold_pattern(pattern + (uint64_t)i, 1000000))
			return (void *)1;
	return NULL;
}

static int probe_registers(int argc, char **argv)
{
	return run_threads(4, keep_registers) == 0 ? 0 : 1;
}

static int pipe_fds[2];

static void *write_much(void *data)
{
	static char buffer[1 << 20];
	memset(buffer, 'w', sizeof(buffer));
	return (void *)(long)write(pipe_fds[1], buffer, sizeof(buffer));
}

static int probe_pipe_between_threads(int argc, char **argv)
{
	pthread_t writer;
	char buffer[4096];
	size_t total = 0;
	void *written;
	if (pipe(pipe_fds) < 0 || pthread_create(&writer, NULL, write_much, NULL) != 0)
		return 1;
	while (total < 1 << 20) {
		ssize_t n = read(pipe_fds[0], buffer, sizeof(buffer));
		if (n <= 0)
			return 2;
		total += (size_t)n;
	}
	/* One write(2) to a pipe that blocks writes all. */
	return pthread_join(writer, &written) == 0 && (long)written == 1 << 20 ? 0 : 3;
}

static void *spin_forever(void *data)
{
	for (;;)
		__asm__ volatile("");
	return NULL;
}

/* A thread that computes does not keep others from their time and files. */
static int probe_waits_beside_loop(int argc, char **argv)
{
	pthread_t spinner, writer;
	const struct timespec nap = {.tv_nsec = 50000000};
	if (pipe(pipe_fds) < 0 || pthread_create(&spinner, NULL, spin_forever, NULL) != 0)
		return 1;
	int64_t start = now_ms();
	if (nanosleep(&nap, NULL) < 0 || now_ms() - start < 50)
		return 2;
	struct pollfd fd = {.fd = pipe_fds[0], .events = POLLIN};
	start = now_ms();
	if (poll(&fd, 1, 40) != 0 || now_ms() - start < 40)
		return 3;
	if (pthread_create(&writer, NULL, write_much, NULL) != 0)
		return 4;
	return poll(&fd, 1, -1) == 1 && (fd.revents & POLLIN) ? 0 : 5;
}

static void *exit_with_21(void *data)
{
	exit(21);
}

static int probe_exit_in_thread(int argc, char **argv)
{
	pthread_t thread;
	pthread_create(&thread, NULL, exit_with_21, NULL);
	pause();
	return 1;
}

static void *exit_later(void *data)
{
	sleep_a_little(NULL);
	puts("last");
	fflush(stdout);
	return NULL;
}

/* The first thread ends before the others: the process goes on, and ends with 0. */
static int probe_first_thread_ends(int argc, char **argv)
{
	pthread_t thread;
	pthread_create(&thread, NULL, exit_later, NULL);
	pthread_exit(NULL);
}

static void *crash(void *data)
{
	*(volatile int *)16 = 1;
	return NULL;
}

static int probe_crash_in_thread(int argc, char **argv)
{
	return (int)run_threads(2, crash);
}

/* All wait for each other. */
static void *wait_for_ever(void *data)
{
	pthread_mutex_lock(&lock);
	return NULL;
}

static int probe_deadlock(int argc, char **argv)
{
	pthread_mutex_lock(&lock);
	return (int)run_threads(3, wait_for_ever);
}

static int probe_loops_in_threads(int argc, char **argv)
{
	return (int)run_threads(3, spin_forever);
}

static pthread_mutex_t robust;

static void *die_with_lock(void *data)
{
	pthread_mutex_lock(&robust);
	return NULL;
}

static int probe_robust(int argc, char **argv)
{
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attributes);
	run_threads(1, die_with_lock);
	if (pthread_mutex_lock(&robust) != EOWNERDEAD || pthread_mutex_consistent(&robust) != 0)
		return 1;
	return pthread_mutex_unlock(&robust) == 0 && pthread_mutex_lock(&robust) == 0 ? 0 : 2;
}

static long futex(void *word, int operation, unsigned value, const void *time, void *second, unsigned last)
{
	return syscall(SYS_futex, word, operation, value, time, second, last);
}

static uint32_t words[2];

static void *wait_for_word(void *data)
{
	long r;
	do
		r = futex(&words[0], FUTEX_WAIT_BITSET | FUTEX_PRIVATE, 0, NULL, NULL, 1u << (long)data);
	while (r < 0 && errno == EINTR);
	return (void *)(r + 1);
}

static int probe_futex(int argc, char **argv)
{
	pthread_t threads[4];
	for (long i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, wait_for_word, (void *)i);
	/* Moving them from a word to the same word tells how many wait. */
	while (futex(&words[0], FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 0, (void *)4, &words[0], 0) != 4)
		sleep_a_little(NULL);
	/* One by its bit; one of the others by moving two to another word; the last two together. */
	if (futex(&words[0], FUTEX_WAKE_BITSET | FUTEX_PRIVATE, 9, NULL, NULL, 1u << 2) != 1)
		return 1;
	if (futex(&words[0], FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 0, (void *)2, &words[1], 1) != -1 || errno != EAGAIN)
		return 2;
	if (futex(&words[0], FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 0, (void *)2, &words[1], 0) != 2)
		return 3;
	if (futex(&words[0], FUTEX_WAKE | FUTEX_PRIVATE, 9, NULL, NULL, 0) != 1)
		return 4;
	/* words[1] += 5; it was 0, so that its waiters are woken too. */
	if (futex(&words[0], FUTEX_WAKE_OP | FUTEX_PRIVATE, 9, (void *)9, &words[1], ADD_5_IF_EQUAL_0) != 2 ||
	    words[1] != 5)
		return 5;
	long sum = 0;
	for (int i = 0; i < 4; i++) {
		void *r;
		pthread_join(threads[i], &r);
		sum += (long)r;
	}
	return sum == 4 ? 0 : 6;
}

static int expect(long result, int error)
{
	return result == -1 && errno == error ? 0 : 1;
}

static int probe_wild_futexes(int argc, char **argv)
{
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct timespec wrong = {.tv_nsec = -1}, short_time = {.tv_nsec = 1000000};
	int bad = 0;
	bad += expect(futex(page, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
	bad += expect(futex((char *)words + 1, FUTEX_WAIT, 0, NULL, NULL, 0), EINVAL);
	bad += expect(futex((void *)~3ul, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
	bad += expect(futex((void *)0x1000, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
	bad += expect(futex((void *)0x7ffffffff000ul, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
	bad += expect(futex(words, FUTEX_WAIT, 0, &wrong, NULL, 0), EINVAL);
	bad += expect(futex(words, FUTEX_WAIT, 0, (void *)8, NULL, 0), EFAULT);
	bad += expect(futex(words, FUTEX_WAIT, 0, &short_time, NULL, 0), ETIMEDOUT);
	bad += expect(futex(words, FUTEX_WAIT, 1, NULL, NULL, 0), EAGAIN);
	bad += expect(futex(words, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
	bad += expect(futex(words, FUTEX_LOCK_PI, 0, NULL, NULL, 0), ENOSYS);
	bad += expect(futex(words, FUTEX_CMP_REQUEUE, 1, (void *)1, (void *)3, 0), EINVAL);
	bad += expect(futex(words, FUTEX_WAKE_OP, 1, (void *)1, page, 0), EFAULT);
	bad += expect(futex(words, FUTEX_WAKE_OP, 1, (void *)1, words, 0x7f000000), ENOSYS);
	bad += expect(futex(words, 99, 0, NULL, NULL, 0), ENOSYS);
	return bad;
}

static long clone_raw(unsigned long flags, void *stack, void *parent, void *child, void *tls)
{
	return syscall(SYS_clone, flags, stack, parent, child, tls);
}

static int probe_wild_clones(int argc, char **argv)
{
	struct clone_args big[2] = {{0}};
	int bad = 0;
	bad += expect(clone_raw(CLONE_THREAD, NULL, NULL, NULL, NULL), EINVAL);
	bad += expect(clone_raw(CLONE_SIGHAND, NULL, NULL, NULL, NULL), EINVAL);
	bad += expect(clone_raw(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, NULL, NULL, NULL, NULL), EINVAL);
	bad += expect(clone_raw(CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL), EPERM);
	bad += expect(clone_raw(0xff000000u, NULL, NULL, NULL, NULL), EPERM);
	bad += expect(syscall(SYS_clone3, big, 8), EINVAL);
	bad += expect(syscall(SYS_clone3, big, 100000), E2BIG);
	bad += expect(syscall(SYS_clone3, (void *)8, 88), EFAULT);
	big[1].flags = 1;
	bad += expect(syscall(SYS_clone3, big, sizeof(big)), E2BIG);
	big[0] = (struct clone_args){.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_FS | CLONE_FILES,
				     .exit_signal = SIGCHLD};
	bad += expect(syscall(SYS_clone3, big, sizeof(big[0])), EINVAL);
	big[0] = (struct clone_args){.stack = ~0ul, .stack_size = 5};
	bad += expect(syscall(SYS_clone3, big, sizeof(big[0])), EINVAL);
	big[0] = (struct clone_args){
		.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SETTLS, .tls = ~0ul};
	bad += expect(syscall(SYS_clone3, big, sizeof(big[0])), EPERM);
	return bad;
}

/* A thread with a stack, a thread pointer and addresses for its number that are not there: it ends all. */
static int probe_clone_to_nowhere(int argc, char **argv)
{
	clone_raw(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SETTLS |
			  CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
		  (void *)0x123450, (void *)8, (void *)0x7ffffffff000, (void *)0x7f0000000000);
	pause();
	return 1;
}

/* Lists of locks that end nowhere, or never. */
static void *set_wild_list(void *data)
{
	static struct {
		void *next;
		long offset;
		void *pending;
	} head;
	static void *loop[2];
	loop[0] = &loop[1];
	loop[1] = &loop[0];
	void *lists[] = {(void *)8, (void *)0x7ffffffff000, &head, &head, (void *)~0ul};
	head.next = (long)data == 2 ? (void *)&loop[0] : (void *)0x1234567;
	head.offset = INT64_MIN;
	head.pending = (void *)~0ul;
	syscall(SYS_set_robust_list, lists[(long)data % 5], 24);
	syscall(SYS_set_tid_address, (void *)(0x7ffffffff000 - 2));
	syscall(SYS_exit, 0);
	return NULL;
}

static int probe_wild_robust_lists(int argc, char **argv)
{
	const struct timespec nap = {.tv_nsec = 20000000};
	for (long i = 0; i < 5; i++) {
		pthread_t thread;
		pthread_create(&thread, NULL, set_wild_list, (void *)i);
	}
	return nanosleep(&nap, NULL) < 0;
}

/* Threads without end: the limit is met. */
static int probe_thread_bomb(int argc, char **argv)
{
	pthread_attr_t attributes;
	int started = 0, r;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 << 10);
	pthread_mutex_lock(&lock);
	for (pthread_t thread; (r = pthread_create(&thread, &attributes, wait_for_ever, NULL)) == 0;)
		started++;
	printf("%d %s\n", started + 1, strerror(r));
	return 0;
}

static int probe_scheduling(int argc, char **argv)
{
	cpu_set_t set;
	struct sched_param param = {0};
	unsigned cpu = 9;
	if (sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) != 1 ||
	    sched_setaffinity(0, sizeof(set), &set) < 0)
		return 1;
	if (syscall(SYS_sched_getscheduler, 0) != SCHED_OTHER || syscall(SYS_sched_getparam, 0, &param) != 0 ||
	    sched_get_priority_max(SCHED_RR) != 99 || sched_get_priority_min(SCHED_FIFO) != 1)
		return 2;
	if (syscall(SYS_getcpu, &cpu, NULL, NULL) != 0 || cpu != 0 || syscall(SYS_membarrier, 0, 0, 0) <= 0)
		return 3;
	param.sched_priority = 1;
	return expect(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &param), EPERM) +
	       expect(syscall(SYS_sched_getaffinity, 4711, 128, &set), ESRCH) +
	       expect(syscall(SYS_rseq, NULL, 32, 0, 0), ENOSYS);
}

const struct probe thread_probes[] = {
	{"mutex", probe_mutex},
	{"condition", probe_condition},
	{"many-threads", probe_many_threads},
	{"preempt", probe_preempt},
	{"registers", probe_registers},
	{"pipe-between-threads", probe_pipe_between_threads},
	{"waits-beside-loop", probe_waits_beside_loop},
	{"exit-in-thread", probe_exit_in_thread},
	{"first-thread-ends", probe_first_thread_ends},
	{"crash-in-thread", probe_crash_in_thread},
	{"deadlock", probe_deadlock},
	{"loops-in-threads", probe_loops_in_threads},
	{"robust", probe_robust},
	{"futex", probe_futex},
	{"wild-futexes", probe_wild_futexes},
	{"wild-clones", probe_wild_clones},
	{"clone-to-nowhere", probe_clone_to_nowhere},
	{"wild-robust-lists", probe_wild_robust_lists},
	{"thread-bomb", probe_thread_bomb},
	{"scheduling", probe_scheduling},
	{0},
};
