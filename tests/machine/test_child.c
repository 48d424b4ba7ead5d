/* SPDX-License-Identifier: MIT */
/* The child in which the probes try things: it ends, whatever it does, and nothing of it is seen outside. */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "machine/child.h"

struct seen {
	pid_t pid;
	bool hung;
};

static void look(void *data)
{
	struct seen *seen = data;
	seen->pid = getpid();
	errno = EDOM;
}

static void hang(void *data)
{
	struct seen *seen = data;
	seen->hung = true;
	for (;;)
		pause();
}

static void loop(void *data)
{
	struct seen *seen = data;
	seen->hung = true;
	for (volatile bool forever = true; forever;)
		;
}

static void die(void *data)
{
	raise(SIGKILL);
}

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void test_a_child_works_on_the_memory_of_its_caller(void **state)
{
	struct seen seen = {0};
	sigset_t before, after;
	int fds = support_count_fds();
	pthread_sigmask(SIG_BLOCK, NULL, &before);
	errno = 5;
	assert_int_equal(child_run(&(struct child){.work = look, .data = &seen}, 0), 0);
	assert_int_equal(errno, 5);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	assert_memory_equal(&before, &after, 8); /* as much of it as the kernel fills */
	assert_int_not_equal(seen.pid, 0);
	assert_int_not_equal(seen.pid, getpid());
	support_assert_nothing_left(fds);
}

static void test_a_child_in_a_pid_namespace_is_its_first(void **state)
{
	struct seen seen = {0};
	int r = child_run(&(struct child){.work = look, .data = &seen}, CLONE_NEWUSER | CLONE_NEWPID);
	skip_without(r == 0, "user namespaces for this user");
	assert_int_equal(seen.pid, 1);
}

/* One that does not get to run before its time is up is no test. */
static bool hangs(void (*work)(void *))
{
	struct seen seen = {0};
	long start = now_ms();
	assert_int_equal(child_run(&(struct child){.work = work, .data = &seen, .timeout_ms = 1000}, 0), 0);
	assert_in_range(now_ms() - start, 995, 30000);
	return seen.hung;
}

/* Also where the host ignores SIGALRM, blocks it, or has a timer of its own. */
static void test_a_hanging_child_is_killed(void **state)
{
	void (*const works[])(void *) = {hang, loop};
	int fds = support_count_fds();
	sigset_t alarms, before;
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	signal(SIGALRM, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &alarms, &before);
	const struct itimerval timer = {.it_value = {.tv_sec = 100}};
	setitimer(ITIMER_REAL, &timer, NULL);

	for (int i = 0; i < 2; i++) {
		bool hung = false;
		for (int attempt = 0; attempt < 5 && !hung; attempt++)
			hung = hangs(works[i]);
		assert_true(hung);
	}

	struct itimerval left;
	getitimer(ITIMER_REAL, &left);
	assert_in_range(left.it_value.tv_sec, 60, 100);
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	assert_ptr_equal(signal(SIGALRM, SIG_DFL), SIG_IGN);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	support_assert_nothing_left(fds);
}

static void test_a_dying_child_is_only_that(void **state)
{
	int fds = support_count_fds();
	assert_int_equal(child_run(&(struct child){.work = die}, 0), 0);
	support_assert_nothing_left(fds);
}

static void test_a_refused_child_is_an_error(void **state)
{
	/* clone(2): EINVAL for CLONE_NEWUSER with CLONE_FS. */
	assert_int_equal(child_run(&(struct child){.work = die}, CLONE_NEWUSER | CLONE_FS), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_child_works_on_the_memory_of_its_caller),
		cmocka_unit_test(test_a_child_in_a_pid_namespace_is_its_first),
		cmocka_unit_test(test_a_hanging_child_is_killed),
		cmocka_unit_test(test_a_dying_child_is_only_that),
		cmocka_unit_test(test_a_refused_child_is_an_error),
	};
	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
