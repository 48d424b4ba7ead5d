/* SPDX-License-Identifier: MIT */
#include "untouched.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host_state.h"

enum { LAUNCHER_FDS = 6 };

atomic_int untouched_signals;
char *untouched_before;
char *untouched_moment;
int untouched_failures;
static int launcher_fds; /* that have been seen to appear */

static void count_signal(int signal)
{
	atomic_fetch_add(&untouched_signals, 1);
}

static void *do_nothing(void *argument)
{
	return NULL;
}

/* A host that has changed all that it can, so that a library that resets something to its default is caught. */
int untouched_peculiar_host(void **state)
{
	const int handled[] = {SIGCHLD, SIGPIPE, SIGALRM, SIGIO, SIGURG, SIGUSR1, SIGTERM, SIGXFSZ, SIGRTMIN + 3};
	const struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
	const struct itimerval timer = {.it_interval = {.tv_sec = 5000}, .it_value = {.tv_sec = 9000}};
	struct rlimit limit;
	sigset_t blocked;
	pthread_t thread;

	/* With its first thread a process gets a handler of the C library's own (signal 33 of glibc). */
	pthread_create(&thread, NULL, do_nothing, NULL);
	pthread_join(thread, NULL);
	for (size_t i = 0; i < sizeof(handled) / sizeof(*handled); i++)
		sigaction(handled[i], &action, NULL);
	signal(SIGWINCH, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR2);
	sigaddset(&blocked, SIGRTMIN + 5);
	pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	raise(SIGUSR2); /* stays pending */
	setitimer(ITIMER_VIRTUAL, &timer, NULL);
	umask(027);
	setenv("VISO_HOST", "untouched", 1);
	if (chdir("/proc") < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	limit.rlim_cur = limit.rlim_max < 777 ? limit.rlim_max : 777;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

static bool has_child(void)
{
	return waitpid(-1, NULL, WNOHANG | __WALL) >= 0 || errno != ECHILD;
}

/* What a living handle may hold. */
bool untouched_handles_only(const char *moment)
{
	return host_state_new_fds(untouched_moment, moment, true) >= 0;
}

/* What may stay for ever. */
static bool launcher_only(const char *moment)
{
	int new = host_state_new_fds(untouched_moment, moment, false);
	return new >= 0 && new <= LAUNCHER_FDS - launcher_fds;
}

/* A thread of the library that has been told to end may still be counted for a moment. */
static char *settled_moment(bool (*settled)(const char *))
{
	char *moment = host_state_of_moment();
	for (int i = 0; i < 2000 && !settled(moment); i++) {
		usleep(5000);
		free(moment);
		moment = host_state_of_moment();
	}
	return moment;
}

void untouched_begin(void)
{
	untouched_failures = 0;
	free(untouched_before);
	free(untouched_moment);
	untouched_before = host_state_of_process();
	untouched_moment = host_state_of_moment();
	assert_false(has_child());
}

/* After each call. Handles may hold fds now. */
void untouched_check(const char *call)
{
	char *process = host_state_of_process();
	char *moment = settled_moment(untouched_handles_only);
	untouched_failures += host_state_compare(untouched_before, process, call);
	if (!untouched_handles_only(moment))
		untouched_failures += host_state_compare(untouched_moment, moment, call);
	if (has_child()) {
		print_error("%s: the host has a child\n", call);
		untouched_failures++;
	}
	free(process);
	free(moment);
}

/* When all handles are released: nothing is left but, once, the launcher's fds. */
void untouched_end(void)
{
	char *moment = settled_moment(launcher_only);
	untouched_check("in the end");
	if (!launcher_only(moment)) {
		host_state_compare(untouched_moment, moment, "in the end");
		untouched_failures++;
	}
	if (untouched_failures == 0)
		launcher_fds += host_state_new_fds(untouched_moment, moment, false);
	free(moment);
	assert_int_equal(untouched_failures, 0);
	assert_int_equal(untouched_signals, 0);
}
