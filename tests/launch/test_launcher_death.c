/* SPDX-License-Identifier: MIT */
/* The launcher or one of its workers is killed from outside: a clear error for what runs, nothing left, and the next
 * start works. */
#include "box.h"
#include "host.h"
#include "marked.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIDS_MAX = 64 };

struct host {
	viso_isolation strength;
	unsigned mark;
	struct ready_pipe ready;
};

static bool any_of(unsigned mark, const char *name, const pid_t *pids, int count)
{
	pid_t now[PIDS_MAX];
	int left = marked_processes(mark, name, getpid(), now, PIDS_MAX);
	for (int i = 0; i < left; i++)
		for (int j = 0; j < count; j++)
			if (now[i] == pids[j])
				return true;
	return false;
}

/*
 * Kills what has this name, but the host, and waits until it is gone: a worker that is just being killed may still take
 * a request along.
 */
static void kill_named(unsigned mark, const char *name)
{
	pid_t pids[PIDS_MAX];
	int count = marked_processes(mark, name, getpid(), pids, PIDS_MAX);
	for (int i = 0; i < count; i++)
		kill(pids[i], SIGKILL);
	await_that(!any_of(mark, name, pids, count));
}

/* Until nothing of the mark is left that has this name, or is a program of a sandbox. */
static void await_gone(unsigned mark, const char *name)
{
	await_that(marked_processes(mark, name, getpid(), NULL, 0) == 0);
}

static struct box *open_limited(struct host *host)
{
	struct box *box = box_new(host->strength, box_tree());
	if (geteuid() == 0)
		assert_ok(box_set_processes_max(box, 100));
	return box;
}

static void assert_works(struct box *box)
{
	assert_ended(box_run(box, probe("exit", "3", NULL)), VISO_REASON_EXITED, 3, 0);
	viso_process *process = box_spawn(box, probe("exit", "4", NULL));
	assert_ended(box_wait(process), VISO_REASON_EXITED, 4, 0);
	viso_process_unref(process);
}

static void killed(struct host *host, const char *name, int at_least)
{
	pid_t pids[PIDS_MAX];
	mark_this_process(host->mark);
	struct box *box = open_limited(host);
	viso_process *process = box_spawn(box, shell("probe background 3; exec probe sleep"));
	await_that(marked_processes(host->mark, "probe", 0, NULL, 0) == 4);
	await_that(marked_processes(host->mark, name, getpid(), NULL, 0) >= at_least);
	int count = marked_processes(host->mark, NULL, getpid(), pids, PIDS_MAX);
	kill_named(host->mark, name);
	viso_result *result = NULL;
	assert_fails(viso_process_wait(process, 10000, &result), EPIPE, VISO_STAGE_LAUNCHER, "launcher");
	assert_fails(viso_process_wait(process, 0, &result), EPIPE, VISO_STAGE_PROCESS, "wait");
	assert_ok(viso_process_kill(process));
	await_gone(host->mark, "probe");
	await_gone(host->mark, "viso-init");
	viso_process_unref(process);
	assert_works(box);
	await_that(marked_processes(host->mark, "viso-launcher", 0, NULL, 0) == 1);
	assert_no_cgroups(pids, count);
	box_close(box);
}

static void launcher_killed(void *host)
{
	killed(host, "viso-launcher", 1);
}

static void workers_killed(void *host)
{
	killed(host, "viso-worker", 2);
}

static void test_launcher_is_killed(void **state)
{
	struct host host = {.strength = box_open(state)->strength, .mark = mark_new()};
	in_a_host(launcher_killed, &host);
	assert_no_marked(host.mark);
}

static void test_workers_are_killed(void **state)
{
	struct host host = {.strength = box_open(state)->strength, .mark = mark_new()};
	in_a_host(workers_killed, &host);
	assert_no_marked(host.mark);
}

static void idle_killed(void *argument)
{
	struct host *host = argument;
	mark_this_process(host->mark);
	struct box *box = open_limited(host);
	for (int i = 0; i < 3; i++) {
		assert_works(box);
		await_that(marked_processes(host->mark, "viso-worker", getpid(), NULL, 0) >= 2);
		kill_named(host->mark, "viso-worker");
	}
	assert_works(box);
	kill_named(host->mark, "viso-launcher");
	await_gone(host->mark, "viso-worker");
	assert_works(box);
	box_close(box);
}

static void test_idle_workers_are_killed(void **state)
{
	struct host host = {.strength = box_open(state)->strength, .mark = mark_new()};
	in_a_host(idle_killed, &host);
	assert_no_marked(host.mark);
}

/* The program itself is not told apart from the launcher's by a signal from outside. */
static void program_killed(void *argument)
{
	struct host *host = argument;
	struct box *box = box_new(host->strength, box_tree());
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_int_equal(kill(viso_process_pid(process), SIGKILL), 0);
	assert_ended(box_wait(process), VISO_REASON_SIGNALLED, -1, SIGKILL);
	viso_process_unref(process);
	box_close(box);
}

static void test_program_is_killed_from_outside(void **state)
{
	struct host host = {.strength = box_open(state)->strength, .mark = mark_new()};
	in_a_host(program_killed, &host);
}

/* With the launcher's memory of what is to be removed when the host dies. */
static void host_with_root(void *argument)
{
	struct host *host = argument;
	mark_this_process(host->mark);
	struct box *box = open_limited(host);
	viso_root *root = viso_root_new(), *kept = viso_root_new();
	assert_ok(viso_root_add_data(root, "/data", "x", 1, 0644));
	assert_ok(viso_root_build(root));
	assert_ok(viso_root_add_data(kept, "/data", "x", 1, 0644));
	assert_ok(viso_root_build(kept));
	kept = viso_root_unref(kept);
	assert_works(box);
	kill_named(host->mark, "viso-launcher");
	await_gone(host->mark, "viso-worker");
	assert_works(box);
	ready_tell(&host->ready, viso_root_path(root));
	for (;;)
		pause();
}

static void test_roots_are_removed_by_the_next_launcher(void **state)
{
	struct host host = {.strength = box_open(state)->strength, .mark = mark_new()};
	char path[4096];
	struct stat st;
	ready_init(&host.ready);
	pid_t pid = host_start(host_with_root, &host);
	assert_true(ready_wait(&host.ready, path, sizeof(path)));
	assert_int_equal(stat(path, &st), 0);
	host_kill(pid);
	assert_no_marked(host.mark);
	assert_int_equal(stat(path, &st), -1);
	ready_close(&host.ready);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_launcher_is_killed),
		AT_EACH_STRENGTH(test_workers_are_killed),
		AT_EACH_STRENGTH(test_idle_workers_are_killed),
		AT_EACH_STRENGTH(test_program_is_killed_from_outside),
		AT_CONTAINER(test_roots_are_removed_by_the_next_launcher),
	};
	return cmocka_run_group_tests_name("launcher death", tests, NULL, box_group_teardown);
}
