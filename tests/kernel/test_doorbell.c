/* SPDX-License-Identifier: MIT */
/*
 * A system without an operating system of ours (examples/guest/bell.c) and the host program call each other. With the
 * argument "contained" its computer runs in a container.
 */
#include "kernel_support.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

enum { PRICE = 1, PATIENCE_MS = 60000 };

static bool is_contained;

static void place(viso_guest *guest)
{
	if (is_contained)
		assert_ok(viso_guest_set_placement(guest, VISO_PLACEMENT_CONTAINED));
}

static struct kernel_fixture *set_system(void **state)
{
	struct kernel_fixture *fixture = *state;
	need_kvm();
	place(fixture->guest);
	assert_ok(viso_guest_set_kernel(fixture->guest, BELL));
	return fixture;
}

static void read_thing(viso_hypercall *hypercall, char *out, size_t size)
{
	uint64_t address, length;
	assert_ok(viso_hypercall_argument(hypercall, 0, &address));
	assert_ok(viso_hypercall_argument(hypercall, 1, &length));
	assert_true(length < size);
	memset(out, 0, size);
	assert_ok(viso_hypercall_read(hypercall, address, out, (size_t)length));
}

static int64_t price_of(viso_hypercall *hypercall)
{
	char thing[16];
	read_thing(hypercall, thing, sizeof(thing));
	return strcmp(thing, "apples") == 0 ? 3 : -ENOENT;
}

static int64_t tell_price(viso_hypercall *hypercall, void *data)
{
	viso_guest *guest = data;
	assert_fails(viso_guest_request(guest, "off", 3, NULL, 0, PATIENCE_MS), EBUSY, VISO_STAGE_GUEST, "");
	assert_fails(viso_sandbox_close(viso_guest_sandbox(guest)), EDEADLK, VISO_STAGE_ARGUMENT, "");
	return price_of(hypercall);
}

static void switch_off(viso_guest *guest)
{
	char answer[8];
	assert_int_equal(viso_guest_request(guest, "off", 3, answer, sizeof(answer), PATIENCE_MS), 3);
	assert_memory_equal(answer, "bye", 3);
}

static void test_both_call(void **state)
{
	struct kernel_fixture *fixture = set_system(state);
	viso_guest *guest = fixture->guest;
	const uint64_t numbers[3] = {UINT64_MAX, 3};
	uint64_t sum = 0;
	char answer[16];
	assert_ok(viso_guest_set_hypercall_handler(guest, PRICE, tell_price, guest, NULL));
	viso_process *process = kernel_boot(fixture, NULL);
	assert_ok(viso_guest_call(guest, "add", numbers, 2, PATIENCE_MS, &sum));
	assert_int_equal(sum, 2);
	assert_int_equal(viso_guest_call_bytes(guest, "upper", "loud", 4, answer, sizeof(answer), -1), 4);
	assert_memory_equal(answer, "LOUD", 4);
	assert_fails(viso_guest_call(guest, "other", NULL, 0, PATIENCE_MS, NULL), ENOENT, VISO_STAGE_GUEST, "other");
	assert_fails(viso_guest_request(guest, "what", 4, NULL, 0, PATIENCE_MS), EREMOTEIO, VISO_STAGE_GUEST, "");
	/* One that was long done before is no obstacle. */
	for (int i = 0; i < 50; i++)
		assert_ok(viso_guest_call(guest, "add", numbers, 1, PATIENCE_MS, NULL));
	switch_off(guest);
	assert_switched_off(kernel_wait(process), "apples: 3\ngold: errno 2\n");
	assert_fails(viso_guest_call(guest, "add", NULL, 0, -1, NULL), ESRCH, VISO_STAGE_GUEST, "");
}

/* Without interrupts and exits as long as both are at it. */
static void test_calls_by_looking(void **state)
{
	struct kernel_fixture *fixture = set_system(state);
	assert_ok(viso_guest_set_ring(fixture->guest, 20000));
	viso_process *process = kernel_boot(fixture, NULL);
	for (uint64_t i = 0; i < 100; i++) {
		const uint64_t numbers[2] = {i, 3};
		uint64_t sum = 0;
		assert_ok(viso_guest_call(fixture->guest, "add", numbers, 2, PATIENCE_MS, &sum));
		assert_int_equal(sum, i + 3);
	}
	switch_off(fixture->guest);
	assert_switched_off(kernel_wait(process), "apples: errno 38\ngold: errno 38\n");
}

