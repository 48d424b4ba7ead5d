/* SPDX-License-Identifier: MIT */
/* Ends from other threads at random moments: none is lost, wherever it meets the guest. */
#include "guest_support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { CANCELS = 2000, WAIT_MS = 20000 };

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* Sleeping is too coarse for this. */
static void spin(int64_t ns)
{
	for (int64_t end = now_ns() + ns; now_ns() < end;)
		;
}

/* From before the thread of the guest has begun until its program is in the midst of what it does. */
static void test_kills_at_random_moments(void **state)
{
	struct fixture *fixture = *state;
	static const char *const probes[] = {"loop", "call-loop", "sleep"};
	need_kvm();
	for (int i = 0; i < CANCELS / 2; i++) {
		viso_process *process = NULL;
		viso_result *result = NULL;
		viso_command *command = new_command("/probe", probes[i % 3], "60000", NULL);
		assert_ok(viso_command_set_timeout_ms(command, 60000));
		assert_ok(viso_sandbox_spawn(viso_guest_sandbox(fixture->guest), command, &process));
		viso_command_unref(command);
		spin(rand() % 1500000);
		assert_ok(viso_process_kill(process));
		assert_ok(viso_process_wait(process, WAIT_MS, &result));
		assert_reason(result, VISO_REASON_KILLED);
		viso_process_unref(process);
	}
}

struct killer {
	viso_sandbox *sandbox;
	atomic_int round;
	atomic_int done;
};

/* In each round it kills again and again, at random moments, until the round is over. */
static void *kill_in_rounds(void *data)
{
	struct killer *killer = data;
	unsigned seed = 5;
	for (int round = 1; round <= CANCELS / 2; round++) {
		while (atomic_load(&killer->round) < round)
			;
		while (atomic_load(&killer->done) < round) {
			spin(rand_r(&seed) % 1000000);
			if (viso_sandbox_kill(killer->sandbox) < 0)
				return killer;
		}
	}
	return NULL;
}

/* viso_sandbox_run() in this thread, killed by another one. */
static void test_kills_from_another_thread(void **state)
{
	struct fixture *fixture = *state;
	static const char *const probes[] = {"loop", "call-loop", "sleep"};
	need_kvm();
	struct killer killer = {.sandbox = viso_guest_sandbox(fixture->guest)};
	pthread_t thread;
	void *failed;
	assert_int_equal(pthread_create(&thread, NULL, kill_in_rounds, &killer), 0);
	for (int round = 1; round <= CANCELS / 2; round++) {
		viso_command *command = new_command("/probe", probes[round % 3], "60000", NULL);
		assert_ok(viso_command_set_timeout_ms(command, WAIT_MS));
		atomic_store(&killer.round, round);
		viso_result *result = run_in(fixture->guest, command);
		atomic_store(&killer.done, round);
		assert_reason(result, VISO_REASON_KILLED);
	}
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kills_at_random_moments),
		cmocka_unit_test(test_kills_from_another_thread),
	};
	return cmocka_run_group_tests_name("guest cancel", tests, fixture_setup, fixture_teardown);
}
