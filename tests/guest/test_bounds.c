/* SPDX-License-Identifier: MIT */
/* What a program can have the library keep and do for it is bounded, and every wait of its can be ended. */
#include "guest_support.h"

#include <string.h>
#include <sys/resource.h>

/* The most memory that this process has had, in bytes. */
static long peak(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss * 1024;
}

enum { MEBIBYTE = 1 << 20, ALLOWED = 150 * MEBIBYTE };

static void test_messages_that_do_not_fit(void **state)
{
	static const char *const types[] = {"datagrams", "packets"};
	need_kvm();
	struct fixture *fixture = *state;
	for (int i = 0; i < 2; i++) {
		viso_command *command = new_command("/probe", "fill-pair", types[i], NULL);
		assert_ok(viso_command_set_timeout_ms(command, 300));
		assert_reason(run_in(fixture->guest, command), VISO_REASON_TIMED_OUT);
		assert_output(run(fixture, "/probe", "fill-pair", types[i], "read"), "done\n");
	}
}

static void test_epolls_in_epolls(void **state)
{
	need_kvm();
	long before = peak();
	assert_output(run((struct fixture *)*state, "/probe", "nest-epolls"), "0 1000\n");
	assert_true(peak() - before < ALLOWED);
}

static void test_rights_of_no_file(void **state)
{
	need_kvm();
	long before = peak();
	assert_output(run((struct fixture *)*state, "/probe", "send-no-rights"), "done\n");
	assert_true(peak() - before < ALLOWED);
}

static void test_rights_without_data(void **state)
{
	need_kvm();
	int fds = support_count_fds();
	assert_output(run((struct fixture *)*state, "/probe", "send-rights-alone"), "done\n");
	assert_int_equal(support_count_fds(), fds);
}

/* In each of 100 processes as many areas as there may be: what is kept of them is part of the guest's memory. */
static void test_mappings(void **state)
{
	static const char *const kinds[] = {"private", "shared"};
	need_kvm();
	for (int i = 0; i < 2; i++) {
		viso_guest *guest = new_guest(*state, 128 * MEBIBYTE);
		long before = peak();
		assert_output(run_in(guest, new_command("/probe", "map-all", kinds[i], "4096", "100", NULL)), "done\n");
		assert_true(peak() - before < ALLOWED);
		viso_guest_unref(guest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_that_do_not_fit),
		cmocka_unit_test(test_epolls_in_epolls),
		cmocka_unit_test(test_rights_of_no_file),
		cmocka_unit_test(test_rights_without_data),
		cmocka_unit_test(test_mappings),
	};
	return cmocka_run_group_tests_name("guest bounds", tests, fixture_setup, fixture_teardown);
}
