/* SPDX-License-Identifier: MIT */
/*
 * Launcher processes that somebody has stopped: what asks them fails after a while, and the command goes on. That while
 * is ten seconds each time, so all host programs are at it at once.
 */
#include "box.h"
#include "host.h"
#include "marked.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { CALLS = 5 };

struct asking {
	struct box *box;
	viso_process *process;
	int call;
	long result;
};

static void *ask(void *argument)
{
	struct asking *asking = argument;
	viso_sandbox *sandbox = asking->box->sandbox;
	switch (asking->call) {
	case 0:
		asking->result = viso_sandbox_pids(sandbox, NULL, 0);
		break;
	case 1:
		asking->result = viso_sandbox_usage(sandbox, VISO_USAGE_USER_US);
		break;
	case 2:
		asking->result = viso_sandbox_pause(sandbox);
		break;
	case 3:
		asking->result = viso_sandbox_resume(sandbox);
		break;
	default:
		asking->result = asking->process ? viso_process_usage(asking->process, VISO_USAGE_USER_US) : -EAGAIN;
	}
	return NULL;
}

/* All at once, since each takes its time. */
static void assert_all_give_up(struct box *box, viso_process *process)
{
	struct asking asking[CALLS];
	pthread_t threads[CALLS];
	for (int i = 0; i < CALLS; i++) {
		asking[i] = (struct asking){.box = box, .process = process, .call = i};
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &asking[i]), 0);
	}
	for (int i = 0; i < CALLS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < CALLS; i++)
		assert_int_equal(asking[i].result, -EAGAIN);
}

static void send_all(unsigned mark, const char *name, int signal)
{
	pid_t pids[64];
	int count = marked_processes(mark, name, 0, pids, 64);
	assert_in_range(count, 1, 64);
	for (int i = 0; i < count; i++)
		kill(pids[i], signal);
}

static void stop_and_ask(void *argument)
{
	unsigned mark = mark_new();
	mark_this_process(mark);
	support_time_limit(50); /* a call that hangs would keep the test */
	struct box *box = box_new((viso_isolation)(intptr_t)argument, box_tree());
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	send_all(mark, "viso-worker", SIGSTOP);
	assert_all_give_up(box, process);
	send_all(mark, "viso-worker", SIGCONT);
	/* Answers that nobody waits for any more do no harm. */
	assert_int_equal(viso_sandbox_resume(box->sandbox), 1);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 1);
	viso_process_unref(process);
	box_close(box);
	support_time_limit(0);
}

static void stop_holder_and_ask(void *argument)
{
	unsigned mark = mark_new();
	mark_this_process(mark);
	support_time_limit(50);
	struct box *box = box_new((viso_isolation)(intptr_t)argument, box_tree());
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_prints(box, probe("background", "1", NULL), "left\n");
	await_that(viso_sandbox_pids(box->sandbox, NULL, 0) == 1);
	send_all(mark, "viso-worker", SIGSTOP);
	assert_all_give_up(box, NULL);
	send_all(mark, "viso-worker", SIGCONT);
	assert_ok(viso_sandbox_resume(box->sandbox));
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 1);
	box_close(box);
	support_time_limit(0);
}

struct closing {
	struct box *box;
	viso_process *process; /* let go of, if there is one */
	bool prepared;
	long result;
};

static void *end(void *argument)
{
	struct closing *closing = argument;
	if (closing->prepared)
		closing->result = viso_container_prepare(closing->box->container, 0);
	else if (closing->process)
		viso_process_unref(closing->process);
	else
		closing->result = viso_sandbox_close(closing->box->sandbox);
	return NULL;
}

/* What is asked to end is waited for, but not for ever: who is stopped is killed then. All at once, as above. */
static void stop_and_end(void *argument)
{
	viso_isolation strength = (viso_isolation)(intptr_t)argument;
	unsigned mark = mark_new();
	mark_this_process(mark);
	support_time_limit(50);
	struct closing closing[4] = {{.box = box_new(strength, box_tree())},
				     {.box = box_new(strength, box_tree())},
				     {.box = box_new(strength, box_tree())},
				     {.box = box_new(strength, box_tree())}};
	pthread_t threads[4];
	int count = strength == VISO_ISOLATION_CONTAINER && geteuid() == 0 ? 4 : 3;
	viso_process *lost = box_spawn(closing[0].box, shell("probe sleep | probe sleep"));
	assert_ok(viso_sandbox_start(closing[1].box->sandbox));
	assert_prints(closing[1].box, probe("background", "1", NULL), "left\n");
	assert_ok(viso_sandbox_start(closing[2].box->sandbox));
	closing[2].process = box_spawn(closing[2].box, probe("sleep", NULL));
	if (count == 4)
		assert_ok(viso_container_prepare(closing[3].box->container, 2));
	closing[3].prepared = true;
	send_all(mark, "viso-worker", SIGSTOP);
	for (int i = 0; i < count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, end, &closing[i]), 0);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < count; i++)
		assert_int_equal(closing[i].result, 0);
	assert_int_equal(viso_process_wait(lost, 0, NULL), -EPIPE);
	viso_process_unref(lost);
	for (int i = 0; i < 4; i++)
		box_close(closing[i].box);
	/* The next one has a new worker. */
	struct box *next = box_new(strength, box_tree());
	assert_prints(next, shell("echo next"), "next\n");
	box_close(next);
	support_time_limit(0);
}

enum scene { STOPPED_WORKERS, STOPPED_HOLDER, ENDING, SCENES };

/* With the first test all begin; where a strength does not work here, nobody asks how its hosts end. */
static void play(void **state, enum scene scene)
{
	static void (*const scenes[SCENES])(void *) = {stop_and_ask, stop_holder_and_ask, stop_and_end};
	static pid_t hosts[VISO_ISOLATION_CONTAINER + 1][SCENES];
	viso_isolation strength = box_open(state)->strength;
	bool begun = hosts[strength][scene];
	for (int i = VISO_ISOLATION_JAIL; i <= VISO_ISOLATION_CONTAINER && !begun; i++)
		for (int j = 0; j < SCENES; j++)
			hosts[i][j] = host_start(scenes[j], (void *)(intptr_t)i);
	host_must_succeed(hosts[strength][scene]);
}

static void test_stopped_workers(void **state)
{
	play(state, STOPPED_WORKERS);
}

static void test_stopped_holder(void **state)
{
	play(state, STOPPED_HOLDER);
}

static void test_ending_what_is_stopped(void **state)
{
	play(state, ENDING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_stopped_workers),
		AT_EACH_STRENGTH(test_stopped_holder),
		AT_EACH_STRENGTH(test_ending_what_is_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, box_group_teardown);
}
