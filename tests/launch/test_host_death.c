/* SPDX-License-Identifier: MIT */
/* The host program is killed by SIGKILL in the middle of its work: nothing of it is left. */
#include "box.h"
#include "host.h"
#include "marked.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 50, PIDS_MAX = 256 };

struct host {
	viso_isolation strength;
	unsigned mark;
	struct ready_pipe ready;
	bool forks;
};

static void start_several(struct host *host)
{
	mark_this_process(host->mark);
	struct box *box = box_new(host->strength, box_tree());
	struct box *limited = box_new(host->strength, box_tree());
	if (geteuid() == 0) {
		assert_ok(box_set_memory_max(limited, 64 << 20));
		assert_ok(box_set_processes_max(limited, 20));
	}
	/* The worker of this one waits for the host's next command, at a channel that a fork of the host has as well.
	 */
	assert_prints(box, shell("echo first"), "first\n");
	box_spawn(box, probe("sleep", NULL));
	box_spawn(box, shell("trap '' TERM HUP INT; probe background 3; probe spin"));
	box_spawn(limited, shell("probe background 3; probe sleep"));
}

static void host_that_waits(void *argument)
{
	struct host *host = argument;
	start_several(host);
	if (host->forks && fork() == 0) {
		/* It outlives the host, with copies of all that the host has open; it does not count as left. */
		mark_this_process(host->mark - 1);
		for (;;)
			pause();
	}
	/* The scripts have left their children. */
	await_that(marked_processes(host->mark, "probe", 0, NULL, 0) == 1 + 3 + 1 + 3 + 1);
	ready_tell(&host->ready, "");
	for (;;)
		pause();
}

static void kill_and_look(struct host *host)
{
	pid_t pids[PIDS_MAX];
	ready_init(&host->ready);
	pid_t pid = host_start(host_that_waits, host);
	assert_true(ready_wait(&host->ready, NULL, 0));
	/* Host, launcher, workers, and what runs. */
	int count = marked_processes(host->mark, NULL, 0, pids, PIDS_MAX);
	assert_true(count >= 2 + 3 + 3);
	host_kill(pid);
	assert_no_marked(host->mark);
	assert_no_cgroups(pids, count < PIDS_MAX ? count : PIDS_MAX);
	ready_close(&host->ready);
}

static void test_all_is_gone(void **state)
{
	struct host host = {.strength = box_open(state)->strength, .mark = mark_new()};
	kill_and_look(&host);
}

static void test_all_is_gone_although_a_fork_lives_on(void **state)
{
	struct host host = {.strength = box_open(state)->strength, .mark = mark_new(), .forks = true};
	kill_and_look(&host);
	pid_t fork_pid;
	assert_int_equal(marked_processes(host.mark - 1, NULL, 0, &fork_pid, 1), 1);
	kill(fork_pid, SIGKILL);
}

static void host_with_root(void *argument)
{
	struct host *host = argument;
	mark_this_process(host->mark);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_file(root, "/bin/busybox", NULL));
	assert_ok(viso_root_add_data(root, "/some/where/deep", "x", 1, 0600));
	assert_ok(viso_root_build(root));
	ready_tell(&host->ready, viso_root_path(root));
	for (;;)
		pause();
}

static void test_built_roots_are_removed(void **state)
{
	struct host host = {.mark = mark_new()};
	struct stat st;
	char path[4096];
	support_time_limit(60);
	ready_init(&host.ready);
	pid_t pid = host_start(host_with_root, &host);
	assert_true(ready_wait(&host.ready, path, sizeof(path)));
	assert_int_equal(stat(path, &st), 0);
	host_kill(pid);
	assert_no_marked(host.mark);
	assert_int_equal(stat(path, &st), -1);
	ready_close(&host.ready);
	support_time_limit(0);
}

static void *start_without_end(void *argument)
{
	struct box *box = argument;
	viso_command *command = probe("background", "2", NULL);
	for (unsigned i = 0;; i++) {
		viso_process *process = NULL;
		if (i % 2 && viso_sandbox_spawn(box->sandbox, command, &process) == 0)
			viso_process_unref(process);
		else
			(void)!viso_sandbox_run(box->sandbox, command, NULL);
	}
	return NULL;
}

static void busy_host(void *argument)
{
	struct host *host = argument;
	pthread_t thread;
	mark_this_process(host->mark);
	struct box *box = box_new(host->strength, box_tree());
	if (geteuid() == 0)
		assert_ok(box_set_processes_max(box, 20));
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread, NULL, start_without_end, box), 0);
	for (;;)
		pause();
}

static void test_killed_at_any_moment(void **state)
{
	struct host host = {.strength = box_open(state)->strength};
	unsigned seed = (unsigned)getpid();
	support_time_limit(150); /* of many rounds */
	for (int i = 0; i < ROUNDS; i++) {
		pid_t pids[PIDS_MAX];
		host.mark = mark_new();
		pid_t pid = host_start(busy_host, &host);
		/* The first rounds meet the start of the launcher, the others the work. */
		usleep((useconds_t)(rand_r(&seed) % (i < ROUNDS / 2 ? 5000 : 60000)));
		int count = marked_processes(host.mark, NULL, 0, pids, PIDS_MAX);
		host_kill(pid);
		assert_no_marked(host.mark);
		assert_no_cgroups(pids, count < PIDS_MAX ? count : PIDS_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_all_is_gone),
		AT_EACH_STRENGTH(test_all_is_gone_although_a_fork_lives_on),
		cmocka_unit_test(test_built_roots_are_removed),
		AT_EACH_STRENGTH(test_killed_at_any_moment),
	};
	return cmocka_run_group_tests_name("host death", tests, NULL, box_group_teardown);
}
