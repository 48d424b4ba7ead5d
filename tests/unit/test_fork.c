/* SPDX-License-Identifier: MIT */
/*
 * After a fork the child's calls on inherited handles give -ECHILD, and releasing them leaves the parent's commands and
 * roots alone; with handles of its own the child starts afresh.
 */
#include "support.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <virtiso.h>

static const char busybox[] = "/bin/busybox";

static viso_root *root;
static viso_jail *jail;
static viso_container *container;
static viso_guest *guest;
static viso_command *command;
static viso_process *process; /* NULL where no container runs here */

static bool container_works(void)
{
	viso_machine *machine = viso_machine_new();
	bool works = viso_machine_feature(machine, VISO_FEATURE_CONTAINER) == 1;
	viso_machine_unref(machine);
	return works && access(busybox, X_OK) == 0;
}

static int set_up(void **state)
{
	root = viso_root_new();
	jail = viso_jail_new();
	container = viso_container_new();
	guest = viso_guest_new();
	command = viso_command_new(busybox);
	assert_ok(viso_command_add_arg(command, "sleep"));
	assert_ok(viso_command_add_arg(command, "1000"));
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(command, 100));
	assert_ok(viso_root_add_data(root, "/some/file", "data", 4, 0644));
	if (container_works()) {
		assert_ok(viso_root_add_program(root, busybox));
		assert_ok(viso_container_set_root(container, root));
		assert_ok(viso_sandbox_spawn(viso_container_sandbox(container), command, &process));
	}
	return 0;
}

static int tear_down(void **state)
{
	process = viso_process_unref(process);
	command = viso_command_unref(command);
	guest = viso_guest_unref(guest);
	container = viso_container_unref(container);
	jail = viso_jail_unref(jail);
	root = viso_root_unref(root);
	return 0;
}

static int failures;

static void check(const char *call, int result)
{
	if (result == -ECHILD && viso_error_number() == ECHILD && viso_error_message()[0])
		return;
	fprintf(stderr, "%s: %d, %s\n", call, result, viso_error_message());
	failures++;
}

#define GONE(call) check(#call, (call))

static void use_sandbox(viso_sandbox *sandbox)
{
	viso_process *other = NULL;
	GONE(viso_sandbox_spawn(sandbox, command, &other));
	GONE(viso_sandbox_run(sandbox, command, NULL));
	GONE(viso_sandbox_signal(sandbox, SIGTERM));
	GONE(viso_sandbox_kill(sandbox));
	GONE(viso_sandbox_close(sandbox));
}

static int use_inherited(void)
{
	GONE(viso_root_add_program(root, busybox));
	GONE(viso_root_add_file(root, "/etc/passwd", NULL));
	GONE(viso_root_add_directory(root, "/etc", NULL));
	GONE(viso_root_add_data(root, "/x", "x", 1, 0644));
	GONE(viso_root_add_user(root, "x", 1, 1, NULL, NULL));
	GONE(viso_root_add_group(root, "x", 1));
	GONE(viso_root_add_archive(root, "/x.tar", NULL));
	GONE(viso_root_add_image(root, "/x", NULL));
	GONE(viso_image_write(root, VISO_IMAGE_INITRAMFS, "/tmp/x"));
	GONE(viso_root_use_directory(root, "/tmp"));
	GONE(viso_root_set_path(root, "/tmp/x"));
	GONE(viso_root_build(root));
	GONE(viso_jail_set_root(jail, root));
	GONE(viso_jail_set_memory_max(jail, 1 << 30));
	GONE(viso_jail_set_processes_max(jail, 10));
	GONE(viso_jail_set_network(jail, VISO_NETWORK_NONE));
	GONE(viso_container_set_root(container, root));
	GONE(viso_container_set_memory_max(container, 1 << 30));
	GONE(viso_container_set_processes_max(container, 10));
	GONE(viso_container_set_network(container, VISO_NETWORK_NONE));
	GONE(viso_container_set_hostname(container, "x"));
	GONE(viso_container_add_capability(container, "net_raw"));
	use_sandbox(viso_jail_sandbox(jail));
	use_sandbox(viso_container_sandbox(container));
	if (guest) {
		GONE(viso_guest_set_root(guest, root));
		GONE(viso_guest_set_memory_max(guest, 1 << 30));
		use_sandbox(viso_guest_sandbox(guest));
	}
	if (process) {
		GONE(viso_process_pid(process));
		GONE(viso_process_fd(process));
		GONE(viso_process_take_stream(process, VISO_STDOUT));
		GONE(viso_process_signal(process, SIGTERM));
		GONE(viso_process_kill(process));
		GONE(viso_process_wait(process, 0, NULL));
	}
	return failures != 0;
}

