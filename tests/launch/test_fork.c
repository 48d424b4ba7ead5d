/* SPDX-License-Identifier: MIT */
/* After a fork of the host: the child's old handles answer -ECHILD, new ones work, and the parent notices nothing. */
#include "box.h"
#include "host.h"
#include "marked.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

struct parent {
	struct box *box;
	viso_process *process;
	viso_command *command;
};

static void old_handles(void *argument)
{
	struct parent *parent = argument;
	viso_process *process = NULL;
	viso_sandbox *sandbox = parent->box->sandbox;
	viso_command *command = probe("exit", "0", NULL);
	const viso_stage stage = VISO_STAGE_ARGUMENT;
	assert_fails(viso_sandbox_run(sandbox, command, NULL), ECHILD, stage, "viso_sandbox_run");
	assert_fails(viso_sandbox_spawn(sandbox, command, &process), ECHILD, stage, "viso_sandbox_spawn");
	assert_fails(viso_sandbox_kill(sandbox), ECHILD, stage, "viso_sandbox_kill");
	assert_fails(viso_sandbox_signal(sandbox, 15), ECHILD, stage, "viso_sandbox_signal");
	assert_fails(viso_sandbox_close(sandbox), ECHILD, stage, "viso_sandbox_close");
	assert_fails(box_set_memory_max(parent->box, 1 << 20), ECHILD, stage, "set_memory_max");
	assert_fails(viso_process_wait(parent->process, 0, NULL), ECHILD, stage, "viso_process_wait");
	assert_fails(viso_process_kill(parent->process), ECHILD, stage, "viso_process_kill");
	assert_fails(viso_process_signal(parent->process, 9), ECHILD, stage, "viso_process_signal");
	assert_fails(viso_process_pid(parent->process), ECHILD, stage, "viso_process_pid");
	assert_fails(viso_process_fd(parent->process), ECHILD, stage, "viso_process_fd");
	assert_fails(viso_command_add_arg(parent->command, "x"), ECHILD, stage, "viso_command_add_arg");
	assert_fails(viso_command_capture(parent->command, 1), ECHILD, stage, "viso_command_capture");
	viso_command_unref(command);

	struct box *mine = box_new(parent->box->strength, box_tree());
	assert_ok(viso_sandbox_run(mine->sandbox, probe("exit", "0", NULL), NULL));
	/* An old command in a new sandbox is an old handle too. */
	assert_fails(viso_sandbox_run(mine->sandbox, parent->command, NULL), ECHILD, stage, "viso_sandbox_run");
	viso_process_unref(parent->process);
	viso_command_unref(parent->command);
	box_close(parent->box);
	assert_prints(mine, probe("cwd", NULL), "/\n");
	box_close(mine);
}

static void test_old_handles_and_new_ones(void **state)
{
	struct parent parent = {.box = box_open(state)};
	parent.process = box_spawn(parent.box, probe("sleep", "1500", NULL));
	parent.command = probe("exit", "9", NULL);
	/* In a fork of a fork, too. */
	in_a_host(old_handles, &parent);
	in_a_host(old_handles, &parent);
	assert_ended(box_wait(parent.process), VISO_REASON_EXITED, 0, 0);
	viso_process_unref(parent.process);
	assert_ended(box_run(parent.box, parent.command), VISO_REASON_EXITED, 9, 0);
}

static atomic_bool stop;

static void *start_all_the_time(void *strength)
{
	while (!atomic_load(&stop)) {
		/* New handles, so that every lock of the library is taken now and then. */
		struct box *box = box_new((viso_isolation)(intptr_t)strength, box_tree());
		viso_command *command = probe("exit", "0", NULL);
		assert_ok(viso_sandbox_run(box->sandbox, command, NULL));
		viso_command_unref(command);
		box_close(box);
	}
	return NULL;
}

static void start_one(void *strength)
{
	struct box *box = box_new((viso_isolation)(intptr_t)strength, box_tree());
	assert_prints(box, probe("cwd", NULL), "/\n");
	box_close(box);
}

