/* SPDX-License-Identifier: MIT */
/*
 * The guest tools in Debian's cloud kernel: the root, commands and files of a jail or container, in a computer. It
 * needs a KVM that runs ring 0: here in the rig.
 */
#include "tools_support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static viso_guest *guest;
static viso_sandbox *sandbox;
static viso_root *root;

/* What a root has decides how long it takes to make and to unpack. */
enum programs { SHELL, SHELL_AND_PYTHON };

/* One computer for all: booting takes the most time. */
static void need_guest_with(enum programs programs)
{
	need_kernels();
	char *kernel = tools_find_kernel();
	if (guest) {
		free(kernel);
		return;
	}
	guest = viso_guest_new();
	root = viso_root_new();
	sandbox = viso_guest_sandbox(guest);
	assert_ok(viso_root_add_program(root, "/bin/sh"));
	if (programs == SHELL_AND_PYTHON)
		assert_ok(viso_root_add_program(root, "/usr/bin/python3"));
	assert_ok(viso_root_add_program(root, "/bin/cat"));
	assert_ok(viso_guest_set_root(guest, root));
	assert_ok(viso_guest_set_kernel(guest, kernel));
	assert_ok(viso_guest_set_memory_max(guest, 384u << 20));
	assert_ok(viso_guest_set_command_line(guest, KERNEL_LINE));
	free(kernel);
}

static void need_guest(void)
{
	need_guest_with(SHELL_AND_PYTHON);
}

static void test_python(void **state)
{
	need_guest();
	assert_output(tools_run(sandbox, "python3", "-c", "print(6*7)"), 0, "42\n");
	assert_output(tools_run(sandbox, "/bin/sh", "-c", "echo $PWD $HOME; exit 5"), 5, "/ /\n");
	assert_output(tools_run(sandbox, "python3", "-c", "import os; print(os.getuid(), os.uname().nodename)"), 0,
		      "1000 guest\n");
}

static void test_start_again(void **state)
{
	need_guest();
	assert_ok(viso_sandbox_start(sandbox));
	viso_result *result = tools_run(sandbox, "/bin/sh", "-c", "kill -KILL $$");
	assert_int_equal(viso_result_signal(result), SIGKILL);
	viso_result_unref(result);
}

static void test_copies(void **state)
{
	char text[32] = "";
	need_guest();
	assert_ok(viso_sandbox_start(sandbox));
	char *directory = support_temporary_directory(), source[256], back[256];
	snprintf(source, sizeof(source), "%s/file", directory);
	snprintf(back, sizeof(back), "%s/back", directory);
	int fd = open(source, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "contents", 8), 8);
	close(fd);
	assert_ok(viso_sandbox_copy_in(sandbox, source, "/tmp/there"));
	assert_output(tools_run(sandbox, "/bin/sh", "-c", "cat /tmp/there"), 0, "contents");
	assert_int_equal(viso_sandbox_copy_out(sandbox, "/tmp/there", back), 0);
	fd = open(back, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text)), 8);
	close(fd);
	support_remove_tree(directory);
	free(directory);
}

static void test_terminal(void **state)
{
	char shown[512] = "";
	size_t size = 0;
	need_guest();
	viso_process *process = NULL;
	viso_command *command = viso_command_new("/bin/sh");
	assert_ok(viso_command_add_arg(command, "-c"));
	assert_ok(viso_command_add_arg(command, "read a; echo got $a"));
	assert_ok(viso_command_set_terminal(command, 80, 25));
	assert_ok(viso_sandbox_spawn(sandbox, command, &process));
	viso_command_unref(command);
	int terminal = viso_process_take_terminal(process);
	assert_ok(terminal);
	assert_int_equal(write(terminal, "x\n", 2), 2);
	for (ssize_t n; size < sizeof(shown) - 1 && (n = read(terminal, shown + size, sizeof(shown) - 1 - size)) > 0;)
		size += (size_t)n;
	assert_non_null(strstr(shown, "got x\r\n"));
	close(terminal);
	viso_process_unref(process);
}

static void test_shut_down(void **state)
{
	need_guest();
	assert_ok(viso_sandbox_start(sandbox));
	assert_ok(viso_guest_set_clock(guest, 20000));
	int64_t memory = viso_guest_statistic(guest, VISO_STATISTIC_MEMORY_TOTAL, 20000);
	assert_true(memory > 256 << 20 && memory < 384 << 20);
	assert_ok(viso_guest_shut_down(guest, VISO_SHUTDOWN_POWER_OFF, 60000));
	assert_fails(viso_guest_set_clock(guest, 20000), ESRCH, VISO_STAGE_GUEST, "viso_guest_set_clock");
	assert_fails(viso_sandbox_copy_in(sandbox, "/etc/hostname", "/tmp"), EINVAL, VISO_STAGE_ARGUMENT, "copy_in");
	assert_ok(viso_sandbox_close(sandbox));
}

/* All of the computer in a container, and its agent answers all the same. */
static void test_contained(void **state)
{
	viso_guest_unref(guest);
	viso_root_unref(root);
	guest = NULL;
	root = NULL;
	need_guest_with(SHELL);
	assert_ok(viso_guest_set_placement(guest, VISO_PLACEMENT_CONTAINED));
	assert_output(tools_run(sandbox, "/bin/sh", "-c", "echo $((6 * 7))"), 0, "42\n");
	assert_int_equal(viso_sandbox_pause(sandbox), 1);
	assert_int_equal(viso_sandbox_resume(sandbox), 1);
	assert_true(viso_guest_traffic(guest, VISO_DEVICE_PORTS, 0, VISO_TRAFFIC_BYTES_FROM_GUEST) > 0);
	assert_ok(viso_guest_shut_down(guest, VISO_SHUTDOWN_POWER_OFF, 60000));
}

static int clean_up(void **state)
{
	viso_guest_unref(guest);
	viso_root_unref(root);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_python),   cmocka_unit_test(test_start_again), cmocka_unit_test(test_copies),
		cmocka_unit_test(test_terminal), cmocka_unit_test(test_shut_down),   cmocka_unit_test(test_contained),
	};
	return cmocka_run_group_tests(tests, NULL, clean_up);
}
