/* SPDX-License-Identifier: MIT */
/*
 * Where the root of a Linux kernel lies: the same commands print the same in each place. It needs a KVM that runs ring
 * 0: here in the rig.
 */
#include "tools_support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct computer {
	viso_guest *guest;
	viso_root *root;
	viso_sandbox *sandbox;
};

static void add_large_file(viso_root *root, size_t size)
{
	char *data = malloc(size);
	assert_non_null(data);
	memset(data, 'x', size);
	assert_ok(viso_root_add_data(root, "/large", data, size, 0644));
	free(data);
}

static struct computer make(viso_root_medium medium, uint64_t memory)
{
	need_kernels();
	char *kernel = tools_find_kernel();
	struct computer computer = {.guest = viso_guest_new(), .root = viso_root_new()};
	computer.sandbox = viso_guest_sandbox(computer.guest);
	assert_ok(viso_root_add_program(computer.root, "/bin/sh"));
	assert_ok(viso_root_add_program(computer.root, "/usr/bin/python3"));
	assert_ok(viso_root_add_program(computer.root, "/bin/cat"));
	assert_ok(viso_guest_set_root(computer.guest, computer.root));
	assert_ok(viso_guest_set_root_medium(computer.guest, medium));
	assert_ok(viso_guest_set_kernel(computer.guest, kernel));
	assert_ok(viso_guest_set_memory_max(computer.guest, memory));
	assert_ok(viso_guest_set_command_line(computer.guest, KERNEL_LINE));
	free(kernel);
	return computer;
}

static void forget(struct computer *computer)
{
	assert_ok(viso_sandbox_close(computer->sandbox));
	viso_guest_unref(computer->guest);
	viso_root_unref(computer->root);
}

static void check(const struct computer *computer, const char *type)
{
	char text[64];
	viso_sandbox *sandbox = computer->sandbox;
	assert_output(tools_run(sandbox, "python3", "-c", "print(6*7)"), 0, "42\n");
	/* What is written is above the root. */
	assert_output(tools_run(sandbox, "/bin/sh", "-c", "echo new > /tmp/new && cat /tmp/new"), 0, "new\n");
	snprintf(text, sizeof(text), "%s\n", type);
	assert_output(tools_run(sandbox, "python3", "-c",
				"print([l.split()[2] for l in open('/proc/mounts') if l.split()[1] == '/'][-1])"),
		      0, text);
}

static void test_disk(void **state)
{
	struct computer computer = make(VISO_ROOT_MEDIUM_DISK, 160u << 20);
	check(&computer, "overlay");
	forget(&computer);
}

static void test_contained_disk(void **state)
{
	struct computer computer = make(VISO_ROOT_MEDIUM_DISK, 160u << 20);
	assert_ok(viso_guest_set_placement(computer.guest, VISO_PLACEMENT_CONTAINED));
	check(&computer, "overlay");
	forget(&computer);
}

static void test_share(void **state)
{
	struct computer computer = make(VISO_ROOT_MEDIUM_SHARE, 160u << 20);
	check(&computer, "overlay");
	forget(&computer);
}

/* One that would not fit into the memory at all. */
static void test_large(void **state)
{
	struct computer computer = make(VISO_ROOT_MEDIUM_AUTO, 160u << 20);
	add_large_file(computer.root, 150u << 20);
	assert_output(tools_run(computer.sandbox, "python3", "-c",
				"import os; print(os.stat('/large').st_size); f = open('/large'); f.seek(10**8); "
				"print(f.read(3))"),
		      0, "157286400\nxxx\n");
	forget(&computer);
}

static void test_refused(void **state)
{
	need_kvm();
	struct computer computer = {.guest = viso_guest_new(), .root = viso_root_new()};
	assert_ok(viso_guest_set_root(computer.guest, computer.root));
	assert_ok(viso_guest_set_platform(computer.guest, VISO_PLATFORM_PC));
	assert_ok(viso_guest_set_kernel(computer.guest, "/proc/self/exe"));
	assert_ok(viso_guest_set_root_medium(computer.guest, VISO_ROOT_MEDIUM_DISK));
	viso_process *process = NULL;
	assert_fails(viso_guest_boot(computer.guest, NULL, &process), EOPNOTSUPP, VISO_STAGE_GUEST, "root");
	viso_guest_unref(computer.guest);
	viso_root_unref(computer.root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disk),  cmocka_unit_test(test_contained_disk), cmocka_unit_test(test_share),
		cmocka_unit_test(test_large), cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests_name("root media", tests, NULL, NULL);
}