static void test_bad_arguments(void **state)
{
	struct kernel_fixture *fixture = set_system(state);
	viso_guest *guest = fixture->guest;
	static char large[16 << 10], name[200];
	memset(name, 'n', sizeof(name) - 1);
	assert_fails(viso_guest_request(guest, "", 0, NULL, 0, 1), ESRCH, VISO_STAGE_GUEST, "");
	assert_int_equal(viso_guest_cancel(guest), 0);
	viso_process *process = kernel_boot(fixture, NULL);
	assert_fails(viso_guest_request(guest, large, sizeof(large), NULL, 0, 1), EMSGSIZE, VISO_STAGE_GUEST, "");
	assert_fails(viso_guest_call(guest, name, NULL, 0, 1, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_call(guest, NULL, NULL, 0, 1, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_request(guest, "", 0, NULL, 0, -2), EINVAL, VISO_STAGE_ARGUMENT, "");
	switch_off(guest);
	/* Where nobody has a handler. */
	assert_switched_off(kernel_wait(process), "apples: errno 38\ngold: errno 38\n");
}

static void test_a_pc_knows_nothing(void **state)
{
	struct kernel_fixture *fixture = *state;
	need_kvm();
	set_code(fixture, FOR_EVER);
	assert_ok(viso_guest_set_platform(fixture->guest, VISO_PLATFORM_PC));
	viso_process *process = kernel_boot(fixture, NULL);
	assert_fails(viso_guest_request(fixture->guest, "", 0, NULL, 0, 1), EOPNOTSUPP, VISO_STAGE_GUEST, "");
	assert_int_equal(viso_guest_cancel(fixture->guest), 0);
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
}

static void *ask(void *data)
{
	return (void *)(intptr_t)viso_guest_request(data, "", 0, NULL, 0, -1);
}

static void test_nobody_answers(void **state)
{
	struct kernel_fixture *fixture = *state;
	void *result = NULL;
	pthread_t thread;
	need_kvm();
	place(fixture->guest);
	set_code(fixture, FOR_EVER);
	viso_process *process = kernel_boot(fixture, NULL);
	assert_fails(viso_guest_request(fixture->guest, "", 0, NULL, 0, 1), ETIMEDOUT, VISO_STAGE_GUEST, "");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&thread, NULL, ask, fixture->guest), 0);
		/* The end finds it in any state; to be cancelled it must have begun. */
		while (i == 0 && viso_guest_cancel(fixture->guest) == 0)
			sched_yield();
		if (i == 1)
			assert_ok(viso_process_kill(process));
		pthread_join(thread, &result);
		assert_int_equal((intptr_t)result, i == 0 ? -ECANCELED : -ESRCH);
	}
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
}

static struct {
	viso_hypercall *kept;
	sem_t in_handler, may_go_on, is_released;
	_Atomic int64_t seen; /* by any of them */
} all;

static int64_t put_off(viso_hypercall *hypercall, void *data)
{
	all.kept = viso_hypercall_ref(hypercall);
	assert_ok(viso_hypercall_defer(hypercall));
	sem_post(&all.in_handler);
	return 0;
}

/* Once it has its answer, the guest may make the next call at once. */
static void answer_kept(int64_t value)
{
	viso_hypercall *kept = all.kept;
	assert_ok(value < 0 ? viso_hypercall_refuse(kept, (int)-value) : viso_hypercall_answer(kept, value));
	viso_hypercall_unref(kept);
}

/* Asleep meanwhile, the guest is woken by the interrupt. */
static void test_answers_come_later(void **state)
{
	struct kernel_fixture *fixture = set_system(state);
	assert_ok(viso_guest_set_hypercall_handler(fixture->guest, PRICE, put_off, NULL, NULL));
	sem_init(&all.in_handler, 0, 0);
	viso_process *process = kernel_boot(fixture, NULL);
	for (int i = 0; i < 2; i++) {
		sem_wait(&all.in_handler);
		assert_int_equal(price_of(all.kept), i ? -ENOENT : 3);
		answer_kept(i ? -7 : 70);
	}
	switch_off(fixture->guest);
	assert_switched_off(kernel_wait(process), "apples: 70\ngold: errno 7\n");
}

static void test_calls_are_queued(void **state)
{
	struct kernel_fixture *fixture = set_system(state);
	viso_hypercall *hypercall;
	assert_ok(viso_guest_queue_hypercall(fixture->guest, PRICE));
	viso_process *process = kernel_boot(fixture, NULL);
	for (int i = 0; i < 2; i++) {
		assert_ok(viso_guest_next_hypercall(fixture->guest, PATIENCE_MS, &hypercall));
		assert_ok(viso_hypercall_answer(hypercall, 10 + i));
		viso_hypercall_unref(hypercall);
	}
	switch_off(fixture->guest);
	assert_switched_off(kernel_wait(process), "apples: 10\ngold: 11\n");
}

static int64_t wait_in_handler(viso_hypercall *hypercall, void *data)
{
	char byte;
	sem_post(&all.in_handler);
	sem_wait(&all.may_go_on);
	all.seen = viso_hypercall_read(hypercall, 0, &byte, 1);
	return 5;
}

static void tell_release(void *data)
{
	sem_post(&all.is_released);
}

static struct kernel_fixture *set_slow_handler(void **state)
{
	struct kernel_fixture *fixture = set_system(state);
	assert_ok(viso_guest_set_hypercall_handler(fixture->guest, PRICE, wait_in_handler, NULL, tell_release));
	sem_init(&all.in_handler, 0, 0);
	sem_init(&all.may_go_on, 0, 0);
	sem_init(&all.is_released, 0, 0);
	return fixture;
}

