/* SPDX-License-Identifier: MIT */
/* Handles from first to last: the order of calls, closing while commands run and while they start. */
#include "box.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static int set_network(struct box *box, viso_network network)
{
	return box->jail ? viso_jail_set_network(box->jail, network)
			 : viso_container_set_network(box->container, network);
}

static int set_root(struct box *box, viso_root *root)
{
	return box->jail ? viso_jail_set_root(box->jail, root) : viso_container_set_root(box->container, root);
}

static void test_settings_are_frozen_by_the_first_command(void **state)
{
	struct box *box = box_open(state);
	assert_ok(set_network(box, VISO_NETWORK_HOST));
	assert_fails(set_network(box, (viso_network)6), EINVAL, VISO_STAGE_ARGUMENT, "set_network");
	assert_ok(set_network(box, VISO_NETWORK_NONE));
	assert_ok(set_root(box, box->root));
	assert_fails(set_root(box, NULL), EINVAL, VISO_STAGE_ARGUMENT, "set_root");
	assert_prints(box, probe("cwd", NULL), "/\n");
	assert_fails(set_network(box, VISO_NETWORK_NONE), EBUSY, VISO_STAGE_ARGUMENT, "set_network");
	assert_fails(set_root(box, box->root), EBUSY, VISO_STAGE_ARGUMENT, "set_root");
	assert_fails(box_set_memory_max(box, 1 << 30), EBUSY, VISO_STAGE_ARGUMENT, "set_memory_max");
	assert_fails(box_set_processes_max(box, 10), EBUSY, VISO_STAGE_ARGUMENT, "set_processes_max");
	if (box->container) {
		assert_fails(viso_container_set_hostname(box->container, "x"), EBUSY, VISO_STAGE_ARGUMENT, "hostname");
		assert_fails(viso_container_add_capability(box->container, "kill"), EBUSY, VISO_STAGE_ARGUMENT,
			     "capability");
	}
	assert_prints(box, probe("cwd", NULL), "/\n");
}

static void test_nothing_works_after_close(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, probe("cwd", NULL), "/\n");
	assert_ok(viso_sandbox_close(box->sandbox));
	assert_ok(viso_sandbox_close(box->sandbox));
	assert_start_fails(box, probe("cwd", NULL), ESTALE, VISO_STAGE_ARGUMENT, "viso_sandbox_");
	assert_fails(viso_sandbox_kill(box->sandbox), ESTALE, VISO_STAGE_ARGUMENT, "viso_sandbox_kill");
	assert_fails(viso_sandbox_signal(box->sandbox, 1), ESTALE, VISO_STAGE_ARGUMENT, "viso_sandbox_signal");
	assert_fails(set_root(box, box->root), ESTALE, VISO_STAGE_ARGUMENT, "set_root");
	assert_int_equal(viso_sandbox_isolation(box->sandbox), box->strength);
}

