/* SPDX-License-Identifier: MIT */
/* Limits: of resources, wall-clock time, CPU time, memory, processes. One that is hit is a result, not an error. */
#include "box.h"
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int64_t cpu_ms(const viso_result *result)
{
	return (viso_result_usage(result, VISO_USAGE_USER_US) + viso_result_usage(result, VISO_USAGE_SYSTEM_US)) / 1000;
}

static int64_t wall_ms(const viso_result *result)
{
	return viso_result_usage(result, VISO_USAGE_WALL_US) / 1000;
}

static viso_command *with_rlimit(viso_command *command, viso_rlimit resource, uint64_t value)
{
	assert_ok(viso_command_set_rlimit(command, resource, value));
	return command;
}

static void test_each_rlimit_arrives(void **state)
{
	static const struct {
		viso_rlimit resource;
		int number;
	} limits[] = {
		{VISO_RLIMIT_ADDRESS_SPACE, RLIMIT_AS},
		{VISO_RLIMIT_CORE, RLIMIT_CORE},
		{VISO_RLIMIT_CPU, RLIMIT_CPU},
		{VISO_RLIMIT_DATA, RLIMIT_DATA},
		{VISO_RLIMIT_FILE_SIZE, RLIMIT_FSIZE},
		{VISO_RLIMIT_OPEN_FILES, RLIMIT_NOFILE},
		{VISO_RLIMIT_PROCESSES, RLIMIT_NPROC},
		{VISO_RLIMIT_STACK, RLIMIT_STACK},
		{VISO_RLIMIT_LOCKED_MEMORY, RLIMIT_MEMLOCK},
	};
	struct box *box = box_open(state);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit own;
		assert_int_equal(getrlimit((__rlimit_resource_t)limits[i].number, &own), 0);
		uint64_t value = limits[i].number == RLIMIT_NOFILE || limits[i].number == RLIMIT_NPROC ? 60 : 5 << 20;
		if (value > own.rlim_max)
			value = own.rlim_max;
		char number[16], expected[64];
		snprintf(number, sizeof(number), "%d", limits[i].number);
		snprintf(expected, sizeof(expected), "%lld %lld\n", (long long)value, (long long)value);
		assert_prints(box, with_rlimit(probe("rlimit", number, NULL), limits[i].resource, value), expected);
	}
}

static void test_no_core_unless_asked_for(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, probe("rlimit", "4", NULL), "0 0\n");
}

static void raise_limit(void *argument)
{
	struct box *box = box_new(*(viso_isolation *)argument, box_tree());
	const struct rlimit low = {.rlim_cur = 400, .rlim_max = 400}, high = {.rlim_cur = 401, .rlim_max = 401};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	/* Even root may lack the capability. */
	bool may_raise = setrlimit(RLIMIT_NOFILE, &high) == 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	viso_command *command = with_rlimit(probe("rlimit", "7", NULL), VISO_RLIMIT_OPEN_FILES, 401);
	if (box->jail && may_raise)
		assert_prints(box, command, "401 401\n");
	else
		assert_start_fails(box, command, EPERM, VISO_STAGE_RLIMIT, "setrlimit");
	box_close(box);
}

static void test_rlimits_that_cannot_be_raised(void **state)
{
	struct box *box = box_open(state);
	in_a_host(raise_limit, &box->strength);
	/* More than fs.nr_open is for nobody. */
	assert_start_fails(box, with_rlimit(probe("exit", NULL), VISO_RLIMIT_OPEN_FILES, VISO_UNLIMITED), EPERM,
			   VISO_STAGE_RLIMIT, "setrlimit");
	viso_command *command = probe("exit", NULL);
	assert_fails(viso_command_set_rlimit(command, (viso_rlimit)9, 1), EINVAL, VISO_STAGE_ARGUMENT, "set_rlimit");
	viso_command_unref(command);
}

