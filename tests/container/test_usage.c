/* SPDX-License-Identifier: MIT */
/* What running commands use, and what ended ones have used. */
#include "groups.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Waits until the figure is at least so large. */
static int64_t await(viso_process *process, viso_usage usage, int64_t least)
{
	int64_t value = -1;
	for (int i = 0; i < 6000; i++) {
		value = viso_process_usage(process, usage);
		assert_ok(value);
		if (value >= least)
			return value;
		usleep(5000);
	}
	fail_msg("figure %d stays at %lld", (int)usage, (long long)value);
	return value;
}

static void test_running_command(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, shell("probe sleep | probe sleep | probe spin"));
	await(process, VISO_USAGE_USER_US, 20000);
	await(process, VISO_USAGE_PROCESSES, 4);
	assert_int_equal(viso_process_usage(process, VISO_USAGE_PROCESSES), 4);
	await(process, VISO_USAGE_WALL_US, 20000); /* on two processors it may be less than what was used there */
	assert_true(viso_process_usage(process, VISO_USAGE_MEMORY) > 0);
	assert_true(viso_process_usage(process, VISO_USAGE_MEMORY_PEAK) > 0);
	assert_true(viso_process_usage(process, VISO_USAGE_MINOR_FAULTS) > 0);
	assert_true(viso_sandbox_usage(box->sandbox, VISO_USAGE_PROCESSES) == 4);
	int fds = support_count_fds();
	viso_process_unref(process);
	support_assert_nothing_left(fds - 1);
}

static void test_what_nobody_counts(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_fails((int)viso_process_usage(process, VISO_USAGE_CPU_PRESSURE_US), ENODATA, VISO_STAGE_PROCESS,
		     "viso_process_usage");
	assert_fails((int)viso_process_usage(process, (viso_usage)(VISO_USAGE_INTERRUPTS + 1)), EINVAL,
		     VISO_STAGE_ARGUMENT, "viso_process_usage");
	assert_fails((int)viso_process_usage(process, (viso_usage)-1), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_process_usage");
	assert_fails((int)viso_process_usage(NULL, VISO_USAGE_WALL_US), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_process_usage");
	viso_process_unref(process);
}

static void test_ended_command(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("work", "60", NULL));
	viso_result *result = box_wait(process);
	for (int i = VISO_USAGE_WALL_US; i <= VISO_USAGE_IO_PRESSURE_US; i++)
		assert_int_equal(viso_process_usage(process, (viso_usage)i), viso_result_usage(result, (viso_usage)i));
	/* How both share it the kernel guesses by its ticks. */
	assert_true(viso_process_usage(process, VISO_USAGE_USER_US) +
			    viso_process_usage(process, VISO_USAGE_SYSTEM_US) >
		    0);
	assert_int_equal(viso_process_usage(process, VISO_USAGE_PROCESSES), 0);
	viso_result_unref(result);
	viso_process_unref(process);
	/* Nothing runs any more. */
	assert_int_equal(viso_sandbox_usage(box->sandbox, VISO_USAGE_USER_US), 0);
}

/* Nobody has waited for it yet. */
static void test_command_that_has_just_ended(void **state)
{
	struct box *box = box_open(state);
	for (int i = 0; i < 30; i++) {
		viso_process *process = box_spawn(box, probe("exit", NULL));
		assert_ok(viso_process_usage(process, VISO_USAGE_WALL_US));
		assert_ok(viso_process_wait(process, -1, NULL));
		viso_process_unref(process);
	}
}

static void test_memory_of_a_group(void **state)
{
	struct box *box = box_open(state);
	assert_ok(box_set_memory_max(box, 64 << 20));
	assert_ok(box_set_processes_max(box, 3));
	skip_without_controller(box, "memory");
	viso_process *process = box_spawn(box, shell("x=$(probe write 5000000); probe sleep; :"));
	await(process, VISO_USAGE_MEMORY, 5000000);
	await(process, VISO_USAGE_PROCESSES, 2);
	assert_true(viso_process_usage(process, VISO_USAGE_MEMORY_PEAK) >= 5000000);
	assert_int_equal(viso_process_usage(process, VISO_USAGE_OOM_KILLS), 0);
	viso_process_unref(process);

	viso_result *result = box_run(box, probe("fork", "20", NULL));
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "2 EAGAIN\n");
	assert_true(viso_result_usage(result, VISO_USAGE_PROCESSES_MAX_EVENTS) > 0);
	assert_int_equal(viso_result_usage(result, VISO_USAGE_OOM_KILLS), 0);
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
	result = box_run(box, probe("eat", "200000000", NULL));
	assert_true(viso_result_usage(result, VISO_USAGE_OOM_KILLS) > 0);
	assert_ended(result, VISO_REASON_OUT_OF_MEMORY, -1, SIGKILL);
}