static void test_no_root(void **state)
{
	struct box *box = box_open(state);
	viso_jail *jail = viso_jail_new();
	viso_container *container = viso_container_new();
	struct box without = {.sandbox = box->jail ? viso_jail_sandbox(jail) : viso_container_sandbox(container)};
	assert_start_fails(&without, probe("cwd", NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_");
	/* That was no command: settings can still be made. */
	assert_ok(box->jail ? viso_jail_set_root(jail, box->root) : viso_container_set_root(container, box->root));
	assert_prints(&without, probe("cwd", NULL), "/\n");
	viso_jail_unref(jail);
	viso_container_unref(container);
}

static void test_null_handles(void **state)
{
	viso_process *process = NULL;
	viso_command *command = viso_command_new("x");
	viso_jail *jail = viso_jail_new();
	assert_fails(viso_sandbox_run(NULL, command, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_run");
	assert_fails(viso_sandbox_spawn(NULL, command, &process), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_spawn");
	assert_fails(viso_sandbox_spawn(viso_jail_sandbox(jail), NULL, &process), EINVAL, VISO_STAGE_ARGUMENT, "spawn");
	assert_fails(viso_sandbox_spawn(viso_jail_sandbox(jail), command, NULL), EINVAL, VISO_STAGE_ARGUMENT, "spawn");
	assert_fails(viso_sandbox_close(NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_close");
	assert_fails(viso_sandbox_kill(NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_kill");
	assert_fails(viso_sandbox_signal(NULL, 1), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_signal");
	assert_fails(viso_sandbox_isolation(NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_isolation");
	assert_null(viso_jail_sandbox(NULL));
	assert_null(viso_container_sandbox(NULL));
	assert_fails(viso_jail_set_root(NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_jail_set_root");
	assert_fails(viso_container_set_hostname(NULL, "x"), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_container_set_hostname");
	assert_null(viso_jail_unref(NULL));
	assert_null(viso_container_unref(NULL));
	assert_null(viso_command_unref(NULL));
	assert_null(viso_command_new(NULL));
	assert_null(viso_command_new(""));
	assert_string_equal(viso_isolation_name(VISO_ISOLATION_JAIL), "jail");
	assert_null(viso_isolation_name((viso_isolation)4));
	viso_command_unref(command);
	viso_jail_unref(jail);
}

static void test_close_ends_what_runs(void **state)
{
	struct box *box = box_open(state);
	viso_process *first = box_spawn(box, probe("sleep", NULL));
	viso_process *second = box_spawn(box, shell("trap '' TERM; probe sleep & probe sleep"));
	int pid = viso_process_pid(first);
	assert_ok(viso_sandbox_close(box->sandbox));
	assert_int_equal(kill(pid, 0), -1); /* gone by now, not soon */
	assert_ended(box_wait(first), VISO_REASON_KILLED, -1, SIGKILL);
	assert_ended(box_wait(second), VISO_REASON_KILLED, -1, SIGKILL);
	viso_process_unref(first);
	viso_process_unref(second);
}

static void *run_sleep(void *argument)
{
	struct box *box = argument;
	viso_result *result = NULL;
	viso_command *command = probe("sleep", NULL);
	int r = viso_sandbox_run(box->sandbox, command, &result);
	viso_command_unref(command);
	int reason = r < 0 ? r : viso_result_reason(result);
	viso_result_unref(result);
	return (void *)(intptr_t)reason;
}

static void test_close_ends_what_other_threads_run(void **state)
{
	struct box *box = box_open(state);
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_sleep, box), 0);
	/* It does nothing to them. */
	await_that(viso_sandbox_signal(box->sandbox, SIGCHLD) == 4);
	assert_ok(viso_sandbox_close(box->sandbox));
	for (int i = 0; i < 4; i++) {
		void *reason;
		pthread_join(threads[i], &reason);
		assert_int_equal((intptr_t)reason, VISO_REASON_KILLED);
	}
}

struct starter {
	struct box *box;
	atomic_int started;
	atomic_int wrong;
};

/* Starts until the sandbox is closed; whatever was started before must have ended by being killed. */
static void *start_until_closed(void *argument)
{
	struct starter *starter = argument;
	viso_command *command = probe("sleep", NULL);
	for (;;) {
		viso_process *process = NULL;
		viso_result *result = NULL;
		int r = viso_sandbox_spawn(starter->box->sandbox, command, &process);
		if (r < 0) {
			if (r != -ESTALE) {
				print_error("spawn: %d %s\n", r, viso_error_message());
				atomic_fetch_add(&starter->wrong, 1);
			}
			break;
		}
		atomic_fetch_add(&starter->started, 1);
		r = viso_process_wait(process, 20, NULL);
		if (r == -ETIMEDOUT)
			r = viso_process_kill(process) < 0 ? -1 : viso_process_wait(process, 10000, &result);
		else if (r == 0)
			r = viso_process_wait(process, 0, &result);
		if (r < 0 || viso_result_reason(result) != VISO_REASON_KILLED || viso_process_pid(process) <= 1) {
			print_error("wait: %d %s; %s; pid %d\n", r, viso_error_message(), viso_result_describe(result),
				    viso_process_pid(process));
			atomic_fetch_add(&starter->wrong, 1);
		}
		viso_result_unref(result);
		viso_process_unref(process);
	}
	viso_command_unref(command);
	return NULL;
}

static void test_close_while_commands_start(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	for (int round = 0; round < 40; round++) {
		struct starter starter = {.box = box_new(strength, box_tree())};
		pthread_t threads[3];
		for (int i = 0; i < 3; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, start_until_closed, &starter), 0);
		usleep((useconds_t)(round * 250));
		assert_ok(viso_sandbox_close(starter.box->sandbox));
		for (int i = 0; i < 3; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(starter.wrong, 0);
		box_close(starter.box);
	}
}

static void test_processes_outlive_their_sandbox(void **state)
{
	struct box *box = box_open(state);
	struct box *other = box_new(box->strength, box_tree());
	viso_process *process = box_spawn(other, probe("sleep", NULL));
	box_close(other);
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	viso_process_unref(process);
}

static void test_nothing_is_left_after_failures(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, probe("cwd", NULL), "/\n"); /* the launcher's sockets stay */
	int fds = support_count_fds();
	viso_command *command = probe("cwd", NULL);
	assert_ok(viso_command_set_cwd(command, "/not/there"));
	for (int i = 0; i < 20; i++)
		assert_start_fails(box, viso_command_ref(command), ENOENT, VISO_STAGE_CWD, "/not/there");
	viso_command_unref(command);
	support_assert_nothing_left(fds);
}

static void test_references(void **state)
{
	struct box *box = box_open(state);
	if (box->jail) {
		assert_ptr_equal(viso_jail_ref(box->jail), box->jail);
		viso_jail_unref(box->jail);
	} else {
		assert_ptr_equal(viso_container_ref(box->container), box->container);
		viso_container_unref(box->container);
	}
	assert_prints(box, probe("cwd", NULL), "/\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_settings_are_frozen_by_the_first_command),
		AT_EACH_STRENGTH(test_nothing_works_after_close),
		AT_EACH_STRENGTH(test_no_root),
		cmocka_unit_test(test_null_handles),
		AT_EACH_STRENGTH(test_close_ends_what_runs),
		AT_ALL_STRENGTHS(test_close_ends_what_other_threads_run),
		AT_EACH_STRENGTH(test_close_while_commands_start),
		AT_ALL_STRENGTHS(test_processes_outlive_their_sandbox),
		AT_ALL_STRENGTHS(test_nothing_is_left_after_failures),
		AT_EACH_STRENGTH(test_references),
	};
	return cmocka_run_group_tests_name("lifetime", tests, NULL, box_group_teardown);
}