static void test_file_size(void **state)
{
	struct box *box = box_open(state);
	/* Neither pipes nor the captured output, which are not files of the program, come under it. */
	viso_command *command = with_rlimit(probe("write", "10000", NULL), VISO_RLIMIT_FILE_SIZE, 100);
	viso_result *result = box_run(box, command);
	size_t size;
	viso_result_output(result, VISO_STDOUT, &size);
	assert_int_equal(size, 10000);
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
}

static void test_rlimit_of_cpu_time(void **state)
{
	struct box *box = box_open(state);
	viso_result *result = box_run(box, with_rlimit(probe("spin", NULL), VISO_RLIMIT_CPU, 1));
	assert_true(cpu_ms(result) >= 750 && cpu_ms(result) < 3000);
	assert_int_equal(viso_result_reason(result), VISO_REASON_CPU_TIME);
	viso_result_unref(result);
}

static void test_wall_clock(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("sleep", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 250));
	viso_result *result = box_run(box, command);
	assert_true(wall_ms(result) >= 250 && wall_ms(result) < 30000);
	assert_string_equal(viso_result_describe(result), "timed out");
	assert_ended(result, VISO_REASON_TIMED_OUT, -1, SIGKILL);

	/* With all that it started, and although it stops itself. */
	command = shell("probe sleep & probe sleep & kill -STOP $$");
	assert_ok(viso_command_set_timeout_ms(command, 250));
	assert_ended(box_run(box, command), VISO_REASON_TIMED_OUT, -1, SIGKILL);

	command = probe("exit", "4", NULL);
	assert_ok(viso_command_set_timeout_ms(command, UINT64_MAX));
	assert_ended(box_run(box, command), VISO_REASON_EXITED, 4, 0);
}

static void test_wall_clock_of_a_spawned_command(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("sleep", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 250));
	viso_process *process = box_spawn(box, command);
	assert_ended(box_wait(process), VISO_REASON_TIMED_OUT, -1, SIGKILL);
	viso_process_unref(process);
}

static void test_cpu_time(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("spin", NULL);
	assert_ok(viso_command_set_cpu_time_ms(command, 300));
	viso_result *result = box_run(box, command);
	/* Who looks after it may come late. */
	assert_true(cpu_ms(result) >= 280 && cpu_ms(result) < 10000);
	assert_string_equal(viso_result_describe(result), "CPU time used up");
	assert_ended(result, VISO_REASON_CPU_TIME, -1, SIGKILL);

	/* Sleeping costs nothing. */
	command = probe("sleep", "600", NULL);
	assert_ok(viso_command_set_cpu_time_ms(command, 300));
	assert_ended(box_run(box, command), VISO_REASON_EXITED, 0, 0);
}

static void test_both_times(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("spin", NULL);
	assert_ok(viso_command_set_cpu_time_ms(command, 60000));
	assert_ok(viso_command_set_timeout_ms(command, 200));
	assert_ended(box_run(box, command), VISO_REASON_TIMED_OUT, -1, SIGKILL);
}

/* Skips where the controller is missing; returns a sandbox that has the limit. */
static struct box *open_with(void **state, int (*set)(struct box *, uint64_t), uint64_t value, const char *controller)
{
	struct box *box = box_open(state);
	assert_ok(set(box, value));
	viso_command *command = probe("exit", NULL);
	int r = viso_sandbox_run(box->sandbox, command, NULL);
	viso_command_unref(command);
	if (geteuid() != 0)
		skip_without(r != -EOPNOTSUPP, controller);
	assert_ok(r);
	return box;
}

static void test_memory(void **state)
{
	struct box *box = open_with(state, box_set_memory_max, 32 << 20, "a memory controller for the caller");
	viso_result *result = box_run(box, probe("eat", "200000000", NULL));
	assert_string_equal(viso_result_describe(result), "out of memory");
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "");
	int64_t peak = viso_result_usage(result, VISO_USAGE_MEMORY_PEAK);
	assert_true(peak > 24 << 20 && peak <= 32 << 20);
	assert_ended(result, VISO_REASON_OUT_OF_MEMORY, -1, SIGKILL);
	assert_prints(box, probe("eat", "10000000", NULL), "eaten\n");
	support_assert_nothing_left(support_count_fds());
}

