/* SPDX-License-Identifier: MIT */
/* Which processes there are in a sandbox. */
#include "box.h"
#include "outside.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIDS_MAX = 64 };

static bool all_are_probes(const int *pids, int count)
{
	char text[64];
	for (int i = 0; i < count; i++)
		if (strcmp(outside_read(pids[i], "comm", text, sizeof(text)), "probe\n"))
			return false;
	return true;
}

/* Waits until there are so many processes and these stay: what a shell starts on its way comes and goes. */
static void await_probes(struct box *box, int count, int pids[PIDS_MAX])
{
	int before[PIDS_MAX];
	for (int i = 0; i < 1000; i++) {
		int first = viso_sandbox_pids(box->sandbox, before, PIDS_MAX);
		usleep(30000);
		int second = viso_sandbox_pids(box->sandbox, pids, PIDS_MAX);
		assert_true(first >= 0 && second >= 0);
		if (first == count && second == count && all_are_probes(pids, count) &&
		    !memcmp(before, pids, (size_t)count * sizeof(pids[0])))
			return;
	}
	fail_msg("never %d processes", count);
}

static bool has(const int *pids, int count, int pid)
{
	for (int i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static void test_none(void **state)
{
	struct box *box = box_open(state);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 0);
	assert_ended(box_run(box, probe("exit", "0", NULL)), VISO_REASON_EXITED, 0, 0);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 0);
}

static void test_programs_and_what_they_start(void **state)
{
	struct box *box = box_open(state);
	int pids[PIDS_MAX];
	viso_process *a = box_spawn(box, probe("sleep", NULL));
	viso_process *b = box_spawn(box, shell("probe background 3; probe background 2; exec probe fork 4"));
	viso_process *c = box_spawn(box, shell("probe background 6; exec probe sleep"));
	/* fork ends, and its command with all that it left. */
	assert_ended(box_wait(b), VISO_REASON_EXITED, 0, 0);
	int count = 1 + 7;
	await_probes(box, count, pids);
	assert_true(has(pids, count, viso_process_pid(a)));
	assert_true(has(pids, count, viso_process_pid(c)));
	for (int i = 0; i < count; i++)
		for (int j = 0; j < i; j++)
			assert_int_not_equal(pids[i], pids[j]);
	viso_process_unref(c);
	assert_int_equal(viso_sandbox_pids(box->sandbox, pids, PIDS_MAX), 1);
	assert_int_equal(pids[0], viso_process_pid(a));
	viso_process_unref(a);
	viso_process_unref(b);
	assert_int_equal(viso_sandbox_pids(box->sandbox, pids, PIDS_MAX), 0);
}

static void test_less_room(void **state)
{
	struct box *box = box_open(state);
	int pids[PIDS_MAX];
	viso_process *process = box_spawn(box, shell("probe background 5; exec probe sleep"));
	await_probes(box, 6, pids);
	memset(pids, 0, sizeof(pids));
	assert_int_equal(viso_sandbox_pids(box->sandbox, pids, 2), 6);
	assert_true(pids[0] > 0 && pids[1] > 0);
	assert_int_equal(pids[2], 0);
	viso_process_unref(process);
}

static void *run(void *data)
{
	assert_ended(box_run(data, shell("probe background 2; exec probe sleep")), VISO_REASON_SIGNALLED, -1, SIGTERM);
	return NULL;
}

static void *run_shortly(void *data)
{
	assert_ended(box_run(data, probe("exit", "5", NULL)), VISO_REASON_EXITED, 5, 0);
	return NULL;
}

static void test_of_commands_that_other_threads_run(void **state)
{
	struct box *box = box_open(state);
	int pids[PIDS_MAX];
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, run, box), 0);
	await_probes(box, 3, pids);
	assert_int_equal(viso_sandbox_signal(box->sandbox, SIGTERM), 1);
	pthread_join(thread, NULL);
	assert_int_equal(viso_sandbox_pids(box->sandbox, pids, PIDS_MAX), 0);
	/* Questions that came late do not matter to later commands. */
	for (int i = 0; i < 50; i++) {
		assert_int_equal(pthread_create(&thread, NULL, run_shortly, box), 0);
		for (int j = 0; j < 20; j++)
			assert_in_range(viso_sandbox_pids(box->sandbox, pids, PIDS_MAX), 0, 1);
		pthread_join(thread, NULL);
	}
}

static void test_in_an_instance(void **state)
{
	struct box *box = box_open(state);
	int pids[PIDS_MAX];
	viso_process *before = box_spawn(box, probe("sleep", NULL));
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_ended(box_run(box, probe("background", "3", NULL)), VISO_REASON_EXITED, 0, 0);
	viso_process *process = box_spawn(box, shell("probe background 2; exec probe sleep"));
	int count = 1 + 3 + 3;
	await_probes(box, count, pids);
	assert_true(has(pids, count, viso_process_pid(before)));
	assert_true(has(pids, count, viso_process_pid(process)));
	viso_process_unref(process);
	viso_process_unref(before);
	assert_int_equal(viso_sandbox_pids(box->sandbox, pids, PIDS_MAX), 3);
}

static void test_none_in_a_guest(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 0);
	viso_process_unref(process);
}

static void test_arguments(void **state)
{
	int pid;
	viso_jail *jail = viso_jail_new();
	viso_sandbox *sandbox = viso_jail_sandbox(jail);
	assert_fails(viso_sandbox_pids(NULL, &pid, 1), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_pids");
	assert_fails(viso_sandbox_pids(sandbox, NULL, 1), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_pids");
	assert_int_equal(viso_sandbox_pids(sandbox, NULL, 0), 0);
	assert_ok(viso_sandbox_close(sandbox));
	assert_fails(viso_sandbox_pids(sandbox, &pid, 1), ESTALE, VISO_STAGE_ARGUMENT, "viso_sandbox_pids");
	viso_jail_unref(jail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_none),      AT_EACH_STRENGTH(test_programs_and_what_they_start),
		AT_EACH_STRENGTH(test_less_room), AT_EACH_STRENGTH(test_of_commands_that_other_threads_run),
		AT_JAIL(test_in_an_instance),     AT_GUEST(test_none_in_a_guest),
		cmocka_unit_test(test_arguments),
	};
	return cmocka_run_group_tests_name("pids", tests, NULL, box_group_teardown);
}
