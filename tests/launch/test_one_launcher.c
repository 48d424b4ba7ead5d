/* SPDX-License-Identifier: MIT */
/* One launcher for each host process, and none of its processes is the host's child. */
#include "box.h"
#include "host.h"
#include "marked.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8 };

static void assert_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
}

static void *run_one(void *strength)
{
	struct box *box = box_new((viso_isolation)(intptr_t)strength, box_tree());
	assert_ended(box_run(box, probe("exit", "0", NULL)), VISO_REASON_EXITED, 0, 0);
	box_close(box);
	return NULL;
}

static void many_threads(void *strength)
{
	unsigned mark = mark_new();
	pthread_t threads[THREADS];
	mark_this_process(mark);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_one, strength), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	run_one((void *)VISO_ISOLATION_CONTAINER);
	/* What it has just forked still has its name. */
	await_that(marked_processes(mark, "viso-launcher", 0, NULL, 0) == 1);
	assert_no_child();
}

static void test_one_launcher_for_all_threads(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	in_a_host(many_threads, (void *)(intptr_t)strength);
}

static void wait_for_anybody(void *strength)
{
	struct box *box = box_new((viso_isolation)(intptr_t)strength, box_tree());
	assert_no_child();
	viso_process *process = box_spawn(box, probe("sleep", "300", NULL));
	assert_no_child();
	assert_int_equal(waitpid(viso_process_pid(process), NULL, WNOHANG | __WALL), -1);
	/* A child of the host's own is still its own. */
	pid_t own = fork();
	if (own == 0)
		_exit(7);
	int status;
	assert_int_equal(waitpid(-1, &status, 0), own);
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_ended(box_wait(process), VISO_REASON_EXITED, 0, 0);
	viso_process_unref(process);
	box_close(box);
	assert_no_child();
}

static void test_wait_in_the_host_sees_nothing(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	in_a_host(wait_for_anybody, (void *)(intptr_t)strength);
}

static int chld_count;

static void count_chld(int number)
{
	chld_count++;
}

static void handle_chld(void *strength)
{
	struct sigaction action = {.sa_handler = count_chld};
	sigaction(SIGCHLD, &action, NULL);
	run_one(strength);
	assert_int_equal(chld_count, 0);
}

static void test_no_signal_of_children(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	in_a_host(handle_chld, (void *)(intptr_t)strength);
}

struct ending {
	viso_isolation strength;
	unsigned mark;
};

static void end_in_order(void *argument)
{
	struct ending *ending = argument;
	mark_this_process(ending->mark);
	run_one((void *)(intptr_t)ending->strength);
}

static void test_the_launcher_ends_with_its_host(void **state)
{
	struct ending ending = {.strength = box_open(state)->strength, .mark = mark_new()};
	in_a_host(end_in_order, &ending);
	assert_no_marked(ending.mark);
}

static void *run_a_while(void *box)
{
	assert_ended(box_run(box, probe("sleep", "300", NULL)), VISO_REASON_EXITED, 0, 0);
	return NULL;
}

/* Nobody makes new workers as long as the launcher's first process is stopped, as where no process can be made. */
static void few_workers(void *argument)
{
	enum { MOST = 4 }; /* as many channels are kept (launcher.c) */
	struct ending *ending = argument;
	pthread_t threads[MOST];
	pid_t launcher;
	mark_this_process(ending->mark);
	struct box *box = box_new(ending->strength, box_tree());
	run_one((void *)(intptr_t)ending->strength);
	/* What it has just forked still has its name. */
	await_that(marked_processes(ending->mark, "viso-launcher", 0, &launcher, 1) == 1);
	int workers = marked_processes(ending->mark, "viso-worker", 0, NULL, 0);
	assert_in_range(workers, 1, MOST);
	assert_int_equal(kill(launcher, SIGSTOP), 0);
	for (int i = 0; i < workers; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_a_while, box), 0);
	for (int i = 0; i < workers; i++)
		pthread_join(threads[i], NULL);
	/* All of them wait for the next command of this kind now. */
	viso_process *process = box_spawn(box, probe("exit", "3", NULL));
	assert_ended(box_wait(process), VISO_REASON_EXITED, 3, 0);
	viso_process_unref(process);
	for (int i = 0; i < 2; i++)
		assert_ended(box_run(box, probe("exit", "4", NULL)), VISO_REASON_EXITED, 4, 0);
	struct box *stays = box_new(ending->strength, box_tree());
	if (ending->strength == VISO_ISOLATION_JAIL) {
		assert_ok(viso_sandbox_start(stays->sandbox));
		assert_ended(box_run(stays, probe("exit", "5", NULL)), VISO_REASON_EXITED, 5, 0);
	}
	assert_int_equal(kill(launcher, SIGCONT), 0);
	box_close(stays);
	box_close(box);
}

static void test_workers_serve_whatever_comes(void **state)
{
	struct ending ending = {.strength = box_open(state)->strength, .mark = mark_new()};
	in_a_host(few_workers, &ending);
	assert_no_marked(ending.mark);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_one_launcher_for_all_threads),
		AT_EACH_STRENGTH(test_wait_in_the_host_sees_nothing),
		AT_EACH_STRENGTH(test_no_signal_of_children),
		AT_EACH_STRENGTH(test_the_launcher_ends_with_its_host),
		AT_EACH_STRENGTH(test_workers_serve_whatever_comes),
	};
	return cmocka_run_group_tests_name("one launcher", tests, NULL, box_group_teardown);
}
