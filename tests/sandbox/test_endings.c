/* SPDX-License-Identifier: MIT */
/* How a command ended: exit codes, signals, reasons, words, figures. */
#include "box.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void test_exit_codes(void **state)
{
	struct box *box = box_open(state);
	assert_ended(box_run(box, probe("exit", "0", NULL)), VISO_REASON_EXITED, 0, 0);
	assert_ended(box_run(box, probe("exit", "1", NULL)), VISO_REASON_EXITED, 1, 0);
	assert_ended(box_run(box, probe("exit", "127", NULL)), VISO_REASON_EXITED, 127, 0);
	viso_result *result = box_run(box, probe("exit", "255", NULL));
	assert_string_equal(viso_result_describe(result), "exited with code 255");
	assert_ended(result, VISO_REASON_EXITED, 255, 0);
	assert_int_equal(viso_sandbox_run(box->sandbox, NULL, NULL), -EINVAL);
}

static void test_signals(void **state)
{
	static const int signals[] = {SIGHUP, SIGABRT, SIGSEGV, SIGKILL, SIGTERM, SIGUSR1, SIGPIPE, SIGXFSZ, 40};
	struct box *box = box_open(state);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		char number[8];
		snprintf(number, sizeof(number), "%d", signals[i]);
		assert_ended(box_run(box, probe("raise", number, NULL)), VISO_REASON_SIGNALLED, -1, signals[i]);
	}
	viso_result *result = box_run(box, probe("raise", "11", NULL));
	assert_string_equal(viso_result_describe(result), "killed by signal 11 (Segmentation fault)");
	viso_result_unref(result);
}

static void test_forbidden_system_call_kills(void **state)
{
	struct box *box = box_open(state);
	/* What seccomp kills by is SIGSYS. */
	assert_ended(box_run(box, probe("raise", "31", NULL)), VISO_REASON_SECCOMP, -1, SIGSYS);
}

static void test_background_children_end_with_the_command(void **state)
{
	struct box *box = box_open(state);
	for (int i = 0; i < 3; i++) {
		assert_prints(box, probe("background", "5", NULL), "left\n");
		assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 0);
	}
}

static void test_run_away_children_end_with_the_command(void **state)
{
	struct box *box = box_open(state);
	struct timespec begin, end;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	viso_result *result = box_run(box, probe("run-away", "8", "40", NULL));
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - begin.tv_sec < 35); /* they would end by themselves after forty seconds */
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
}

static void test_figures_are_plausible(void **state)
{
	struct box *box = box_open(state);
	viso_result *result = box_run(box, probe("work", "150", NULL));
	int64_t wall = viso_result_usage(result, VISO_USAGE_WALL_US);
	int64_t user = viso_result_usage(result, VISO_USAGE_USER_US);
	int64_t system = viso_result_usage(result, VISO_USAGE_SYSTEM_US);
	int64_t memory = viso_result_usage(result, VISO_USAGE_MEMORY_PEAK);
	assert_true(user + system >= 140000 && user + system < 1000000);
	assert_true(wall >= 140000 && wall < 20000000);
	assert_true(memory >= 1 << 20 && memory < 64 << 20);
	assert_true(viso_result_usage(result, VISO_USAGE_MINOR_FAULTS) > 256);
	for (int i = 0; i <= VISO_USAGE_INVOLUNTARY_SWITCHES; i++)
		assert_true(viso_result_usage(result, (viso_usage)i) >= 0);
	assert_ended(result, VISO_REASON_EXITED, 0, 0);

	result = box_run(box, probe("sleep", "200", NULL));
	wall = viso_result_usage(result, VISO_USAGE_WALL_US);
	assert_true(wall >= 200000 && wall < 20000000);
	assert_true(viso_result_usage(result, VISO_USAGE_USER_US) < 100000);
	assert_true(viso_result_usage(result, VISO_USAGE_VOLUNTARY_SWITCHES) >= 1);
	viso_result_unref(result);
}

static void test_figures_include_children(void **state)
{
	struct box *box = box_open(state);
	viso_result *result = box_run(box, shell("probe work 100; probe eat 20000000; probe work 100"));
	int64_t cpu = viso_result_usage(result, VISO_USAGE_USER_US) + viso_result_usage(result, VISO_USAGE_SYSTEM_US);
	assert_true(cpu >= 180000);
	assert_true(viso_result_usage(result, VISO_USAGE_MEMORY_PEAK) >= 19000000); /* the kernel counts in batches */
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
}

static void test_a_result_outlives_everything(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("print", NULL));
	viso_result *result = box_wait(process);
	viso_process_unref(process);
	assert_ok(viso_sandbox_close(box->sandbox));
	box_teardown(state);
	assert_string_equal(viso_result_output(result, VISO_STDERR, NULL), "err\n");
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_ALL_STRENGTHS(test_exit_codes),
		AT_ALL_STRENGTHS(test_signals),
		AT_EACH_STRENGTH(test_forbidden_system_call_kills),
		AT_EACH_STRENGTH(test_background_children_end_with_the_command),
		AT_EACH_STRENGTH(test_run_away_children_end_with_the_command),
		AT_EACH_STRENGTH(test_figures_are_plausible),
		AT_EACH_STRENGTH(test_figures_include_children),
		AT_ALL_STRENGTHS(test_a_result_outlives_everything),
	};
	return cmocka_run_group_tests_name("endings", tests, NULL, box_group_teardown);
}