static void test_a_pause_does_not_wait_for_handlers(void **state)
{
	struct kernel_fixture *fixture = set_slow_handler(state);
	viso_sandbox *sandbox = viso_guest_sandbox(fixture->guest);
	viso_process *process = kernel_boot(fixture, NULL);
	sem_wait(&all.in_handler);
	assert_int_equal(viso_sandbox_pause(sandbox), 1);
	sem_post(&all.may_go_on);
	sem_post(&all.may_go_on);
	/* Its handler may be done, but the guest does not hear of it: the second call does not come. */
	assert_int_equal(viso_process_wait(process, 20, NULL), -ETIMEDOUT);
	assert_int_equal(sem_trywait(&all.in_handler), -1);
	assert_int_equal(viso_sandbox_resume(sandbox), 1);
	switch_off(fixture->guest);
	assert_switched_off(kernel_wait(process), "apples: 5\ngold: 5\n");
	assert_int_equal(all.seen, 0);
}

/* It ends while its processor is in a handler, and is switched on again; the handler finds that nobody waits. */
static void test_an_end_does_not_wait_for_handlers(void **state)
{
	struct kernel_fixture *fixture = set_slow_handler(state);
	for (int i = 0; i < 2; i++) {
		viso_process *process = kernel_boot(fixture, NULL);
		sem_wait(&all.in_handler);
		assert_ok(viso_process_kill(process));
		assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	}
	fixture->guest = viso_guest_unref(fixture->guest);
	/* What they were given is there as long as they run. */
	assert_int_equal(sem_trywait(&all.is_released), -1);
	sem_post(&all.may_go_on);
	sem_post(&all.may_go_on);
	sem_wait(&all.is_released);
	assert_int_equal(all.seen, -ESRCH);
}

static int64_t give_back(viso_hypercall *hypercall, void *data)
{
	struct kernel_fixture *fixture = data;
	char byte;
	/* Whoever boots it has a reference until that is done. */
	sem_wait(&all.may_go_on);
	fixture->guest = viso_guest_unref(fixture->guest);
	all.seen = viso_hypercall_read(hypercall, 0, &byte, 1);
	return 0;
}

static void test_a_handler_gives_the_guest_back(void **state)
{
	struct kernel_fixture *fixture = set_system(state);
	sem_init(&all.is_released, 0, 0);
	sem_init(&all.may_go_on, 0, 0);
	assert_ok(viso_guest_set_hypercall_handler(fixture->guest, PRICE, give_back, fixture, tell_release));
	viso_process *process = kernel_boot(fixture, NULL);
	sem_post(&all.may_go_on);
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	sem_wait(&all.is_released);
	assert_null(fixture->guest);
	assert_int_equal(all.seen, -ESRCH);
}

/* A call that has no answer yet is made anew by each clone; requests reach the one that is asked. */
static void test_clones_call_and_are_called(void **state)
{
	struct kernel_fixture *fixture = set_system(state);
	viso_snapshot *snapshot = NULL;
	viso_guest *clone = NULL;
	viso_process *of_clone = NULL;
	sem_init(&all.in_handler, 0, 0);
	assert_ok(viso_guest_set_hypercall_handler(fixture->guest, PRICE, put_off, NULL, NULL));
	viso_process *process = kernel_boot(fixture, NULL);
	sem_wait(&all.in_handler);
	/* The handler has put it off, but may not have returned. */
	int r;
	while ((r = viso_guest_snapshot(fixture->guest, &snapshot)) == -EBUSY)
		sched_yield();
	assert_ok(r);
	answer_kept(4);
	sem_wait(&all.in_handler);
	answer_kept(5);
	assert_ok(viso_snapshot_clone(snapshot, &clone));
	assert_ok(viso_guest_boot(clone, NULL, &of_clone));
	for (int i = 0; i < 2; i++) {
		sem_wait(&all.in_handler);
		answer_kept(10 + i);
	}
	switch_off(clone);
	assert_switched_off(kernel_wait(of_clone), "apples: 10\ngold: 11\n");
	switch_off(fixture->guest);
	assert_switched_off(kernel_wait(process), "apples: 4\ngold: 5\n");
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
}

int main(int argc, char *argv[])
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, kernel_setup, kernel_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_both_call),
		TEST(test_bad_arguments),
		TEST(test_nobody_answers),
		TEST(test_answers_come_later),
		TEST(test_calls_are_queued),
		TEST(test_a_pause_does_not_wait_for_handlers),
		TEST(test_an_end_does_not_wait_for_handlers),
		TEST(test_a_handler_gives_the_guest_back),
		TEST(test_clones_call_and_are_called),
		/* A contained one is none of these. */
		TEST(test_calls_by_looking),
		TEST(test_a_pc_knows_nothing),
	};
	enum { COUNT = sizeof(tests) / sizeof(tests[0]) };
	is_contained = argc == 2 && strcmp(argv[1], "contained") == 0;
	return _cmocka_run_group_tests("doorbell", tests, is_contained ? COUNT - 2 : COUNT, NULL, NULL);
}
