/* SPDX-License-Identifier: MIT */
/* The steps of a start: in their order, and those that were not made are -1. */
#include "box.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STEPS = VISO_STEP_ENDED + 1 };

static int64_t now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000 + time.tv_nsec;
}

/* All that were made in their order, up to `last`, which was; nothing after it. Those not in `made` were not. */
static void assert_steps(viso_process *process, viso_step last, unsigned made)
{
	int64_t ns[STEPS + 2], before = 0;
	memset(ns, 0x55, sizeof(ns));
	assert_int_equal(viso_process_timings(process, ns, STEPS + 2), STEPS);
	assert_int_equal(ns[VISO_STEP_SENT], 0);
	assert_int_equal(ns[STEPS], 0x5555555555555555);
	for (int i = VISO_STEP_RECEIVED; i < STEPS; i++) {
		if (i > (int)last || !(made & 1u << i)) {
			if (ns[i] != -1)
				fail_msg("%s: %lld, but it was not made", viso_step_name((viso_step)i),
					 (long long)ns[i]);
			continue;
		}
		if (ns[i] <= 0 || ns[i] < before)
			fail_msg("%s: %lld after %lld", viso_step_name((viso_step)i), (long long)ns[i],
				 (long long)before);
		before = ns[i];
	}
}

/* What every start of the strength makes; without the control groups. */
static unsigned usual_steps(const struct box *box)
{
	unsigned all = (1u << STEPS) - 1 - (1u << VISO_STEP_CGROUPS);
	if (box->jail)
		all &= ~(1u << VISO_STEP_NETWORK | (geteuid() == 0 ? 1u << VISO_STEP_IDS : 0));
	return all;
}

static void test_steps(void **state)
{
	struct box *box = box_open(state);
	int64_t begin = now_ns(), ns[STEPS];
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	int64_t started = now_ns() - begin;
	assert_steps(process, VISO_STEP_STARTED, usual_steps(box));
	/* They are of this start, and by the clock of everybody. */
	assert_int_equal(viso_process_timings(process, ns, STEPS), STEPS);
	assert_true(ns[VISO_STEP_STARTED] <= started);
	assert_ok(viso_process_kill(process));
	assert_ok(viso_process_wait(process, -1, NULL));
	assert_steps(process, VISO_STEP_ENDED, usual_steps(box));
	assert_int_equal(viso_process_timings(process, ns, STEPS), STEPS);
	assert_true(ns[VISO_STEP_ENDED] <= now_ns() - begin);
	viso_process_unref(process);
}

static void test_steps_with_control_groups(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root, whose control groups are its own");
	assert_ok(box_set_processes_max(box, 20));
	viso_process *process = box_spawn(box, probe("exit", "0", NULL));
	assert_ok(viso_process_wait(process, -1, NULL));
	assert_steps(process, VISO_STEP_ENDED, usual_steps(box) | 1u << VISO_STEP_CGROUPS);
	viso_process_unref(process);
}

/* The worker of the first has the page of its steps for the second, too. */
static void test_each_has_its_own(void **state)
{
	struct box *box = box_open(state);
	for (int i = 0; i < 3; i++) {
		viso_process *process = box_spawn(box, probe("exit", "0", NULL));
		assert_ok(viso_process_wait(process, -1, NULL));
		assert_steps(process, VISO_STEP_ENDED, usual_steps(box));
		viso_process_unref(process);
	}
}

/* The program's own clock goes otherwise: what is noted by it would be nonsense. */
static void test_with_another_clock(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_clock_offset(box->container, VISO_CLOCK_MONOTONIC, INT64_C(1000000000000)));
	viso_process *process = box_spawn(box, probe("exit", "0", NULL));
	assert_ok(viso_process_wait(process, -1, NULL));
	assert_steps(process, VISO_STEP_ENDED, usual_steps(box) & ~(1u << VISO_STEP_CONFINED));
	viso_process_unref(process);
}

static void test_in_an_instance(void **state)
{
	struct box *box = box_open(state);
	unsigned made = usual_steps(box) & ~(1u << VISO_STEP_IDS);
	/* All of these are the container's, and done. */
	if (box->container)
		made &= ~(1u << VISO_STEP_NETWORK | 1u << VISO_STEP_MOUNTS);
	assert_ok(viso_sandbox_start(box->sandbox));
	for (int i = 0; i < 2; i++) {
		viso_process *process = box_spawn(box, probe("exit", "0", NULL));
		assert_ok(viso_process_wait(process, -1, NULL));
		assert_steps(process, VISO_STEP_ENDED, made);
		viso_process_unref(process);
	}
}

static void test_arguments(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("exit", "0", NULL));
	int64_t ns[2] = {7, 7};
	assert_ok(viso_process_wait(process, -1, NULL));
	assert_int_equal(viso_process_timings(process, NULL, 0), STEPS);
	assert_int_equal(viso_process_timings(process, ns, 1), STEPS);
	assert_int_equal(ns[0], 0);
	assert_int_equal(ns[1], 7);
	assert_fails(viso_process_timings(process, NULL, 1), EINVAL, VISO_STAGE_ARGUMENT, "viso_process_timings");
	assert_fails(viso_process_timings(NULL, ns, 1), EINVAL, VISO_STAGE_ARGUMENT, "viso_process_timings");
	viso_process_unref(process);
}

static void test_guest(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("exit", "0", NULL));
	int64_t ns[STEPS] = {7};
	assert_fails(viso_process_timings(process, ns, STEPS), EOPNOTSUPP, VISO_STAGE_ARGUMENT, "viso_process_timings");
	assert_int_equal(ns[0], 7);
	viso_process_unref(process);
}

static void test_names(void **state)
{
	static const char *const names[] = {"sent",    "received", "cgroups",  "cloned",  "ids",
					    "network", "mounts",   "confined", "started", "ended"};
	for (int i = 0; i < STEPS; i++)
		assert_string_equal(viso_step_name((viso_step)i), names[i]);
	assert_null(viso_step_name((viso_step)STEPS));
	assert_null(viso_step_name((viso_step)-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_steps),
		AT_EACH_STRENGTH(test_steps_with_control_groups),
		AT_EACH_STRENGTH(test_each_has_its_own),
		AT_CONTAINER(test_with_another_clock),
		AT_EACH_STRENGTH(test_in_an_instance),
		AT_JAIL(test_arguments),
		AT_GUEST(test_guest),
		cmocka_unit_test(test_names),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, box_group_teardown);
}
