/* SPDX-License-Identifier: MIT */
/* Signals among threads, and crashes for core files. */
#include "probe_signals.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

static void *wait_with_set(void *data)
{
	thread_done = 1;
	thread_result = sigwaitinfo(data, NULL);
	return data;
}

/* The set that a thread waits for is its own no more while it waits: it was read when the wait began. */
static int signals_hidden_set(int argc, char **argv)
{
	pthread_t thread;
	sigset_t usr2 = set_of(SIGUSR2);
	sigset_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED && pthread_sigmask(SIG_BLOCK, &usr2, NULL) == 0);
	for (int round = 0; round < 2; round++) {
		thread_done = thread_result = 0;
		*page = usr2;
		CHECK(pthread_create(&thread, NULL, wait_with_set, page) == 0);
		/* All threads share a processor: after so many turns it waits. */
		for (int turns = 0; turns < 1000; turns += thread_done)
			sched_yield();
		if (round == 0)
			sigemptyset(page);
		else
			CHECK(mprotect(page, PAGE, PROT_NONE) == 0);
		CHECK(pthread_kill(thread, SIGUSR2) == 0 && pthread_join(thread, NULL) == 0);
		CHECK(thread_result == SIGUSR2);
	}
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

const struct probe signal_thread_probes[] = {
	{"signal-crash", signals_crash},
	{"signal-threads", signals_threads},
	{"signal-hidden-set", signals_hidden_set},
	{"signal-thread-vectors", signals_thread_vectors},
	{"signal-crash-thread", signals_crash_thread},
	{0},
};