static void forking_host(void *strength)
{
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, start_all_the_time, strength), 0);
	for (int i = 0; i < 40; i++) {
		pid_t child = host_start(start_one, strength);
		host_must_succeed(child);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	start_one(strength);
}

static void test_fork_while_other_threads_start(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	skip_without(MALLOC_SURVIVES_FORK, "a malloc that survives a fork, which AddressSanitizer has not");
	in_a_host(forking_host, (void *)(intptr_t)strength);
}

/* The fork comes while another thread makes the very first start of the process. */
static void first_start_host(void *strength)
{
	pthread_t thread;
	atomic_store(&stop, true);
	start_all_the_time(strength); /* it starts nothing */
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, start_all_the_time, strength), 0);
	usleep((useconds_t)(rand() % 3000));
	host_must_succeed(host_start(start_one, strength));
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

static void test_fork_during_the_first_start(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	skip_without(MALLOC_SURVIVES_FORK, "a malloc that survives a fork, which AddressSanitizer has not");
	/* A sandbox that was never used has no seccomp filter in this process yet, nor a launcher. */
	for (int i = 0; i < 25; i++) {
		srand((unsigned)i);
		in_a_host(first_start_host, (void *)(intptr_t)strength);
	}
}

enum { AT_ONCE = 12 };

struct crowd {
	viso_isolation strength;
	unsigned mark;
	pthread_barrier_t started;
};

static void *run_a_while(void *argument)
{
	struct crowd *crowd = argument;
	struct box *box = box_new(crowd->strength, box_tree());
	viso_command *command = probe("sleep", "300", NULL);
	pthread_barrier_wait(&crowd->started);
	assert_ok(viso_sandbox_run(box->sandbox, command, NULL));
	viso_command_unref(command);
	box_close(box);
	return NULL;
}

static int count_workers(const struct crowd *crowd)
{
	return marked_processes(crowd->mark, "viso-worker", 0, NULL, 0);
}

/* Forks while commands run; the child, which does not know the library, stays. */
static pid_t fork_among_commands(struct crowd *crowd)
{
	pthread_t threads[AT_ONCE];
	for (int i = 0; i < AT_ONCE; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_a_while, crowd), 0);
	pthread_barrier_wait(&crowd->started);
	usleep(150000);
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	for (int i = 0; i < AT_ONCE; i++)
		pthread_join(threads[i], NULL);
	return child;
}

static void host_of_idle_children(void *argument)
{
	enum { CHILDREN = 5 };
	struct crowd *crowd = argument;
	pid_t children[CHILDREN];
	mark_this_process(crowd->mark);
	assert_int_equal(pthread_barrier_init(&crowd->started, NULL, AT_ONCE + 1), 0);
	for (int i = 0; i < CHILDREN; i++)
		children[i] = fork_among_commands(crowd);
	/* At most 16 wait idly (worker.c), 4 for the host's next commands, and some were busy a moment ago. */
	await_that(count_workers(crowd) <= 24);
	for (int i = 0; i < CHILDREN; i++)
		host_kill(children[i]);
	pthread_barrier_destroy(&crowd->started);
}

/* A child has copies of the channels that its parent closes: no worker may wait at them for ever. */
static void test_children_keep_no_workers(void **state)
{
	struct crowd crowd = {.strength = box_open(state)->strength, .mark = mark_new()};
	in_a_host(host_of_idle_children, &crowd);
	assert_no_marked(crowd.mark);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First, so that this process has not started anything. */
		AT_JAIL(test_fork_during_the_first_start),       AT_CONTAINER(test_fork_during_the_first_start),
		AT_EACH_STRENGTH(test_old_handles_and_new_ones), AT_EACH_STRENGTH(test_fork_while_other_threads_start),
		AT_EACH_STRENGTH(test_children_keep_no_workers),
	};
	return cmocka_run_group_tests_name("fork", tests, NULL, box_group_teardown);
}
