/* SPDX-License-Identifier: MIT */
/* Who runs this: also where a child that shares the parent's memory was the first to ask. */
#include "support.h"

#include "core/own_process.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct process_mark mark;

static int ask(void *data)
{
	mark = own_mark();
	return own_process() == getpid() && own_thread() == gettid() ? 0 : 1;
}

/* In its own process, which has not asked yet: as after vfork(2), but with a stack of its own. */
static bool is_right_after_child(void)
{
	static char stack[1 << 16] __attribute__((aligned(16)));
	int status;
	pid_t child = clone(ask, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	bool right = child > 0 && waitpid(child, &status, 0) == child && status == 0;
	right = right && own_process() == getpid() && own_thread() == gettid();
	const struct process_mark again = own_mark();
	return right && again.id == getpid() && mark_is_own(&again) && !mark_is_own(&mark);
}

static void test_child_that_shares_memory(void **state)
{
	pid_t child = fork();
	int status;
	if (child == 0)
		_exit(is_right_after_child() ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void *ask_in_thread(void *data)
{
	return (void *)(intptr_t)(own_process() == getpid() && own_thread() == gettid() && own_thread() == gettid());
}

static void test_threads_and_forks(void **state)
{
	pthread_t thread;
	void *right;
	int status;
	assert_int_equal(pthread_create(&thread, NULL, ask_in_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, &right), 0);
	assert_non_null(right);
	const struct process_mark before = own_mark();
	assert_true(mark_is_own(&before));
	pid_t child = fork();
	if (child == 0)
		_exit(ask(NULL) == 0 && !mark_is_own(&before) && mark_is_own(&mark) ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child_that_shares_memory),
		cmocka_unit_test(test_threads_and_forks),
	};
	return cmocka_run_group_tests_name("own process", tests, NULL, NULL);
}
