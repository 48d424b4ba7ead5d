/* SPDX-License-Identifier: MIT */
/* Threads in guests share one processor: they take turns, wait for each other, and end alone or all together. */
#include "guest_support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check_all(struct fixture *fixture, const char *const *probes, size_t count)
{
	need_kvm();
	for (size_t i = 0; i < count; i++) {
		print_message("# %s\n", probes[i]);
		assert_exited(run(fixture, "/probe", probes[i]), 0);
		assert_exited(run(fixture, "/probe-pie", probes[i]), 0);
	}
}
#define CHECK_ALL(...)                                                                                                 \
	do {                                                                                                           \
		static const char *const probes[] = {__VA_ARGS__};                                                     \
		check_all(*state, probes, sizeof(probes) / sizeof(probes[0]));                                         \
	} while (0)

static void test_threads_share_memory_and_wait(void **state)
{
	CHECK_ALL("mutex", "condition", "many-threads", "robust", "futex", "scheduling");
}

static void test_threads_take_turns(void **state)
{
	CHECK_ALL("preempt", "registers", "pipe-between-threads", "waits-beside-loop");
}

static void test_ends_of_threads(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	assert_exited(run(fixture, "/probe", "exit-in-thread"), 21);
	assert_exited(run(fixture, "/probe-pie", "exit-in-thread"), 21);
	assert_output(run(fixture, "/probe", "first-thread-ends"), "last\n");
	assert_output(run(fixture, "/probe-pie", "first-thread-ends"), "last\n");
	assert_signalled(run(fixture, "/probe", "crash-in-thread"), SIGSEGV);
}

static viso_command *limited(const char *probe, unsigned wall_ms, unsigned cpu_ms)
{
	viso_command *command = new_command("/probe", probe, NULL);
	assert_ok(viso_command_set_timeout_ms(command, wall_ms));
	if (cpu_ms)
		assert_ok(viso_command_set_cpu_time_ms(command, cpu_ms));
	return command;
}

static void test_time_is_limited(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	assert_reason(run_in(fixture->guest, limited("deadlock", 200, 0)), VISO_REASON_TIMED_OUT);
	assert_reason(run_in(fixture->guest, limited("loops-in-threads", 200, 0)), VISO_REASON_TIMED_OUT);
	assert_reason(run_in(fixture->guest, limited("loops-in-threads", 10000, 100)), VISO_REASON_CPU_TIME);

	static const char *const probes[] = {"deadlock", "loops-in-threads"};
	for (int i = 0; i < 2; i++) {
		viso_process *process;
		viso_result *result;
		viso_command *command = new_command("/probe", probes[i], NULL);
		assert_ok(viso_sandbox_spawn(viso_guest_sandbox(fixture->guest), command, &process));
		usleep(100000);
		assert_ok(viso_process_kill(process));
		assert_ok(viso_process_wait(process, -1, &result));
		assert_reason(result, VISO_REASON_KILLED);
		viso_process_unref(process);
		viso_command_unref(command);
	}
}

static void test_the_limit_of_threads(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	assert_output(run(fixture, "/probe-pie", "thread-bomb"), "256 Resource temporarily unavailable\n");
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_processes_max(guest, 7));
	assert_output(run_in(guest, new_command("/probe-pie", "thread-bomb", NULL)),
		      "7 Resource temporarily unavailable\n");
	assert_fails(viso_guest_set_processes_max(guest, 8), EBUSY, VISO_STAGE_ARGUMENT, "");
	viso_guest_unref(guest);

	viso_guest *fresh = new_guest(fixture, 0);
	assert_fails(viso_guest_set_processes_max(fresh, 0), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_set_processes_max(fresh, 4097), EINVAL, VISO_STAGE_ARGUMENT, "");
	viso_guest_unref(fresh);
}

static void test_hostile_threads(void **state)
{
	struct fixture *fixture = *state;
	CHECK_ALL("wild-futexes", "wild-clones", "wild-robust-lists");
	assert_signalled(run(fixture, "/probe", "clone-to-nowhere"), SIGSEGV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_share_memory_and_wait),
		cmocka_unit_test(test_threads_take_turns),
		cmocka_unit_test(test_ends_of_threads),
		cmocka_unit_test(test_time_is_limited),
		cmocka_unit_test(test_the_limit_of_threads),
		cmocka_unit_test(test_hostile_threads),
	};
	return cmocka_run_group_tests_name("guest threads", tests, fixture_setup, fixture_teardown);
}
