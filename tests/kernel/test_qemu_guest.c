/* SPDX-License-Identifier: MIT */
/*
 * A stock qemu-ga in Debian's cloud kernel: what its protocol can do, and that it is started again. It needs a KVM that
 * runs ring 0: here in the rig. By a port of virtio, or (a program of its own) with the second serial port of a PC.
 */
#include "tools_support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef PLATFORM
#define PLATFORM VISO_PLATFORM_MICROVM
#endif

enum { PATIENCE = 60000 };

/* qemu-ga leaves the clock of the hardware to it, which this computer does not have. */
static const char hwclock[] = "#!/bin/sh\n";
static const char shutdown[] = "#!/bin/sh\nexec /bin/busybox poweroff -f\n";

static viso_guest *guest;
static viso_sandbox *sandbox;
static viso_root *root;

static void set_platform(void)
{
	char *line = PLATFORM == VISO_PLATFORM_PC ? kernel_pc_line() : strdup(KERNEL_LINE);
	assert_non_null(line);
	assert_ok(viso_guest_set_platform(guest, PLATFORM));
	assert_ok(viso_guest_set_command_line(guest, line));
	free(line);
}

static void make_guest(const char *kernel)
{
	guest = viso_guest_new();
	root = viso_root_new();
	sandbox = viso_guest_sandbox(guest);
	assert_ok(viso_root_add_program(root, "/bin/sh"));
	assert_ok(viso_root_add_program(root, "/bin/cat"));
	assert_ok(viso_root_add_program(root, "/bin/sleep"));
	assert_ok(viso_root_add_program(root, "/bin/busybox"));
	assert_ok(viso_root_add_program(root, "/usr/bin/python3"));
	assert_ok(viso_root_add_program(root, "/usr/sbin/qemu-ga"));
	assert_ok(viso_root_add_data(root, "/sbin/shutdown", shutdown, sizeof(shutdown) - 1, 0755));
	assert_ok(viso_root_add_data(root, "/sbin/hwclock", hwclock, sizeof(hwclock) - 1, 0755));
	assert_ok(viso_guest_set_root(guest, root));
	assert_ok(viso_guest_set_agent(guest, VISO_AGENT_QEMU));
	assert_ok(viso_guest_set_kernel(guest, kernel));
	assert_ok(viso_guest_set_memory_max(guest, 384u << 20));
	set_platform();
}

static void forget_guest(void)
{
	guest = viso_guest_unref(guest);
	root = viso_root_unref(root);
}

/* One computer for all: booting takes the most time. */
static void need_guest(void)
{
	need_kernels();
	skip_without(access("/usr/sbin/qemu-ga", X_OK) == 0, "qemu-ga (package qemu-guest-agent)");
	char *kernel = tools_find_kernel();
	bool is_new = !guest;
	if (is_new)
		make_guest(kernel);
	/* On a machine with other work a system begins later than the library waits for its agent. */
	for (int tries = 0; is_new && tries < 3 && viso_sandbox_start(sandbox) == -ETIMEDOUT; tries++)
		;
	free(kernel);
}

static void test_commands(void **state)
{
	need_guest();
	assert_output(tools_run(sandbox, "python3", "-c", "print(6*7)"), 0, "42\n");
	assert_output(tools_run(sandbox, "/bin/sh", "-c", "echo $HOME; exit 5"), 5, "/\n");
	viso_result *result = tools_run(sandbox, "/bin/sh", "-c", "kill -KILL $$");
	assert_int_equal(viso_result_signal(result), SIGKILL);
	viso_result_unref(result);
}

static void test_killed(void **state)
{
	viso_result *result = NULL;
	viso_process *process = NULL;
	need_guest();
	viso_command *command = viso_command_new("/bin/sleep");
	assert_ok(viso_command_add_arg(command, "1000"));
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_sandbox_spawn(sandbox, command, &process));
	viso_command_unref(command);
	assert_ok(viso_process_kill(process));
	assert_ok(viso_process_wait(process, PATIENCE, &result));
	assert_int_equal(viso_result_reason(result), VISO_REASON_KILLED);
	viso_result_unref(result);
	viso_process_unref(process);
}

static void test_files(void **state)
{
	char text[32] = "", source[256], back[256];
	need_guest();
	assert_ok(viso_sandbox_start(sandbox));
	char *directory = support_temporary_directory();
	snprintf(source, sizeof(source), "%s/file", directory);
	snprintf(back, sizeof(back), "%s/back", directory);
	int fd = open(source, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "contents", 8), 8);
	close(fd);
	assert_ok(viso_sandbox_copy_in(sandbox, source, "/tmp/there"));
	assert_output(tools_run(sandbox, "/bin/sh", "-c", "cat /tmp/there"), 0, "contents");
	assert_ok(viso_sandbox_copy_out(sandbox, "/tmp/there", back));
	fd = open(back, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text)), 8);
	close(fd);
	support_remove_tree(directory);
	free(directory);
}

/* It dies amid a command, which ends; the next one has a new agent. */
static void test_agent_dies(void **state)
{
	need_guest();
	viso_result *result = tools_run(sandbox, "/bin/sh", "-c", "kill -KILL $PPID; sleep 100");
	assert_int_equal(viso_result_reason(result), VISO_REASON_GUEST_FAULT);
	viso_result_unref(result);
	assert_output(tools_run(sandbox, "/bin/sh", "-c", "echo again"), 0, "again\n");
}

static void test_shut_down(void **state)
{
	need_guest();
	assert_ok(viso_sandbox_start(sandbox));
	assert_ok(viso_guest_set_clock(guest, PATIENCE));
	int64_t memory = viso_guest_statistic(guest, VISO_STATISTIC_MEMORY_TOTAL, PATIENCE);
	assert_true(memory > 256 << 20 && memory < 384 << 20);
	assert_ok(viso_guest_shut_down(guest, VISO_SHUTDOWN_POWER_OFF, PATIENCE));
	assert_ok(viso_sandbox_close(sandbox));
	forget_guest();
}

static int clean_up(void **state)
{
	forget_guest();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),   cmocka_unit_test(test_killed),    cmocka_unit_test(test_files),
		cmocka_unit_test(test_agent_dies), cmocka_unit_test(test_shut_down),
	};
	return cmocka_run_group_tests_name("qemu guest", tests, NULL, clean_up);
}