static int release_inherited(void)
{
	return tear_down(NULL);
}

static int start_afresh(void)
{
	int r = release_inherited() || set_up(NULL);
	viso_result *result = NULL;
	r = r || viso_process_kill(process) || viso_process_wait(process, 20000, &result);
	r = r || viso_result_reason(result) != VISO_REASON_KILLED;
	viso_result_unref(result);
	return r || tear_down(NULL);
}

static void assert_in_child(int (*work)(void))
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		alarm(60);
		_exit(work());
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_inherited_handles_are_refused(void **state)
{
	assert_in_child(use_inherited);
}

static void test_releasing_in_the_child_harms_nothing(void **state)
{
	skip_without(process, "a container with busybox-static");
	char *file = NULL;
	viso_result *result = NULL;
	assert_in_child(release_inherited);
	assert_true(asprintf(&file, "%s/some/file", viso_root_path(root)) > 0);
	assert_int_equal(access(file, R_OK), 0);
	assert_int_equal(viso_process_wait(process, 50, NULL), -ETIMEDOUT);
	assert_ok(viso_process_kill(process));
	assert_ok(viso_process_wait(process, 20000, &result));
	assert_int_equal(viso_result_reason(result), VISO_REASON_KILLED);
	viso_result_unref(result);
	free(file);
}

static void test_a_child_starts_afresh(void **state)
{
	skip_without(process, "a container with busybox-static");
	assert_in_child(start_afresh);
	assert_int_equal(viso_process_wait(process, 50, NULL), -ETIMEDOUT);
	/* The launcher still serves the parent. */
	viso_process *other = NULL;
	assert_ok(viso_sandbox_spawn(viso_container_sandbox(container), command, &other));
	viso_process_unref(other);
}

enum { CANNOT = 77 };

/* Both are number 1, each of a namespace of its own (pid_namespaces(7)): the number alone does not tell them apart. */
static int be_first_twice(void)
{
	viso_guest *inherited = viso_guest_new();
	if (getpid() != 1 || !inherited || unshare(CLONE_NEWPID) < 0)
		return CANNOT;
	int status = 1, r = viso_guest_cancel(inherited);
	pid_t child = fork();
	if (child == 0)
		_exit(getpid() == 1 && viso_guest_cancel(inherited) == -ECHILD ? 0 : 1);
	if (child > 0 && waitpid(child, &status, 0) != child)
		status = 1;
	if (viso_guest_cancel(inherited) != r || r == -ECHILD)
		status = 1;
	viso_guest_unref(inherited);
	return status == 0 ? 0 : 1;
}

static void test_child_of_the_same_number(void **state)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		pid_t first = unshare(CLONE_NEWPID) == 0 ? fork() : -1;
		if (first == 0)
			_exit(be_first_twice());
		_exit(first < 0 ? CANNOT : waitpid(first, &status, 0) == first ? WEXITSTATUS(status) : 1);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	skip_without(!WIFEXITED(status) || WEXITSTATUS(status) != CANNOT, "pid namespaces");
	assert_int_equal(status, 0);
}

#define with_handles(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_handles(test_inherited_handles_are_refused),
		with_handles(test_releasing_in_the_child_harms_nothing),
		with_handles(test_a_child_starts_afresh),
		cmocka_unit_test(test_child_of_the_same_number),
	};
	return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
