/* SPDX-License-Identifier: MIT */
/* Pausing and resuming all that runs: by the freezer where there is a group, by SIGSTOP where there is none. */
#include "groups.h"
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_US = 2000 };

/* CPU time of the command so far. */
static int64_t used(viso_process *process)
{
	int64_t user = viso_process_usage(process, VISO_USAGE_USER_US);
	int64_t system = viso_process_usage(process, VISO_USAGE_SYSTEM_US);
	assert_true(user >= 0 && system >= 0);
	return user + system;
}

/* A thread counts as standing a moment before it leaves its processor (__refrigerator(), do_signal_stop()). */
static bool has_left_its_processor(struct box *box)
{
	int64_t before[2], after[2];
	for (int i = 0; i < 2; i++)
		before[i] = viso_sandbox_usage(box->sandbox, i ? VISO_USAGE_SYSTEM_US : VISO_USAGE_USER_US);
	usleep(20000);
	for (int i = 0; i < 2; i++)
		after[i] = viso_sandbox_usage(box->sandbox, i ? VISO_USAGE_SYSTEM_US : VISO_USAGE_USER_US);
	return !memcmp(before, after, sizeof(before));
}

/* It must not use any CPU time while it is paused, and must again afterwards. */
static void check_pause(struct box *box, viso_process *process)
{
	assert_int_equal(viso_sandbox_pause(box->sandbox), 1);
	await_that(has_left_its_processor(box));
	int64_t before = used(process), count = viso_process_usage(process, VISO_USAGE_PROCESSES);
	usleep(150000);
	int64_t after = used(process);
	if (after != before)
		printf("# %lld processes before, %lld after\n", (long long)count,
		       (long long)viso_process_usage(process, VISO_USAGE_PROCESSES));
	/* Who wakes a frozen thread gets it to look whether it is to go on, and no further. */
	assert_in_range(after - before, 0, LOOK_US);
	assert_int_equal(viso_sandbox_resume(box->sandbox), 1);
	await_that(used(process) > before);
}

static void test_pause(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, shell("probe spin | probe spin | probe spin"));
	check_pause(box, process);
	check_pause(box, process);
	int fds = support_count_fds();
	viso_process_unref(process);
	support_assert_nothing_left(fds - 1);
}

/* A thread goes on when the first one of its process has ended. */
static void test_pause_without_the_first_thread(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, shell("probe headless & exec probe headless"));
	check_pause(box, process);
	check_pause(box, process);
	viso_process_unref(process);
}

/* Reads the state of a process; 0 where there is none. */
static char state_of(int pid)
{
	char path[32], text[512];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	if (file)
		fclose(file);
	text[n] = '\0';
	const char *end = strrchr(text, ')');
	return end && end[1] ? end[2] : '\0';
}

/* Nothing may be left that goes on, however far a program is with the starting of others. */
static void test_pause_amid_forks(void **state)
{
	enum { CHILDREN = 100 };
	struct box *box = box_open(state);
	int rounds = getenv("VISO_RIG") ? 2 : 12; /* emulated, each takes seconds */
	for (int round = 0; round < rounds; round++) {
		int pids[CHILDREN + 1], count = 0, moving = 0;
		viso_process *process = box_spawn(box, probe("slow-forks", "100", NULL));
		while (count < 2) {
			count = viso_sandbox_pids(box->sandbox, pids, CHILDREN + 1);
			assert_true(count >= 0);
		}
		assert_int_equal(viso_sandbox_pause(box->sandbox), 1);
		count = viso_sandbox_pids(box->sandbox, pids, CHILDREN + 1);
		assert_in_range(count, 2, CHILDREN + 1);
		for (int i = 0; i < count; i++) {
			char letter = state_of(pids[i]);
			moving += letter != 'T';
			if (letter != 'T')
				print_message("# %d of %d is in state %c\n", pids[i], count, letter ? letter : '-');
		}
		assert_int_equal(moving, 0);
		assert_ok(viso_process_kill(process));
		viso_process_unref(process);
	}
}

