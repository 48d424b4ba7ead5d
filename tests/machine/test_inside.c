/* SPDX-License-Identifier: MIT */
/* A program in a guest of the library finds out where it is, by the library, and calls its host. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <virtiso.h>

/* Beside this program, which also runs in the rig. */
static char program[512];

static int find_program(void **state)
{
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - sizeof("/inside"));
	if (length <= 0)
		return -1;
	program[length] = '\0';
	strcpy(strrchr(program, '/'), "/inside");
	return 0;
}

static int64_t add(viso_hypercall *hypercall, void *userdata)
{
	uint64_t a = 0, b = 0;
	assert_ok(viso_hypercall_argument(hypercall, 0, &a));
	assert_ok(viso_hypercall_argument(hypercall, 1, &b));
	return (int64_t)(a + b);
}

static viso_result *run(viso_sandbox *sandbox)
{
	viso_result *result = NULL;
	viso_command *command = viso_command_new(program);
	assert_ok(viso_command_capture(command, 65536));
	assert_ok(viso_command_set_timeout_ms(command, 30000));
	assert_ok(viso_sandbox_run(sandbox, command, &result));
	viso_command_unref(command);
	print_message("%s%s", viso_result_output(result, VISO_STDOUT, NULL),
		      viso_result_output(result, VISO_STDERR, NULL));
	assert_int_equal(viso_result_exit_code(result), 0);
	return result;
}

static void assert_prints(const viso_result *result, const char *text)
{
	assert_non_null(strstr(viso_result_output(result, VISO_STDOUT, NULL), text));
}

static viso_root *new_root(void)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_program(root, program));
	return root;
}

static bool works(viso_feature feature)
{
	viso_machine *machine = viso_machine_new();
	bool yes = viso_machine_feature(machine, feature) == 1;
	viso_machine_unref(machine);
	return yes;
}

static void test_a_program_guest_knows_its_host(void **state)
{
	skip_without(works(VISO_FEATURE_GUEST), "a usable /dev/kvm");
	viso_root *root = new_root();
	viso_guest *guest = viso_guest_new();
	assert_ok(viso_guest_set_root(guest, root));
	assert_ok(viso_guest_set_hypercall_handler(guest, 7, add, NULL, NULL));
	viso_result *result = run(viso_guest_sandbox(guest));
	assert_prints(result, "way: libvirtiso\n");
	assert_prints(result, "layer: libvirtiso\n");
	assert_prints(result, "a hypercall is answered");
	assert_prints(result, "answer: 42\n");
	assert_null(strstr(viso_result_output(result, VISO_STDOUT, NULL), "missing"));
	viso_result_unref(result);
	viso_guest_unref(guest);
	viso_root_unref(root);
}

/* The same program elsewhere takes nobody for its host, and makes no system call that is none. */
static void test_a_container_is_no_guest(void **state)
{
	skip_without(works(VISO_FEATURE_CONTAINER), "containers");
	viso_root *root = new_root();
	viso_container *container = viso_container_new();
	assert_ok(viso_container_set_root(container, root));
	viso_result *result = run(viso_container_sandbox(container));
	assert_null(strstr(viso_result_output(result, VISO_STDOUT, NULL), "libvirtiso"));
	assert_null(strstr(viso_result_output(result, VISO_STDOUT, NULL), "answer:"));
	viso_result_unref(result);
	viso_container_unref(container);
	viso_root_unref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_program_guest_knows_its_host),
		cmocka_unit_test(test_a_container_is_no_guest),
	};
	return cmocka_run_group_tests_name("inside", tests, find_program, NULL);
}
