/* SPDX-License-Identifier: MIT */
/* viso_result: what the backends put in is what the host reads, in numbers and in words. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <virtiso.h>

#include "sandbox/result.h"

static viso_result *result;

static int set_up(void **state)
{
	result = result_new();
	return result ? 0 : -1;
}

static int tear_down(void **state)
{
	result = viso_result_unref(result);
	return 0;
}

static void test_a_new_result_says_nothing(void **state)
{
	assert_int_equal(viso_result_reason(result), VISO_REASON_EXITED);
	assert_int_equal(viso_result_exit_code(result), -1);
	assert_int_equal(viso_result_signal(result), 0);
	assert_string_equal(viso_result_describe(result), "");
	for (int i = 0; i < RESULT_USAGE_COUNT; i++)
		assert_fails((int)viso_result_usage(result, (viso_usage)i), ENODATA, VISO_STAGE_PROCESS,
			     "viso_result_usage");
}

static void test_every_reason_has_words(void **state)
{
	static const struct {
		viso_reason reason;
		int exit_code;
		int signal;
		const char *words;
	} ends[] = {
		{VISO_REASON_EXITED, 0, 0, "exited with code 0"},
		{VISO_REASON_EXITED, 255, 0, "exited with code 255"},
		{VISO_REASON_SIGNALLED, -1, SIGSEGV, "killed by signal 11 (Segmentation fault)"},
		{VISO_REASON_SIGNALLED, -1, 40, "killed by signal 40 (unknown)"},
		{VISO_REASON_TIMED_OUT, -1, SIGKILL, "timed out"},
		{VISO_REASON_CPU_TIME, -1, SIGKILL, "CPU time used up"},
		{VISO_REASON_OUT_OF_MEMORY, -1, SIGKILL, "out of memory"},
		{VISO_REASON_KILLED, -1, SIGKILL, "killed by the host program"},
		{VISO_REASON_SECCOMP, -1, SIGSYS, "killed for a forbidden system call"},
		{VISO_REASON_GUEST_FAULT, -1, 0, "the virtual machine failed"},
	};
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		result->reason = ends[i].reason;
		result->exit_code = ends[i].exit_code;
		result->signal = ends[i].signal;
		result_describe(result, NULL);
		assert_string_equal(viso_result_describe(result), ends[i].words);
		assert_int_equal(viso_result_reason(result), ends[i].reason);
		assert_int_equal(viso_result_exit_code(result), ends[i].exit_code);
		assert_int_equal(viso_result_signal(result), ends[i].signal);
	}
}

static void test_details_are_added_and_cut(void **state)
{
	char detail[1000];
	result->reason = VISO_REASON_GUEST_FAULT;
	result_describe(result, "page fault at 0x10");
	assert_string_equal(viso_result_describe(result), "the virtual machine failed (page fault at 0x10)");
	memset(detail, 'x', sizeof(detail) - 1);
	detail[sizeof(detail) - 1] = '\0';
	result_describe(result, detail);
	assert_int_equal(strlen(viso_result_describe(result)), RESULT_DESCRIPTION_MAX - 1);
}

static void test_usage(void **state)
{
	for (int i = 0; i < RESULT_USAGE_COUNT; i++)
		result->usage[i] = i ? (INT64_C(1) << 40) + i : 0;
	for (int i = 0; i < RESULT_USAGE_COUNT; i++)
		assert_true(viso_result_usage(result, (viso_usage)i) == (i ? (INT64_C(1) << 40) + i : 0));
	assert_int_equal(VISO_USAGE_INTERRUPTS, RESULT_USAGE_COUNT - 1);
	assert_fails((int)viso_result_usage(result, (viso_usage)RESULT_USAGE_COUNT), EINVAL, VISO_STAGE_ARGUMENT,
		     "usage");
	assert_fails((int)viso_result_usage(result, (viso_usage)-1), EINVAL, VISO_STAGE_ARGUMENT, "viso_result_usage");
	assert_fails((int)viso_result_usage(NULL, VISO_USAGE_WALL_US), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_result_usage");
}

static void test_output(void **state)
{
	static const char bytes[] = "one\0two";
	size_t size = 99;
	result->output[0] =
		(struct captured_output){.data = malloc(sizeof(bytes)), .size = sizeof(bytes) - 1, .truncated = true};
	assert_non_null(result->output[0].data);
	memcpy(result->output[0].data, bytes, sizeof(bytes));

	assert_memory_equal(viso_result_output(result, VISO_STDOUT, &size), bytes, sizeof(bytes));
	assert_int_equal(size, 7);
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "one");
	assert_int_equal(viso_result_output_truncated(result, VISO_STDOUT), 1);
	/* Not captured. */
	assert_string_equal(viso_result_output(result, VISO_STDERR, &size), "");
	assert_int_equal(size, 0);
	assert_int_equal(viso_result_output_truncated(result, VISO_STDERR), 0);
}

static void test_output_refuses_what_is_none(void **state)
{
	static const int streams[] = {VISO_STDIN, 3, -1};
	size_t size = 99;
	for (int i = 0; i < 3; i++) {
		viso_error_clear();
		assert_null(viso_result_output(result, (viso_stream)streams[i], &size));
		assert_int_equal(viso_error_number(), EINVAL);
		assert_fails(viso_result_output_truncated(result, (viso_stream)streams[i]), EINVAL, VISO_STAGE_ARGUMENT,
			     "truncated");
	}
	assert_int_equal(size, 99);
}

static void test_references(void **state)
{
	result->output[1].data = strdup("freed with the last reference, or the leak checker says so");
	assert_ptr_equal(viso_result_ref(result), result);
	assert_null(viso_result_unref(result));
	assert_int_equal(viso_result_exit_code(result), -1);
}

/* A result holds nothing of the kernel: a forked child may read what it inherited. */
static void test_a_forked_child_reads_on(void **state)
{
	result->exit_code = 7;
	pid_t pid = fork();
	if (pid == 0)
		_exit(viso_result_exit_code(result) != 7 || viso_result_unref(result));
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define with_result(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_result(test_a_new_result_says_nothing),
		with_result(test_every_reason_has_words),
		with_result(test_details_are_added_and_cut),
		with_result(test_usage),
		with_result(test_output),
		with_result(test_output_refuses_what_is_none),
		with_result(test_references),
		with_result(test_a_forked_child_reads_on),
	};
	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
