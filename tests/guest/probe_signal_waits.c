/* SPDX-License-Identifier: MIT */
/* Signals that end waits, and those of timers and limits. */
#include "probe_signals.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

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
	CHECK(nanosleep(&time, &rest) == -1 && errno == EINTR && rest.tv_sec < 5 && rest.tv_nsec > 0);
	start_alarm(10000, 10000);
	CHECK(pause() == -1 && errno == EINTR);
	/* Without a handler all go on, to the end that they had at first. */
	signal(SIGALRM, SIG_IGN);
	start_alarm(5000, 5000);
	time = (struct timespec){.tv_nsec = 60000000};
	int64_t before = now_ns();
	CHECK(nanosleep(&time, NULL) == 0 && now_ns() - before >= 60000000);
	before = now_ns();
	CHECK(poll(&poll_fd, 1, 60) == 0 && now_ns() - before >= 60000000);
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
	/* However long it takes to come to the second call. */
	CHECK(alarm(1000) == 0);
	unsigned rest = alarm(0);
	CHECK(rest > 900 && rest <= 1000);
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

const struct probe signal_wait_probes[] = {
	{"signal-restart", signals_restart},
	{"signal-suspend", signals_suspend},
	{"signal-timedwait", signals_timedwait},
	{"signal-timers", signals_timers},
	{"signal-cpu-limit", signals_cpu_limit},
	{"signal-pipe", signals_pipe},
	{"signal-acknowledge", signals_acknowledge},
	{"signal-term", signals_term},
	{0},
};