static void test_memory_of_a_child(void **state)
{
	struct box *box = open_with(state, box_set_memory_max, 32 << 20, "a memory controller for the caller");
	/* The shell goes on and says by its exit code that the child was killed. */
	viso_result *result = box_run(box, shell("probe eat 200000000; exit 7"));
	assert_ended(result, VISO_REASON_OUT_OF_MEMORY, 7, 0);
}

static void test_memory_that_is_hardly_enough(void **state)
{
	struct box *box = open_with(state, box_set_memory_max, 1 << 20, "a memory controller for the caller");
	for (int i = 0; i < 3; i++) {
		viso_result *result = box_run(box, probe("eat", "20000000", NULL));
		assert_int_equal(viso_result_reason(result), VISO_REASON_OUT_OF_MEMORY);
		viso_result_unref(result);
	}
}

static void test_processes(void **state)
{
	struct box *box = open_with(state, box_set_processes_max, 5, "a pids controller for the caller");
	/* The program itself is one of the five. */
	assert_prints(box, probe("fork", "20", NULL), "4 EAGAIN\n");
	assert_prints(box, probe("fork", "4", NULL), "4 all\n");
}

static void test_one_process(void **state)
{
	struct box *box = open_with(state, box_set_processes_max, 1, "a pids controller for the caller");
	assert_prints(box, probe("fork", "1", NULL), "0 EAGAIN\n");
}

static void test_as_many_processes_as_one_can_ask_for(void **state)
{
	struct box *box = open_with(state, box_set_processes_max, INT32_MAX, "a pids controller for the caller");
	assert_prints(box, probe("fork", "10", NULL), "10 all\n");
}

static void test_limits_of_groups_are_checked(void **state)
{
	struct box *box = box_open(state);
	assert_fails(box_set_memory_max(box, 4096), EINVAL, VISO_STAGE_ARGUMENT, "set_memory_max");
	assert_fails(box_set_memory_max(box, UINT64_MAX), EINVAL, VISO_STAGE_ARGUMENT, "set_memory_max");
	assert_fails(box_set_processes_max(box, UINT64_MAX), EINVAL, VISO_STAGE_ARGUMENT, "set_processes_max");
	/* 0 is none. */
	assert_ok(box_set_memory_max(box, 0));
	assert_ok(box_set_processes_max(box, 0));
	assert_prints(box, probe("eat", "20000000", NULL), "eaten\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_ALL_STRENGTHS(test_each_rlimit_arrives),
		AT_ALL_STRENGTHS(test_no_core_unless_asked_for),
		AT_EACH_STRENGTH(test_rlimits_that_cannot_be_raised),
		AT_ALL_STRENGTHS(test_file_size),
		AT_ALL_STRENGTHS(test_rlimit_of_cpu_time),
		AT_EACH_STRENGTH(test_wall_clock),
		AT_ALL_STRENGTHS(test_wall_clock_of_a_spawned_command),
		AT_ALL_STRENGTHS(test_cpu_time),
		AT_ALL_STRENGTHS(test_both_times),
		AT_EACH_STRENGTH(test_memory),
		AT_EACH_STRENGTH(test_memory_of_a_child),
		AT_EACH_STRENGTH(test_memory_that_is_hardly_enough),
		AT_EACH_STRENGTH(test_processes),
		AT_EACH_STRENGTH(test_one_process),
		AT_EACH_STRENGTH(test_as_many_processes_as_one_can_ask_for),
		AT_EACH_STRENGTH(test_limits_of_groups_are_checked),
	};
	return cmocka_run_group_tests_name("limits", tests, NULL, box_group_teardown);
}
