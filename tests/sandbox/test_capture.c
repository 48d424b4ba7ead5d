/* SPDX-License-Identifier: MIT */
/* Captured output: up to its bound, with a flag where it was cut. */
#include "box.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static viso_command *writing(const char *size, size_t bound)
{
	viso_command *command = probe("write", size, NULL);
	assert_ok(viso_command_capture(command, bound));
	return command;
}

static void assert_captures(struct box *box, viso_command *command, size_t expected, int truncated)
{
	viso_result *result = box_run(box, command);
	size_t size;
	const char *output = viso_result_output(result, VISO_STDOUT, &size);
	assert_int_equal(size, expected);
	for (size_t i = 0; i < size; i++)
		if (output[i] != (char)('a' + i % (26 * 256) % 26))
			fail_msg("byte %zu is %d", i, output[i]);
	assert_int_equal(output[size], 0);
	assert_int_equal(viso_result_output_truncated(result, VISO_STDOUT), truncated);
	assert_int_equal(viso_result_output_truncated(result, VISO_STDERR), 0);
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
}

static void test_bounds(void **state)
{
	struct box *box = box_open(state);
	assert_captures(box, writing("0", 10), 0, 0);
	assert_captures(box, writing("9", 10), 9, 0);
	assert_captures(box, writing("10", 10), 10, 0);
	assert_captures(box, writing("11", 10), 10, 1);
	assert_captures(box, writing("1000000", 10), 10, 1);
	assert_captures(box, writing("65536", 65536), 65536, 0);
	assert_captures(box, writing("65537", 65536), 65536, 1);
	assert_captures(box, writing("3000000", 2000000), 2000000, 1);
	assert_captures(box, writing("3000000", 1 << 30), 3000000, 0);
}

static void test_nothing_is_kept(void **state)
{
	struct box *box = box_open(state);
	assert_captures(box, writing("0", 0), 0, 0);
	assert_captures(box, writing("100000", 0), 0, 1);
}

static void test_each_stream_has_its_bound(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = shell("probe write 5000 1; probe write 7000 2; probe write 10 1");
	assert_ok(viso_command_capture_stream(command, VISO_STDOUT, 5010));
	assert_ok(viso_command_capture_stream(command, VISO_STDERR, 100));
	viso_result *result = box_run(box, command);
	size_t out, err;
	viso_result_output(result, VISO_STDOUT, &out);
	viso_result_output(result, VISO_STDERR, &err);
	assert_int_equal(out, 5010);
	assert_int_equal(err, 100);
	assert_int_equal(viso_result_output_truncated(result, VISO_STDOUT), 0);
	assert_int_equal(viso_result_output_truncated(result, VISO_STDERR), 1);
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
}

static void test_output_of_a_killed_command_is_kept(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = shell("probe write 3000; echo written >&2; exec probe sleep");
	assert_ok(viso_command_set_stdio(command, VISO_STDERR, VISO_STDIO_PIPE));
	viso_process *process = box_spawn(box, command);
	char line[16];
	int err = viso_process_take_stream(process, VISO_STDERR);
	assert_int_equal(read(err, line, sizeof(line)), 8);
	close(err);
	assert_ok(viso_process_kill(process));
	viso_result *result = box_wait(process);
	viso_process_unref(process);
	size_t size;
	viso_result_output(result, VISO_STDOUT, &size);
	assert_int_equal(size, 3000);
	assert_ended(result, VISO_REASON_KILLED, -1, 9);
}

static void test_output_of_the_background_does_not_hold_the_result(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, probe("background", "3", NULL), "left\n");
}

static void test_endless_output_until_the_time_limit(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("write", "1000000000000", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 300));
	viso_result *result = box_run(box, command);
	assert_int_equal(viso_result_output_truncated(result, VISO_STDOUT), 1);
	assert_ended(result, VISO_REASON_TIMED_OUT, -1, 9);
}

static void test_result_arguments(void **state)
{
	struct box *box = box_open(state);
	viso_result *result = box_run(box, probe("print", NULL));
	size_t size = 77;
	assert_null(viso_result_output(result, VISO_STDIN, &size));
	assert_int_equal(viso_error_number(), EINVAL);
	assert_null(viso_result_output(NULL, VISO_STDOUT, &size));
	assert_fails(viso_result_output_truncated(result, VISO_STDIN), EINVAL, VISO_STAGE_ARGUMENT, "truncated");
	assert_fails((int)viso_result_usage(result, (viso_usage)(VISO_USAGE_INTERRUPTS + 1)), EINVAL,
		     VISO_STAGE_ARGUMENT, "viso_result_usage");
	assert_fails(viso_result_reason(NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_result_reason");
	assert_int_equal(viso_result_exit_code(NULL), -1);
	assert_int_equal(viso_result_signal(NULL), 0);
	assert_string_equal(viso_result_describe(NULL), "");
	viso_result_unref(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_ALL_STRENGTHS(test_bounds),
		AT_ALL_STRENGTHS(test_nothing_is_kept),
		AT_EACH_STRENGTH(test_each_stream_has_its_bound),
		AT_EACH_STRENGTH(test_output_of_a_killed_command_is_kept),
		AT_EACH_STRENGTH(test_output_of_the_background_does_not_hold_the_result),
		AT_ALL_STRENGTHS(test_endless_output_until_the_time_limit),
		AT_ALL_STRENGTHS(test_result_arguments),
	};
	return cmocka_run_group_tests_name("capture", tests, NULL, box_group_teardown);
}
