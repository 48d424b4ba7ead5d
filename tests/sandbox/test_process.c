/* SPDX-License-Identifier: MIT */
/* A command that runs: waiting with a deadline, polling, signalling, killing, letting go. */
#include "box.h"
#include "outside.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	return poll(&poll_fd, 1, timeout_ms) == 1 && (poll_fd.revents & POLLIN);
}

/* A program that says on a pipe when its handler of SIGTERM is installed. */
static viso_process *spawn_trap(struct box *box, int *out)
{
	char text[16] = "";
	viso_command *command = probe("trap", NULL);
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	viso_process *process = box_spawn(box, command);
	*out = viso_process_take_stream(process, VISO_STDOUT);
	assert_true(read(*out, text, sizeof(text)) > 0);
	assert_string_equal(text, "ready\n");
	return process;
}

static void test_wait_with_a_deadline(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	viso_result *result = NULL;
	int64_t begin = now_ms();
	assert_fails(viso_process_wait(process, 0, &result), ETIMEDOUT, VISO_STAGE_PROCESS, "wait");
	assert_fails(viso_process_wait(process, 150, &result), ETIMEDOUT, VISO_STAGE_PROCESS, "wait");
	assert_true(now_ms() - begin >= 150);
	assert_fails(viso_process_wait(process, -2, &result), EINVAL, VISO_STAGE_ARGUMENT, "viso_process_wait");
	assert_null(result);
	assert_ok(viso_process_signal(process, SIGTERM));
	assert_ok(viso_process_wait(process, -1, &result));
	assert_ended(result, VISO_REASON_SIGNALLED, -1, SIGTERM);
	viso_process_unref(process);
}

static void test_wait_again_gives_the_same_result(void **state)
{
	struct box *box = box_open(state);
	for (int i = 0; i < 50; i++) {
		viso_process *process = box_spawn(box, probe("exit", "6", NULL));
		viso_result *first = NULL, *second = NULL;
		assert_ok(viso_process_wait(process, 10000, &first));
		assert_ok(viso_process_wait(process, 0, &second)); /* known already */
		assert_ok(viso_process_wait(process, 0, NULL));
		assert_ptr_equal(first, second);
		assert_true(is_readable(viso_process_fd(process), 0));
		viso_result_unref(second);
		assert_ended(first, VISO_REASON_EXITED, 6, 0);
		viso_process_unref(process);
	}
}

static void test_poll(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("cat", NULL);
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_PIPE));
	viso_process *process = box_spawn(box, command);
	int fd = viso_process_fd(process);
	assert_true(fd > 2);
	assert_false(is_readable(fd, 0));
	assert_false(is_readable(fd, 100));
	close(viso_process_take_stream(process, VISO_STDIN));
	assert_true(is_readable(fd, 20000));
	assert_ended(box_wait(process), VISO_REASON_EXITED, 0, 0);
	assert_true(is_readable(fd, 0));
	viso_process_unref(process);
}

static void test_pid(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	char text[64];
	int pid = viso_process_pid(process);
	assert_true(pid > 1);
	/* It is executing, but the kernel may not have put its arguments in their place yet. */
	await_that(!strcmp(outside_read(pid, "cmdline", text, sizeof(text)), "/bin/probe"));
	viso_process_unref(process);
	assert_int_equal(kill(pid, 0), -1); /* gone, and waited for */
}

static void test_kill(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_ok(viso_process_kill(process));
	viso_result *result = box_wait(process);
	assert_string_equal(viso_result_describe(result), "killed by the host program");
	assert_ended(result, VISO_REASON_KILLED, -1, SIGKILL);
	assert_ok(viso_process_kill(process)); /* it has ended: nothing to do */
	viso_process_unref(process);

	process = box_spawn(box, shell("trap '' TERM INT HUP; probe sleep & probe sleep"));
	assert_ok(viso_process_signal(process, SIGKILL));
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	viso_process_unref(process);
}

static void test_kill_comes_too_late(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("exit", "5", NULL));
	assert_true(is_readable(viso_process_fd(process), 10000));
	assert_ok(viso_process_kill(process));
	assert_ended(box_wait(process), VISO_REASON_EXITED, 5, 0);
	viso_process_unref(process);
}

static void test_signal(void **state)
{
	struct box *box = box_open(state);
	int out;
	viso_process *process = spawn_trap(box, &out);
	assert_fails(viso_process_signal(process, 0), EINVAL, VISO_STAGE_ARGUMENT, "viso_process_signal");
	assert_fails(viso_process_signal(process, 65), EINVAL, VISO_STAGE_ARGUMENT, "viso_process_signal");
	assert_ok(viso_process_signal(process, SIGTERM));
	assert_ended(box_wait(process), VISO_REASON_EXITED, 55, 0);
	assert_fails(viso_process_signal(process, SIGTERM), ESRCH, VISO_STAGE_PROCESS, "viso_process_signal");
	viso_process_unref(process);
	close(out);

	process = box_spawn(box, probe("sleep", NULL));
	assert_ok(viso_process_signal(process, SIGUSR2));
	assert_ended(box_wait(process), VISO_REASON_SIGNALLED, -1, SIGUSR2);
	viso_process_unref(process);
}