/* Sets what needs a group, so that there is a freezer. */
static void want_group(struct box *box)
{
	assert_ok(viso_container_set_cpu_weight(box->container, 100));
	skip_without_controller(box, "cpu");
}

static void test_pause_by_a_group(void **state)
{
	struct box *box = box_open(state);
	want_group(box);
	viso_process *process = box_spawn(box, shell("probe spin | probe spin | probe spin"));
	check_pause(box, process);
	viso_process_unref(process);
}

static void check_kill_while_paused(struct box *box)
{
	viso_process *process = box_spawn(box, shell("probe spin | probe sleep | probe spin"));
	assert_int_equal(viso_sandbox_pause(box->sandbox), 1);
	assert_ok(viso_process_kill(process));
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	viso_process_unref(process);
}

static void test_kill_while_paused(void **state)
{
	check_kill_while_paused(box_open(state));
}

static void test_kill_while_paused_by_a_group(void **state)
{
	struct box *box = box_open(state);
	want_group(box);
	check_kill_while_paused(box);
}

/* Its freezer takes no signal, not even SIGKILL, before it is thawed. */
static void host_with_version_1(void *argument)
{
	group_hide_version_2();
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_cpu_weight(box->container, 100));
	viso_process *process = box_spawn(box, shell("probe spin | probe spin | probe spin"));
	check_pause(box, process);
	assert_int_equal(viso_sandbox_pause(box->sandbox), 1);
	assert_string_equal(group_read(viso_process_pid(process), "freezer", "freezer.state", ""), "FROZEN");
	assert_ok(viso_process_kill(process));
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	viso_process_unref(process);
	process = box_spawn(box, shell("probe sleep | probe sleep"));
	assert_int_equal(viso_sandbox_pause(box->sandbox), 1);
	int worker = group_worker_of(process);
	assert_int_equal(kill(worker, SIGKILL), 0);
	assert_int_equal(viso_process_wait(process, -1, NULL), -EPIPE);
	viso_process_unref(process);
	box_close(box);
}

static void test_freezer_of_version_1(void **state)
{
	(void)box_open(state);
	skip_without(geteuid() == 0 && group_version("freezer") == 1 && group_version("cpu") == 1,
		     "root, and the freezer of version 1");
	in_a_host(host_with_version_1, NULL);
}

static void check_timeout_while_paused(struct box *box)
{
	viso_command *command = probe("spin", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 400));
	viso_process *process = box_spawn(box, command);
	/* It may be over already on a busy machine. */
	assert_in_range(viso_sandbox_pause(box->sandbox), 0, 1);
	assert_ended(box_wait(process), VISO_REASON_TIMED_OUT, -1, SIGKILL);
	viso_process_unref(process);
}

static void test_timeout_while_paused(void **state)
{
	check_timeout_while_paused(box_open(state));
}

static void test_timeout_while_paused_by_a_group(void **state)
{
	struct box *box = box_open(state);
	want_group(box);
	check_timeout_while_paused(box);
}

static void test_close_while_paused(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, shell("probe sleep | probe sleep"));
	viso_process *second = box_spawn(box, probe("sleep", NULL));
	assert_int_equal(viso_sandbox_pause(box->sandbox), 2);
	assert_ok(viso_sandbox_close(box->sandbox));
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	viso_process_unref(process);
	viso_process_unref(second);
}

static void test_worker_killed_while_paused(void **state)
{
	struct box *box = box_open(state);
	group_make_parent(box);
	want_group(box);
	viso_process *process = box_spawn(box, shell("probe sleep | probe sleep"));
	assert_int_equal(viso_sandbox_pause(box->sandbox), 1);
	assert_int_equal(kill(group_worker_of(process), SIGKILL), 0);
	assert_int_equal(viso_process_wait(process, -1, NULL), -EPIPE);
	viso_process_unref(process);
	group_remove_parent();
}

static struct ready_pipe ready;

static void paused_host(void *argument)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_cpu_weight(box->container, 100));
	assert_ok(viso_container_set_cgroup_parent(box->container, argument));
	box_spawn(box, shell("probe spin | probe sleep"));
	assert_int_equal(viso_sandbox_pause(box->sandbox), 1);
	ready_tell(&ready, "");
	for (;;)
		pause();
}

