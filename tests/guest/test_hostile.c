/* SPDX-License-Identifier: MIT */
/* Every system call number with wild arguments: the host neither crashes nor hangs, and leaks nothing. */
#include "guest_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

enum { CALLS = 512, TIMEOUT_MS = 150 };

static void call_wildly(struct fixture *fixture, viso_guest *guest, int number, int seed)
{
	char text[2][16];
	snprintf(text[0], sizeof(text[0]), "%d", number);
	snprintf(text[1], sizeof(text[1]), "%d", seed);
	viso_command *command = new_command("/probe", "wild-call", text[0], text[1], NULL);
	assert_ok(viso_command_set_timeout_ms(command, TIMEOUT_MS));
	assert_ok(viso_command_capture(command, 1000));
	viso_result *result = run_in(guest, command);
	int reason = viso_result_reason(result);
	if (reason == VISO_REASON_GUEST_FAULT)
		print_error("system call %d, seed %d: %s\n", number, seed, viso_result_describe(result));
	assert_int_not_equal(reason, VISO_REASON_GUEST_FAULT);
	viso_result_unref(result);
}

static void test_every_call_with_wild_arguments(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_guest *guest = new_guest(fixture, 8u << 20);
	int fds = support_count_fds();
	for (int number = 0; number < CALLS; number++)
		/* This one would only sleep. */
		if (number != SYS_pause)
			call_wildly(fixture, guest, number, 1);
	for (int seed = 2; seed < 8; seed++)
		for (int number = 0; number < 40; number++)
			if (number != SYS_pause && number != SYS_nanosleep)
				call_wildly(fixture, guest, number, seed);
	assert_int_equal(support_count_fds(), fds);
	viso_guest_unref(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_call_with_wild_arguments),
	};
	return cmocka_run_group_tests_name("guest hostile", tests, fixture_setup, fixture_teardown);
}