static void test_stop_and_continue(void **state)
{
	struct box *box = box_open(state);
	char text[64];
	int out;
	viso_process *process = spawn_trap(box, &out);
	assert_ok(viso_process_signal(process, SIGSTOP));
	await_that(!strcmp(outside_status(viso_process_pid(process), "State", text, sizeof(text)), "T (stopped)"));
	/* What would end it waits until it goes on. */
	assert_ok(viso_process_signal(process, SIGTERM));
	assert_fails(viso_process_wait(process, 300, NULL), ETIMEDOUT, VISO_STAGE_PROCESS, "wait");
	assert_ok(viso_process_signal(process, SIGCONT));
	assert_ended(box_wait(process), VISO_REASON_EXITED, 55, 0);
	viso_process_unref(process);
	close(out);
}

/* Most often after the other one has begun to wait. */
static void *kill_soon(void *process)
{
	usleep(150000);
	viso_process_kill(process);
	return NULL;
}

static void test_kill_from_another_thread(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, kill_soon, process), 0);
	viso_result *result = NULL;
	assert_ok(viso_process_wait(process, -1, &result));
	pthread_join(thread, NULL);
	assert_ended(result, VISO_REASON_KILLED, -1, SIGKILL);
	viso_process_unref(process);
}

struct sandbox_signal {
	viso_sandbox *sandbox;
	int signal;
	int count;
};

static void *signal_sandbox_soon(void *argument)
{
	struct sandbox_signal *wanted = argument;
	while ((wanted->count = viso_sandbox_signal(wanted->sandbox, wanted->signal)) == 0)
		usleep(1000);
	return NULL;
}

/* A signal reaches the program of viso_sandbox_run() too, which has not told that it was started. */
static void test_signal_to_what_another_thread_runs(void **state)
{
	struct box *box = box_open(state);
	struct sandbox_signal wanted = {box->sandbox, SIGUSR1, -1};
	viso_command *command = probe("sleep", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 30000));
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, signal_sandbox_soon, &wanted), 0);
	viso_result *result = box_run(box, command);
	pthread_join(thread, NULL);
	assert_int_equal(wanted.count, 1);
	assert_ended(result, VISO_REASON_SIGNALLED, -1, SIGUSR1);
}

static void test_signal_and_kill_of_a_sandbox(void **state)
{
	struct box *box = box_open(state);
	assert_int_equal(viso_sandbox_signal(box->sandbox, SIGTERM), 0);
	assert_int_equal(viso_sandbox_kill(box->sandbox), 0);
	viso_process *processes[4];
	for (int i = 0; i < 4; i++)
		processes[i] = box_spawn(box, probe("sleep", NULL));
	assert_int_equal(viso_sandbox_signal(box->sandbox, SIGCONT), 4);
	assert_ok(viso_process_signal(processes[0], SIGTERM));
	assert_ended(box_wait(processes[0]), VISO_REASON_SIGNALLED, -1, SIGTERM);
	assert_int_equal(viso_sandbox_signal(box->sandbox, SIGTERM), 3);
	assert_ended(box_wait(processes[1]), VISO_REASON_SIGNALLED, -1, SIGTERM);
	viso_process_unref(processes[1]);
	processes[1] = box_spawn(box, probe("sleep", NULL));
	assert_ended(box_wait(processes[2]), VISO_REASON_SIGNALLED, -1, SIGTERM);
	assert_ended(box_wait(processes[3]), VISO_REASON_SIGNALLED, -1, SIGTERM);
	assert_int_equal(viso_sandbox_kill(box->sandbox), 1);
	assert_ended(box_wait(processes[1]), VISO_REASON_KILLED, -1, SIGKILL);
	for (int i = 0; i < 4; i++)
		viso_process_unref(processes[i]);
}

static void test_letting_go_of_a_running_command(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, shell("probe sleep & exec probe sleep"));
	int pid = viso_process_pid(process);
	viso_process_ref(process);
	viso_process_unref(process);
	assert_int_equal(kill(pid, 0), 0);
	viso_process_unref(process);
	assert_int_equal(kill(pid, 0), -1);
	assert_null(viso_process_unref(NULL));
	support_assert_nothing_left(support_count_fds());
}

static void test_null_handles(void **state)
{
	assert_fails(viso_process_pid(NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_process_pid");
	assert_fails(viso_process_fd(NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_process_fd");
	assert_fails(viso_process_wait(NULL, 0, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_process_wait");
	assert_fails(viso_process_kill(NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_process_kill");
	assert_fails(viso_process_signal(NULL, 9), EINVAL, VISO_STAGE_ARGUMENT, "viso_process_signal");
	assert_fails(viso_process_take_stream(NULL, VISO_STDIN), EINVAL, VISO_STAGE_ARGUMENT, "take_stream");
	assert_null(viso_process_ref(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_ALL_STRENGTHS(test_wait_with_a_deadline),
		AT_ALL_STRENGTHS(test_wait_again_gives_the_same_result),
		AT_ALL_STRENGTHS(test_poll),
		AT_EACH_STRENGTH(test_pid),
		AT_EACH_STRENGTH(test_kill),
		AT_ALL_STRENGTHS(test_kill_comes_too_late),
		AT_EACH_STRENGTH(test_signal),
		AT_EACH_STRENGTH(test_stop_and_continue),
		AT_ALL_STRENGTHS(test_kill_from_another_thread),
		AT_ALL_STRENGTHS(test_signal_to_what_another_thread_runs),
		AT_EACH_STRENGTH(test_signal_and_kill_of_a_sandbox),
		AT_EACH_STRENGTH(test_letting_go_of_a_running_command),
		cmocka_unit_test(test_null_handles),
	};
	return cmocka_run_group_tests_name("process", tests, NULL, box_group_teardown);
}