static void test_host_killed_while_paused(void **state)
{
	struct box *box = box_open(state);
	const char *parent = group_make_parent(box);
	ready_init(&ready);
	pid_t host = host_start(paused_host, (void *)parent);
	assert_true(ready_wait(&ready, NULL, 0));
	assert_true(group_count_children() > 0);
	host_kill(host);
	ready_close(&ready);
	group_remove_parent();
}

static void test_program_that_never_stops_forking(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("run-away", "2", NULL));
	int r = viso_sandbox_pause(box->sandbox);
	/* It can end before, and outrun a walk. */
	assert_true(r == 0 || r == 1 || r == -ETIMEDOUT);
	assert_ok(viso_process_kill(process));
	assert_ok(viso_process_wait(process, -1, NULL));
	viso_process_unref(process);
}

static void test_nothing_to_pause(void **state)
{
	struct box *box = box_open(state);
	assert_int_equal(viso_sandbox_pause(box->sandbox), 0);
	assert_int_equal(viso_sandbox_resume(box->sandbox), 0);
	assert_prints(box, probe("print", NULL), "out\n");
	assert_int_equal(viso_sandbox_pause(box->sandbox), 0);
	assert_ok(viso_sandbox_close(box->sandbox));
	assert_fails(viso_sandbox_pause(box->sandbox), ESTALE, VISO_STAGE_ARGUMENT, "viso_sandbox_pause");
	assert_fails(viso_sandbox_resume(NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_resume");
}

static void test_guests_are_not_paused(void **state)
{
	struct box *box = box_open(state);
	assert_fails(viso_sandbox_pause(box->sandbox), EOPNOTSUPP, VISO_STAGE_ARGUMENT, "viso_sandbox_pause");
}

static void check_instance(struct box *box)
{
	assert_ok(viso_sandbox_start(box->sandbox));
	viso_process *process = box_spawn(box, probe("spin", NULL));
	assert_int_equal(viso_sandbox_pause(box->sandbox), 1);
	await_that(has_left_its_processor(box));
	int64_t before = viso_sandbox_usage(box->sandbox, VISO_USAGE_USER_US);
	usleep(150000);
	assert_in_range(viso_sandbox_usage(box->sandbox, VISO_USAGE_USER_US) - before, 0, LOOK_US);
	assert_int_equal(viso_sandbox_resume(box->sandbox), 1);
	await_that(viso_sandbox_usage(box->sandbox, VISO_USAGE_USER_US) > before);
	assert_int_equal(viso_sandbox_pause(box->sandbox), 1);
	viso_process_unref(process);
}

static void test_instance(void **state)
{
	check_instance(box_open(state));
}

static void test_instance_with_a_group(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_cpu_weight(box->container, 100));
	if (geteuid() != 0)
		skip_without_controller(box, "cpu");
	check_instance(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_pause),
		AT_EACH_STRENGTH(test_pause_without_the_first_thread),
		AT_EACH_STRENGTH(test_pause_amid_forks),
		AT_CONTAINER(test_pause_by_a_group),
		AT_EACH_STRENGTH(test_kill_while_paused),
		AT_CONTAINER(test_kill_while_paused_by_a_group),
		AT_CONTAINER(test_freezer_of_version_1),
		AT_EACH_STRENGTH(test_timeout_while_paused),
		AT_CONTAINER(test_timeout_while_paused_by_a_group),
		AT_EACH_STRENGTH(test_close_while_paused),
		AT_CONTAINER(test_worker_killed_while_paused),
		AT_CONTAINER(test_host_killed_while_paused),
		AT_EACH_STRENGTH(test_program_that_never_stops_forking),
		AT_EACH_STRENGTH(test_nothing_to_pause),
		AT_GUEST(test_guests_are_not_paused),
		AT_EACH_STRENGTH(test_instance),
		AT_CONTAINER(test_instance_with_a_group),
	};
	return cmocka_run_group_tests_name("pause", tests, NULL, box_group_teardown);
}
