/* SPDX-License-Identifier: MIT */
#include "box.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tree.h"

enum { CAPTURE_MAX = 65536 };

/* Tried out once, since what can be asked about a machine is not all that matters. */
static bool strength_works(viso_isolation strength)
{
	static int known[4]; /* 0: not tried; 1: works; -1: does not */
	if (!known[strength]) {
		struct box *box = box_new(strength, box_tree());
		viso_command *command = probe("exit", "0", NULL);
		known[strength] = viso_sandbox_run(box->sandbox, command, NULL) == 0 ? 1 : -1;
		if (known[strength] < 0)
			printf("# %s\n", viso_error_message());
		viso_command_unref(command);
		box_close(box);
	}
	return known[strength] > 0;
}

void skip_without_strength(viso_isolation strength)
{
	/* As root everything has to work, so that a defect does not pass for a missing facility. */
	if (strength == VISO_ISOLATION_GUEST)
		skip_without(strength_works(strength), "a usable /dev/kvm");
	else if (geteuid() != 0)
		skip_without(strength_works(strength), "user namespaces for ordinary users");
}

struct box *box_new(viso_isolation strength, const char *directory)
{
	struct box *box = calloc(1, sizeof(*box));
	assert_non_null(box);
	box->strength = strength;
	box->fds = support_count_fds();
	box->root = viso_root_new();
	assert_non_null(box->root);
	assert_ok(viso_root_use_directory(box->root, directory));
	if (strength == VISO_ISOLATION_JAIL) {
		box->jail = viso_jail_new();
		assert_ok(viso_jail_set_root(box->jail, box->root));
		box->sandbox = viso_jail_sandbox(box->jail);
	} else if (strength == VISO_ISOLATION_GUEST) {
		box->guest = viso_guest_new();
		assert_ok(viso_guest_set_root(box->guest, box->root));
		box->sandbox = viso_guest_sandbox(box->guest);
	} else {
		box->container = viso_container_new();
		assert_ok(viso_container_set_root(box->container, box->root));
		box->sandbox = viso_container_sandbox(box->container);
	}
	assert_non_null(box->sandbox);
	return box;
}

void box_close(struct box *box)
{
	if (!box)
		return;
	viso_jail_unref(box->jail);
	viso_container_unref(box->container);
	viso_guest_unref(box->guest);
	viso_root_unref(box->root);
	free(box);
}

static struct box *open_box;

struct box *box_open(void **state)
{
	viso_isolation strength = (viso_isolation)(intptr_t)*state;
	support_time_limit(60);
	skip_without_strength(strength);
	box_close(open_box);
	open_box = box_new(strength, box_tree());
	return open_box;
}

int box_teardown(void **state)
{
	box_close(open_box);
	open_box = NULL;
	support_time_limit(0);
	return 0;
}

int box_set_memory_max(struct box *box, uint64_t bytes)
{
	return box->jail ? viso_jail_set_memory_max(box->jail, bytes)
			 : viso_container_set_memory_max(box->container, bytes);
}

int box_set_processes_max(struct box *box, uint64_t count)
{
	return box->jail ? viso_jail_set_processes_max(box->jail, count)
			 : viso_container_set_processes_max(box->container, count);
}

static void prepare(viso_command *command)
{
	assert_non_null(command);
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(command, CAPTURE_MAX));
}

viso_command *probe(const char *first, ...)
{
	viso_command *command = viso_command_new("/bin/probe");
	prepare(command);
	va_list args;
	va_start(args, first);
	for (const char *arg = first; arg; arg = va_arg(args, const char *))
		assert_ok(viso_command_add_arg(command, arg));
	va_end(args);
	return command;
}

viso_command *shell(const char *script)
{
	viso_command *command = viso_command_new("/bin/sh");
	prepare(command);
	assert_ok(viso_command_add_arg(command, "-c"));
	assert_ok(viso_command_add_arg(command, script));
	return command;
}

viso_result *box_run(struct box *box, viso_command *command)
{
	viso_result *result = NULL;
	assert_ok(viso_sandbox_run(box->sandbox, command, &result));
	assert_non_null(result);
	viso_command_unref(command);
	return result;
}

viso_process *box_spawn(struct box *box, viso_command *command)
{
	viso_process *process = NULL;
	assert_ok(viso_sandbox_spawn(box->sandbox, command, &process));
	assert_non_null(process);
	viso_command_unref(command);
	return process;
}

viso_result *box_wait(viso_process *process)
{
	viso_result *result = NULL;
	assert_ok(viso_process_wait(process, 20000, &result));
	assert_non_null(result);
	return result;
}

void check_ended(const viso_result *result, viso_reason reason, int exit_code, int signal)
{
	if (viso_result_reason(result) != (int)reason || viso_result_exit_code(result) != exit_code ||
	    viso_result_signal(result) != signal)
		print_error("it %s; stderr: %s\n", viso_result_describe(result),
			    viso_result_output(result, VISO_STDERR, NULL));
	assert_int_equal(viso_result_reason(result), reason);
	assert_int_equal(viso_result_exit_code(result), exit_code);
	assert_int_equal(viso_result_signal(result), signal);
	assert_true(strlen(viso_result_describe(result)) > 0);
}

void assert_ended(viso_result *result, viso_reason reason, int exit_code, int signal)
{
	check_ended(result, reason, exit_code, signal);
	viso_result_unref(result);
}

void assert_prints(struct box *box, viso_command *command, const char *expected)
{
	viso_result *result = box_run(box, command);
	size_t size;
	const char *output = viso_result_output(result, VISO_STDOUT, &size);
	assert_string_equal(output, expected);
	assert_int_equal(size, strlen(expected));
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
}

void assert_start_fails(struct box *box, viso_command *command, int error, viso_stage stage, const char *object_part)
{
	viso_process *process = (viso_process *)-1;
	viso_result *result = (viso_result *)-1;
	assert_fails(viso_sandbox_spawn(box->sandbox, command, &process), error, stage, object_part);
	assert_ptr_equal(process, (viso_process *)-1);
	assert_fails(viso_sandbox_run(box->sandbox, command, &result), error, stage, object_part);
	assert_ptr_equal(result, (viso_result *)-1);
	viso_command_unref(command);
}
