/* SPDX-License-Identifier: MIT */
/* The pollable fd of a sandbox: ends, limits that were reached, pauses. */
#include "groups.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	return poll(&poll_fd, 1, timeout_ms) > 0;
}

/* The next event of this kind, which must come; others are passed over. */
static void assert_event(struct box *box, viso_event wanted, viso_process *about)
{
	int fd = viso_sandbox_fd(box->sandbox);
	assert_ok(fd);
	while (is_readable(fd, 20000)) {
		viso_process *process = NULL;
		int event = viso_sandbox_next_event(box->sandbox, &process);
		assert_ok(event);
		viso_process_unref(process);
		if (event != (int)wanted)
			continue;
		if (about)
			assert_ptr_equal(process, about);
		return;
	}
	fail_msg("no event %d", (int)wanted);
}

static void test_end(void **state)
{
	struct box *box = box_open(state);
	int fd = viso_sandbox_fd(box->sandbox);
	assert_ok(fd);
	assert_int_equal(viso_sandbox_fd(box->sandbox), fd);
	assert_false(is_readable(fd, 0));
	assert_int_equal(viso_sandbox_next_event(box->sandbox, NULL), VISO_EVENT_NONE);
	viso_process *process = box_spawn(box, probe("exit", "3", NULL));
	viso_process *other = box_spawn(box, probe("sleep", NULL));
	assert_event(box, VISO_EVENT_ENDED, process);
	/* The result is there when the event is. */
	viso_result *result = NULL;
	assert_ok(viso_process_wait(process, 0, &result));
	assert_ended(result, VISO_REASON_EXITED, 3, 0);
	assert_false(is_readable(fd, 0));
	assert_ok(viso_process_kill(other));
	assert_event(box, VISO_EVENT_ENDED, other);
	viso_process_unref(process);
	viso_process_unref(other);
}

static void test_end_of_a_run(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_sandbox_fd(box->sandbox));
	assert_prints(box, probe("print", NULL), "out\n");
	/* Nobody has that process. */
	viso_process *process = (viso_process *)box;
	assert_true(is_readable(viso_sandbox_fd(box->sandbox), 20000));
	assert_int_equal(viso_sandbox_next_event(box->sandbox, &process), VISO_EVENT_ENDED);
	assert_null(process);
}

static void test_start_that_fails_is_no_event(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_sandbox_fd(box->sandbox));
	viso_command *command = viso_command_new("/bin/not-there");
	assert_start_fails(box, command, ENOENT, VISO_STAGE_EXEC, "not-there");
	assert_false(is_readable(viso_sandbox_fd(box->sandbox), 50));
}

static void test_out_of_memory(void **state)
{
	struct box *box = box_open(state);
	assert_ok(box_set_memory_max(box, 32 << 20));
	skip_without_controller(box, "memory");
	assert_ok(viso_sandbox_fd(box->sandbox));
	viso_process *process = box_spawn(box, shell("probe eat 200000000; probe sleep"));
	/* While the command goes on. */
	assert_event(box, VISO_EVENT_OUT_OF_MEMORY, process);
	assert_int_equal(viso_process_wait(process, 0, NULL), -ETIMEDOUT);
	viso_process_unref(process);
}

static void test_memory_max(void **state)
{
	struct box *box = box_open(state);
	assert_ok(box_set_memory_max(box, 32 << 20));
	skip_without_controller(box, "memory");
	assert_ok(viso_sandbox_fd(box->sandbox));
	viso_process *process = box_spawn(box, probe("eat", "200000000", NULL));
	assert_event(box, VISO_EVENT_MEMORY_MAX, process);
	assert_event(box, VISO_EVENT_ENDED, process);
	viso_process_unref(process);
}

