/* SPDX-License-Identifier: MIT */
/* Every system call number with wild arguments: the host neither crashes nor hangs, and leaks nothing. */
#include "guest_support.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

enum { CALLS = 512, TIMEOUT_MS = 150, EDGES_TIMEOUT_MS = 10000 };

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

struct edges {
	uint64_t number; /* of the call that the program is at */
	int count;
};

/* Not the calls without arguments that wait for a signal which could be blocked, or share the stack with a child. */
static int64_t note_call(viso_hypercall *hypercall, void *userdata)
{
	struct edges *at = userdata;
	assert_ok(viso_hypercall_argument(hypercall, 0, &at->number));
	bool is_left_out = at->number == SYS_pause || at->number == SYS_rt_sigreturn ||
			   at->number == SYS_rt_sigsuspend || at->number == SYS_vfork;
	at->count += !is_left_out;
	return !is_left_out;
}

/* A call may end the program: another one goes on with the next call then. */
static void test_every_call_at_the_edges(void **state)
{
	struct fixture *fixture = *state;
	struct edges at = {0};
	bool is_done = false;
	need_kvm();
	viso_guest *guest = new_guest(fixture, 16u << 20);
	assert_ok(viso_guest_set_hypercall_handler(guest, 0, note_call, &at, NULL));
	int fds = support_count_fds();
	for (uint64_t first = 0; first < CALLS && !is_done; first = at.number + 1) {
		char text[16];
		snprintf(text, sizeof(text), "%d", (int)first);
		viso_command *command = new_command("/probe", "edge-calls", text, NULL);
		assert_ok(viso_command_set_timeout_ms(command, EDGES_TIMEOUT_MS));
		viso_result *result = run_in(guest, command);
		int reason = viso_result_reason(result);
		is_done = reason == VISO_REASON_EXITED && at.number == CALLS - 1;
		if (!is_done)
			print_message("# system call %d: %s\n", (int)at.number, viso_result_describe(result));
		assert_true(at.number >= first);
		assert_int_not_equal(reason, VISO_REASON_GUEST_FAULT);
		viso_result_unref(result);
	}
	assert_int_equal(at.number, CALLS - 1);
	assert_true(at.count >= CALLS - 4);
	assert_int_equal(support_count_fds(), fds);
	viso_guest_unref(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_call_at_the_edges),
		cmocka_unit_test(test_every_call_with_wild_arguments),
	};
	return cmocka_run_group_tests_name("guest hostile", tests, fixture_setup, fixture_teardown);
}
