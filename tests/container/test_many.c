/* SPDX-License-Identifier: MIT */
/* Hundreds of containers at once: all run, each is apart from the others, and nothing of them is left. */
#include "box.h"
#include "host.h"
#include "marked.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MANY = 500 };

static void make_room_for_fds(void)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	skip_without(limit.rlim_max >= 2 * MANY, "a limit of 1000 open files");
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void run_at_once(void *argument)
{
	mark_this_process(*(const unsigned *)argument);
	int fds = support_count_fds();
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	viso_process *processes[MANY];
	for (int i = 0; i < MANY; i++) {
		processes[i] = box_spawn(box, probe("sleep", NULL));
		assert_non_null(processes[i]);
		assert_true(kill(viso_process_pid(processes[i]), 0) == 0 || errno == EPERM);
	}
	/* One more among them is as the first. */
	assert_prints(box, shell("set -- /proc/[0-9]*; echo $#"), "2\n");
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), MANY);
	/* Each other one by itself, the rest all at once. */
	for (int i = 0; i < MANY; i += 2) {
		assert_ok(viso_process_signal(processes[i], SIGTERM));
		assert_ended(box_wait(processes[i]), VISO_REASON_SIGNALLED, -1, SIGTERM);
		viso_process_unref(processes[i]);
	}
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), MANY / 2);
	assert_ok(viso_sandbox_close(box->sandbox));
	for (int i = 1; i < MANY; i += 2) {
		assert_ended(box_wait(processes[i]), VISO_REASON_KILLED, -1, SIGKILL);
		viso_process_unref(processes[i]);
	}
	box_close(box);
	/* The launcher's own two may have come, and channels that are kept. */
	assert_true(support_count_fds() <= fds + 8);
}

static void test_all_at_once(void **state)
{
	skip_without_strength(VISO_ISOLATION_CONTAINER);
	make_room_for_fds();
	unsigned mark = mark_new();
	in_a_host(run_at_once, &mark);
	assert_no_marked(mark);
}

static void start_and_wait(void *argument)
{
	struct ready_pipe *ready = argument;
	mark_this_process((unsigned)atoi(getenv("MANY_MARK")));
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	for (int i = 0; i < MANY; i++)
		assert_non_null(box_spawn(box, probe("sleep", NULL)));
	ready_tell(ready, "all");
	pause();
}

static void test_their_host_is_killed(void **state)
{
	struct ready_pipe ready;
	char line[16], text[16];
	skip_without_strength(VISO_ISOLATION_CONTAINER);
	make_room_for_fds();
	box_tree();
	unsigned mark = mark_new();
	snprintf(text, sizeof(text), "%u", mark);
	setenv("MANY_MARK", text, 1);
	ready_init(&ready);
	pid_t host = host_start(start_and_wait, &ready);
	assert_true(ready_wait(&ready, line, sizeof(line)));
	host_kill(host);
	assert_no_marked(mark);
	ready_close(&ready);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_their_host_is_killed),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, box_group_teardown);
}