/* By the group of version 2 that a container with limits has beside those of version 1. */
static void test_pressure(void **state)
{
	struct box *box = box_open(state);
	skip_without(group_version(NULL) == 2 && !access("/proc/pressure/cpu", F_OK), "pressure of version 2 groups");
	assert_ok(viso_container_set_cpus(box->container, "0"));
	skip_without_controller(box, "cpuset");
	viso_process *process = box_spawn(box, shell("probe spin | probe spin | probe spin | probe spin"));
	await(process, VISO_USAGE_CPU_PRESSURE_US, 1000);
	assert_ok(viso_process_usage(process, VISO_USAGE_MEMORY_PRESSURE_US));
	assert_ok(viso_process_usage(process, VISO_USAGE_IO_PRESSURE_US));
	assert_ok(viso_process_kill(process));
	viso_result *result = box_wait(process);
	assert_true(viso_result_usage(result, VISO_USAGE_CPU_PRESSURE_US) >= 1000);
	viso_result_unref(result);
	viso_process_unref(process);
}

/* Of the rig's disk, of which nothing is in memory. */
static void test_bytes_of_a_disk(void **state)
{
	struct box *box = box_open(state);
	unsigned major_number, minor_number;
	skip_without(getenv("VISO_TEST_DISK"), "a disk to read from; tests/rig/rig has one");
	const char *disk = group_disk(&major_number, &minor_number);
	assert_ok(viso_container_set_io_max(box->container, disk, VISO_IO_READ_BYTES, 1 << 30));
	skip_without_controller(box, "io");
	int fd = open(disk, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	viso_command *command = probe("cat", NULL);
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDIN, fd));
	viso_result *result = box_run(box, command);
	assert_true(viso_result_usage(result, VISO_USAGE_READ_BYTES) >= 16 << 20);
	assert_true(viso_result_usage(result, VISO_USAGE_WRITTEN_BYTES) >= 0);
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
	close(fd);
}

static void test_several_commands(void **state)
{
	struct box *box = box_open(state);
	viso_process *first = box_spawn(box, probe("sleep", NULL));
	viso_process *second = box_spawn(box, probe("sleep", NULL));
	assert_int_equal(viso_sandbox_usage(box->sandbox, VISO_USAGE_PROCESSES), 2);
	assert_fails((int)viso_sandbox_usage(box->sandbox, VISO_USAGE_IO_PRESSURE_US), ENODATA, VISO_STAGE_PROCESS,
		     "viso_sandbox_usage");
	viso_process_unref(first);
	viso_process_unref(second);
	assert_int_equal(viso_sandbox_usage(box->sandbox, VISO_USAGE_PROCESSES), 0);
	assert_ok(viso_sandbox_close(box->sandbox));
	assert_fails((int)viso_sandbox_usage(box->sandbox, VISO_USAGE_PROCESSES), ESTALE, VISO_STAGE_ARGUMENT,
		     "viso_sandbox_usage");
}

static void test_instance(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_sandbox_start(box->sandbox));
	viso_process *process = box_spawn(box, shell("probe sleep | probe sleep"));
	await_that(viso_sandbox_usage(box->sandbox, VISO_USAGE_PROCESSES) == 3);
	assert_true(viso_sandbox_usage(box->sandbox, VISO_USAGE_MEMORY) > 0);
	/* Which of them are this command's is not told apart in a jail. */
	assert_int_equal(viso_process_usage(process, VISO_USAGE_PROCESSES), box->jail ? -ENODATA : 3);
	assert_ok(viso_process_usage(process, VISO_USAGE_WALL_US));
	viso_process_unref(process);
}

static void test_guests_are_counted_at_their_end(void **state)
{
	struct box *box = box_open(state);
	assert_fails((int)viso_sandbox_usage(box->sandbox, VISO_USAGE_USER_US), EOPNOTSUPP, VISO_STAGE_ARGUMENT,
		     "viso_sandbox_usage");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_running_command),
		AT_EACH_STRENGTH(test_what_nobody_counts),
		AT_EACH_STRENGTH(test_ended_command),
		AT_EACH_STRENGTH(test_command_that_has_just_ended),
		AT_EACH_STRENGTH(test_memory_of_a_group),
		AT_CONTAINER(test_pressure),
		AT_CONTAINER(test_bytes_of_a_disk),
		AT_EACH_STRENGTH(test_several_commands),
		AT_EACH_STRENGTH(test_instance),
		AT_GUEST(test_guests_are_counted_at_their_end),
	};
	return cmocka_run_group_tests_name("usage", tests, NULL, box_group_teardown);
}
