/* SPDX-License-Identifier: MIT */
/* Time and memory. */
#include "guest_support.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void check_time_limit(struct fixture *fixture, viso_command *command, viso_reason reason, double least)
{
	double start = seconds();
	viso_result *result = run_in(fixture->guest, command);
	assert_true(seconds() - start >= least);
	assert_int_equal(viso_result_signal(result), SIGKILL);
	assert_reason(result, reason);
}

static void test_wall_clock_time(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	static const char *const probes[] = {"loop", "call-loop", "endless-read"};
	for (int i = 0; i < 3; i++) {
		viso_command *command = new_command("/probe", probes[i], NULL);
		assert_ok(viso_command_set_timeout_ms(command, 200));
		check_time_limit(fixture, command, VISO_REASON_TIMED_OUT, 0.2);
	}
	viso_command *command = new_command("/probe", "sleep", "60000", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 150));
	check_time_limit(fixture, command, VISO_REASON_TIMED_OUT, 0.15);
}

static void test_cpu_time(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_command *command = new_command("/probe", "loop", NULL);
	assert_ok(viso_command_set_cpu_time_ms(command, 200));
	check_time_limit(fixture, command, VISO_REASON_CPU_TIME, 0.2);
	command = new_command("/probe", "loop", NULL);
	assert_ok(viso_command_set_rlimit(command, VISO_RLIMIT_CPU, 1));
	assert_ok(viso_command_set_timeout_ms(command, 60000));
	check_time_limit(fixture, command, VISO_REASON_CPU_TIME, 1);
	/* Sleeping is not CPU time. */
	command = new_command("/probe", "sleep", "300", NULL);
	assert_ok(viso_command_set_cpu_time_ms(command, 100));
	assert_exited(run_in(fixture->guest, command), 0);
}

static void test_runaway_allocation(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	static const uint64_t sizes[] = {4u << 20, 16u << 20, 64u << 20};
	for (int i = 0; i < 3; i++) {
		viso_guest *guest = new_guest(fixture, sizes[i]);
		assert_reason(run_in(guest, new_command("/probe", "eat", NULL)), VISO_REASON_OUT_OF_MEMORY);
		viso_result *result = run_in(guest, new_command("/probe", "eat", "map", NULL));
		int64_t peak = viso_result_usage(result, VISO_USAGE_MEMORY_PEAK);
		assert_true(peak <= (int64_t)sizes[i] && peak > (int64_t)sizes[i] * 9 / 10);
		assert_reason(result, VISO_REASON_OUT_OF_MEMORY);
		viso_guest_unref(guest);
	}
	assert_reason(run(fixture, "/probe", "eat"), VISO_REASON_OUT_OF_MEMORY);
}

static void test_memory_is_given_when_touched_and_taken_back(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_guest *guest = new_guest(fixture, 32u << 20);
	assert_exited(run_in(guest, new_command("/probe", "recycle", "20", "20", NULL)), 0);
	/* 2048 pages, 8 MiB, spread over 128 MiB. */
	assert_exited(run_in(guest, new_command("/probe", "sparse", "128", NULL)), 0);
	viso_guest_unref(guest);
}

static void test_address_space_limits(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_command *command = new_command("/probe", "eat", "map", NULL);
	assert_ok(viso_command_set_rlimit(command, VISO_RLIMIT_ADDRESS_SPACE, 32u << 20));
	assert_exited(run_in(fixture->guest, command), 99);
	command = new_command("/probe", "overflow-stack", NULL);
	assert_ok(viso_command_set_rlimit(command, VISO_RLIMIT_STACK, VISO_UNLIMITED));
	viso_result *result = run_in(fixture->guest, command);
	assert_true(viso_result_reason(result) == VISO_REASON_OUT_OF_MEMORY ||
		    viso_result_reason(result) == VISO_REASON_SIGNALLED);
	viso_result_unref(result);

	char numbers[2][8];
	snprintf(numbers[0], 8, "%d", RLIMIT_STACK);
	snprintf(numbers[1], 8, "%d", RLIMIT_AS);
	command = new_command("/probe", "limits", numbers[0], numbers[1], NULL);
	assert_ok(viso_command_set_rlimit(command, VISO_RLIMIT_STACK, 1u << 20));
	assert_ok(viso_command_set_rlimit(command, VISO_RLIMIT_ADDRESS_SPACE, 1u << 30));
	assert_output(run_in(fixture->guest, command), "1048576\n1073741824\n");

	command = new_command("/probe", "exit", "0", NULL);
	assert_ok(viso_command_set_rlimit(command, VISO_RLIMIT_ADDRESS_SPACE, 8192));
	assert_fails(viso_sandbox_run(viso_guest_sandbox(fixture->guest), command, &result), ENOMEM, VISO_STAGE_GUEST,
		     "probe");
	viso_command_unref(command);
}

