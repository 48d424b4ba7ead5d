/* SPDX-License-Identifier: MIT */
/* Hypercalls through memory that guest and host share. */
#include "guest_support.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ADD = 1, FILL = 2, LENGTH = 3, DEFERRED = 5, QUEUED = 6 };

static int64_t defer(viso_hypercall *hypercall, void *userdata)
{
	return viso_hypercall_defer(hypercall);
}

static viso_guest *with_ring(struct fixture *fixture, unsigned poll_us)
{
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_ring(guest, poll_us));
	assert_ok(viso_guest_set_hypercall_handler(guest, ADD, answer_sum, NULL, NULL));
	assert_ok(viso_guest_set_hypercall_handler(guest, FILL, answer_by_filling, NULL, NULL));
	assert_ok(viso_guest_set_hypercall_handler(guest, LENGTH, answer_length, NULL, NULL));
	assert_ok(viso_guest_set_hypercall_handler(guest, DEFERRED, defer, NULL, NULL));
	return guest;
}

static void check(viso_guest *guest, const char *how, const char *count)
{
	viso_command *command = new_command("/asker", "ring", how, count, NULL);
	assert_ok(viso_command_set_timeout_ms(command, 30000));
	assert_output(run_in(guest, command), "");
}

/* With a poll that is over at once each message needs the doorbell; with a long one hardly any. */
static void test_messages(void **state)
{
	need_kvm();
	static const unsigned poll_us[] = {1, 20, 1000};
	for (int i = 0; i < 3; i++) {
		viso_guest *guest = with_ring(*state, poll_us[i]);
		check(guest, "many", "20000");
		viso_guest_unref(guest);
	}
}

static void test_hostile(void **state)
{
	need_kvm();
	viso_guest *guest = with_ring(*state, 100);
	check(guest, "wild", NULL);
	for (int i = 0; i < 3; i++)
		check(guest, "torn", NULL);
	viso_guest_unref(guest);
}

static void test_without(void **state)
{
	need_kvm();
	viso_guest *guest = new_guest(*state, 0);
	assert_fails(viso_guest_set_ring(guest, 100001), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_ok(viso_guest_set_ring(guest, 0));
	check(guest, "none", NULL);
	assert_fails(viso_guest_set_ring(guest, 5), EBUSY, VISO_STAGE_ARGUMENT, "");
	viso_guest_unref(guest);
}

static void *take(void *data)
{
	viso_hypercall *hypercall;
	long r = viso_guest_next_hypercall(data, 10000, &hypercall);
	if (r == 0)
		r = viso_hypercall_answer(hypercall, 8);
	viso_hypercall_unref(hypercall);
	return (void *)r;
}

static void test_queued(void **state)
{
	need_kvm();
	viso_guest *guest = with_ring(*state, 100);
	assert_ok(viso_guest_queue_hypercall(guest, QUEUED));
	pthread_t thread;
	void *result;
	assert_int_equal(pthread_create(&thread, NULL, take, guest), 0);
	check(guest, "queued", NULL);
	pthread_join(thread, &result);
	assert_null(result);
	viso_guest_unref(guest);
}

static void test_killed(void **state)
{
	need_kvm();
	int fds = support_count_fds();
	for (int i = 0; i < 20; i++) {
		viso_guest *guest = with_ring(*state, i % 2 ? 10 : 50000);
		viso_command *command = new_command("/asker", "ring", "many", "100000000", NULL);
		assert_ok(viso_command_set_timeout_ms(command, 20 + i));
		assert_reason(run_in(guest, command), VISO_REASON_TIMED_OUT);
		viso_guest_unref(guest);
	}
	assert_int_equal(support_count_fds(), fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages), cmocka_unit_test(test_hostile), cmocka_unit_test(test_without),
		cmocka_unit_test(test_queued),   cmocka_unit_test(test_killed),
	};
	return cmocka_run_group_tests_name("guest ring", tests, fixture_setup, fixture_teardown);
}
