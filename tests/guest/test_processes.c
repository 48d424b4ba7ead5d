/* SPDX-License-Identifier: MIT */
/* Programs in guests have children, wait for them, and execute other programs. */
#include "guest_support.h"

#include <unistd.h>

static void test_children(void **state)
{
	static const char *const probes[] = {"fork", "child-signals", "orphans", "exec", "vfork"};
	struct fixture *fixture = *state;
	need_kvm();
	assert_probes_pass(fixture, probes, sizeof(probes) / sizeof(probes[0]));
}

static void test_a_word_of_two_processes(void **state)
{
	need_kvm();
	assert_output(run((struct fixture *)*state, "/probe", "shared-word"), "1 0\n");
}

static void test_everything_ends_with_the_first_program(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	assert_exited(run(fixture, "/probe", "leave-children"), 12);
	viso_result_unref(run(fixture, "/probe", "vfork-damage"));
}

static void test_the_limit_of_processes(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_processes_max(guest, 20));
	assert_output(run_in(guest, new_command("/probe-pie", "count-children", NULL)),
		      "20 Resource temporarily unavailable\n");
	viso_command *command = new_command("/probe", "fork-bomb", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 1000));
	assert_reason(run_in(guest, command), VISO_REASON_TIMED_OUT);
	/* The same guest goes on to be of use. */
	assert_exited(run_in(guest, new_command("/probe", "exit", "4", NULL)), 4);
	viso_guest_unref(guest);
}

/* A page table that one process has given back serves another one many times over. */
static void test_shells(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	skip_without(access("/bin/busybox", X_OK) == 0, "busybox (Debian package busybox-static)");
	assert_output(run(fixture, "busybox", "sh", "-c",
			  "b=/bin/busybox; $b seq 1 50 | $b sort -r | $b wc -l; (exit 3); echo $?; x=$($b echo hi); "
			  "echo $x; $b sleep 0.01 & wait; i=0; while test $i -lt 30; do $b true || echo no; "
			  "i=$((i+1)); done; $b false; echo $?"),
		      "50\n3\nhi\n1\n");
}

static void test_stopped_children(void **state)
{
	static const char *const probes[] = {"stop-and-go-on", "stop-in-a-call", "stop-and-kill", "stop-by-terminal",
					     "stop-orphan"};
	need_kvm();
	assert_probes_pass(*state, probes, sizeof(probes) / sizeof(probes[0]));
}

static void test_what_is_expected_beside(void **state)
{
	static const char *const probes[] = {"use-signalfd", "use-pidfd", "wipe-on-fork", "wait-for-locks",
					     "rename-under"};
	need_kvm();
	assert_probes_pass(*state, probes, sizeof(probes) / sizeof(probes[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_children),
		cmocka_unit_test(test_a_word_of_two_processes),
		cmocka_unit_test(test_everything_ends_with_the_first_program),
		cmocka_unit_test(test_the_limit_of_processes),
		cmocka_unit_test(test_shells),
		cmocka_unit_test(test_stopped_children),
		cmocka_unit_test(test_what_is_expected_beside),
	};
	return cmocka_run_group_tests_name("guest processes", tests, fixture_setup, fixture_teardown);
}