static void test_usage_is_counted(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_command *command = new_command("/probe", "loop", NULL);
	assert_ok(viso_command_set_cpu_time_ms(command, 300));
	viso_result *result = run_in(fixture->guest, command);
	int64_t cpu = viso_result_usage(result, VISO_USAGE_USER_US) + viso_result_usage(result, VISO_USAGE_SYSTEM_US);
	assert_true(cpu > 200000 && cpu < 2000000);
	assert_true(viso_result_usage(result, VISO_USAGE_WALL_US) >= 300000);
	assert_true(viso_result_usage(result, VISO_USAGE_MEMORY_PEAK) > 0);
	viso_result_unref(result);
}

static void test_usage_of_a_process_is_told_at_its_end(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_process *process;
	viso_result *result;
	viso_command *command = new_command("/probe", "loop", NULL);
	assert_ok(viso_sandbox_spawn(viso_guest_sandbox(fixture->guest), command, &process));
	viso_command_unref(command);
	assert_fails((int)viso_process_usage(process, VISO_USAGE_WALL_US), EOPNOTSUPP, VISO_STAGE_PROCESS,
		     "viso_process_usage");
	viso_process_kill(process);
	struct pollfd end = {.fd = viso_process_fd(process), .events = POLLIN};
	assert_int_equal(poll(&end, 1, 60000), 1);
	int64_t wall = viso_process_usage(process, VISO_USAGE_WALL_US); /* before anybody has waited for it */
	assert_true(wall > 0);
	assert_ok(viso_process_wait(process, 0, &result));
	assert_int_equal(viso_result_usage(result, VISO_USAGE_WALL_US), wall);
	assert_int_equal(viso_process_usage(process, VISO_USAGE_WALL_US), wall);
	assert_int_equal(viso_process_usage(process, VISO_USAGE_SWAP), -ENODATA);
	viso_result_unref(result);
	viso_process_unref(process);
}

/* What was asked for is told, of all commands together; a call too many ends the guest. */
static void test_system_calls_are_counted_and_limited(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_guest *guest = new_guest(fixture, 0);
	enum { PROBED = 100 };
	int numbers[PROBED];
	uint64_t counts[PROBED];
	assert_int_equal(viso_guest_syscalls(guest, 0, NULL, NULL, 0), 0);
	for (int i = 0; i < 2; i++)
		assert_exited(run_in(guest, new_command("/probe", "unknown-call", NULL)), 0);
	int found = viso_guest_syscalls(guest, 1, numbers, counts, PROBED);
	assert_in_range(found, 3, PROBED);
	bool has_mount = false;
	for (int i = 0; i < found; i++) {
		assert_true(i == 0 || numbers[i] > numbers[i - 1]);
		has_mount |= !strcmp(viso_syscall_name(numbers[i]), "mount") && counts[i] == 2;
	}
	assert_true(has_mount);
	assert_true(viso_guest_syscalls(guest, 0, numbers, NULL, 1) > 1);
	viso_guest_unref(guest);

	guest = new_guest(fixture, 0);
	assert_fails(viso_guest_set_syscalls_max(guest, 0), EINVAL, VISO_STAGE_ARGUMENT, "viso_guest_set_syscalls_max");
	assert_ok(viso_guest_set_syscalls_max(guest, 1000));
	viso_result *result = run_in(guest, new_command("/probe", "call-loop", NULL));
	assert_string_equal(viso_result_describe(result), "its system calls were used up");
	assert_reason(result, VISO_REASON_SYSCALLS_MAX);
	uint64_t total = 0;
	found = viso_guest_syscalls(guest, 0, numbers, counts, PROBED);
	for (int i = 0; i < found; i++)
		total += counts[i];
	assert_int_equal(total, 1000);
	/* Each command anew. */
	assert_exited(run_in(guest, new_command("/probe", "exit", "0", NULL)), 0);
	viso_guest_unref(guest);
}

static void test_memory_setting(void **state)
{
	viso_guest *guest = viso_guest_new();
	assert_non_null(guest);
	assert_fails(viso_guest_set_memory_max(guest, (4u << 20) - 1), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_guest_set_memory_max");
	assert_ok(viso_guest_set_memory_max(guest, 4u << 20));
	assert_fails(viso_guest_set_root(guest, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_guest_set_root");
	assert_fails(viso_guest_set_root(NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_guest_set_root");
	assert_null(viso_guest_sandbox(NULL));
	assert_null(viso_guest_unref(guest));
	assert_null(viso_guest_unref(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wall_clock_time),
		cmocka_unit_test(test_cpu_time),
		cmocka_unit_test(test_runaway_allocation),
		cmocka_unit_test(test_memory_is_given_when_touched_and_taken_back),
		cmocka_unit_test(test_address_space_limits),
		cmocka_unit_test(test_usage_is_counted),
		cmocka_unit_test(test_usage_of_a_process_is_told_at_its_end),
		cmocka_unit_test(test_system_calls_are_counted_and_limited),
		cmocka_unit_test(test_memory_setting),
	};
	return cmocka_run_group_tests_name("guest limits", tests, fixture_setup, fixture_teardown);
}