static void test_memory_high(void **state)
{
	struct box *box = box_open(state);
	skip_without(group_version("memory") == 2, "a memory controller of version 2");
	assert_ok(viso_container_set_memory_high(box->container, 16 << 20));
	skip_without_controller(box, "memory");
	assert_ok(viso_sandbox_fd(box->sandbox));
	viso_process *process = box_spawn(box, probe("eat", "40000000", NULL));
	assert_event(box, VISO_EVENT_MEMORY_HIGH, process);
	viso_process_unref(process);
}

static void test_processes_max(void **state)
{
	struct box *box = box_open(state);
	assert_ok(box_set_processes_max(box, 3));
	skip_without_controller(box, "pids");
	assert_ok(viso_sandbox_fd(box->sandbox));
	viso_process *process = box_spawn(box, shell("probe fork 20; probe sleep"));
	assert_event(box, VISO_EVENT_PROCESSES_MAX, process);
	assert_int_equal(viso_process_wait(process, 0, NULL), -ETIMEDOUT);
	viso_process_unref(process);
}

static void test_pause(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_sandbox_fd(box->sandbox));
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_int_equal(viso_sandbox_pause(box->sandbox), 1);
	assert_event(box, VISO_EVENT_PAUSED, process);
	assert_int_equal(viso_sandbox_resume(box->sandbox), 1);
	assert_event(box, VISO_EVENT_RESUMED, process);
	viso_process_unref(process);
}

/* A host that never reads keeps nobody. */
static void test_nobody_reads(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_sandbox_fd(box->sandbox));
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	/* The socket of an ordinary user is full after some hundred; that of root takes longer than there is time. */
	int rounds = geteuid() == 0 || getenv("VISO_RIG") ? 100 : 400;
	for (int i = 0; i < rounds; i++) {
		assert_int_equal(viso_sandbox_pause(box->sandbox), 1);
		assert_int_equal(viso_sandbox_resume(box->sandbox), 1);
	}
	assert_ok(viso_process_kill(process));
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	viso_process_unref(process);
}

static void test_only_later_commands_tell(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_ok(viso_sandbox_fd(box->sandbox));
	assert_ok(viso_process_kill(process));
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	assert_false(is_readable(viso_sandbox_fd(box->sandbox), 50));
	viso_process_unref(process);
}

static void test_instance(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_ok(viso_sandbox_fd(box->sandbox));
	viso_process *process = box_spawn(box, probe("exit", "3", NULL));
	assert_event(box, VISO_EVENT_ENDED, process);
	viso_process_unref(process);
}

static void test_arguments(void **state)
{
	struct box *box = box_open(state);
	assert_fails(viso_sandbox_fd(NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_fd");
	assert_fails(viso_sandbox_next_event(NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_next_event");
	assert_ok(viso_sandbox_close(box->sandbox));
	assert_fails(viso_sandbox_fd(box->sandbox), ESTALE, VISO_STAGE_ARGUMENT, "viso_sandbox_fd");
	assert_fails(viso_sandbox_next_event(box->sandbox, NULL), ESTALE, VISO_STAGE_ARGUMENT,
		     "viso_sandbox_next_event");
}

static void test_guests_tell_nothing(void **state)
{
	struct box *box = box_open(state);
	assert_fails(viso_sandbox_fd(box->sandbox), EOPNOTSUPP, VISO_STAGE_ARGUMENT, "viso_sandbox_fd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_end),
		AT_EACH_STRENGTH(test_end_of_a_run),
		AT_EACH_STRENGTH(test_start_that_fails_is_no_event),
		AT_EACH_STRENGTH(test_out_of_memory),
		AT_EACH_STRENGTH(test_memory_max),
		AT_CONTAINER(test_memory_high),
		AT_EACH_STRENGTH(test_processes_max),
		AT_EACH_STRENGTH(test_pause),
		AT_JAIL(test_nobody_reads),
		AT_EACH_STRENGTH(test_only_later_commands_tell),
		AT_EACH_STRENGTH(test_instance),
		AT_EACH_STRENGTH(test_arguments),
		AT_GUEST(test_guests_tell_nothing),
	};
	return cmocka_run_group_tests_name("events", tests, NULL, box_group_teardown);
}
