/* SPDX-License-Identifier: MIT */
/* Requests to programs that receive them by a hypercall, or read them from /dev/virtiso. */
#include "guest_support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static viso_guest *serving(struct fixture *fixture, const char *program, const char *how)
{
	return initialise(new_guest(fixture, 0), new_command(program, how, NULL));
}

static void test_by_hypercall(void **state)
{
	need_kvm();
	static const char *const programs[] = {"/callee", "/callee-pie", "/callee-dynamic"};
	for (int i = 0; i < 3; i++) {
		viso_guest *guest = serving(*state, programs[i], "serve");
		assert_answer(guest, "abc", "cba");
		assert_answer(guest, "", "");
		for (int n = 0; n < 500; n++)
			assert_answer(guest, "request", "tseuqer");
		assert_fails(viso_guest_call(guest, "count", NULL, 0, 20000, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
		viso_guest_unref(guest);
	}
}

static void test_sizes(void **state)
{
	need_kvm();
	viso_guest *guest = serving(*state, "/callee", "serve");
	size_t size = (1 << 20) + 1;
	char *in = malloc(size), *out = malloc(size);
	memset(in, 'x', size);
	in[0] = 'a';
	out[0] = '-';
	assert_fails(viso_guest_request(guest, in, size, out, size, 20000), EMSGSIZE, VISO_STAGE_GUEST, "");
	assert_fails(viso_guest_request(guest, in, 100, out, 99, 20000), EMSGSIZE, VISO_STAGE_GUEST, "");
	assert_fails(viso_guest_request(guest, in, (16 << 20) + 1, out, 1, 20000), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_request(guest, NULL, 1, out, 1, 20000), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_int_equal(out[0], '-');
	assert_int_equal(viso_guest_request(guest, in, size - 1, out, size, 20000), size - 1);
	assert_int_equal(out[size - 2], 'a');
	assert_int_equal(out[0], 'x');
	assert_int_equal(viso_guest_request(guest, in, 0, NULL, 0, 20000), 0);
	free(in);
	free(out);
	viso_guest_unref(guest);
}

/* Answers that cannot be taken tell the program so, and it may give another one. */
static void test_hostile_answers(void **state)
{
	need_kvm();
	viso_guest *guest = serving(*state, "/callee", "serve");
	static const struct {
		const char *request;
		int64_t error;
	} cases[] = {{"wild", -EFAULT}, {"huge", -EFAULT}};
	for (int i = 0; i < 2; i++) {
		int64_t value[32] = {0};
		assert_int_equal(viso_guest_request(guest, cases[i].request, strlen(cases[i].request) + 1, value,
						    sizeof(value), 20000),
				 sizeof(value[0]));
		assert_int_equal(value[0], cases[i].error);
	}
	/* Without an answer the next one is received; a second answer is refused. */
	assert_answer(guest, "nothing", "");
	int64_t counter = 0;
	char out[8];
	assert_int_equal(viso_guest_request(guest, "twice", 6, out, sizeof(out), 20000), 3);
	assert_memory_equal(out, "one", 3);
	assert_int_equal(viso_guest_request(guest, "counter", 8, &counter, sizeof(counter), 20000), sizeof(counter));
	assert_int_equal(counter, -EINVAL);
	viso_guest_unref(guest);
}

static void test_ends(void **state)
{
	need_kvm();
	static const struct {
		const char *request;
		int timeout_ms, error;
	} cases[] = {{"exit", 20000, ESRCH}, {"crash", 20000, EFAULT}, {"spin", 200, ETIMEDOUT}};
	for (int i = 0; i < 3; i++) {
		viso_guest *guest = serving(*state, "/callee", "serve");
		char out[8] = "-";
		viso_result *result;
		assert_fails(viso_guest_request(guest, cases[i].request, strlen(cases[i].request), out, sizeof(out),
						cases[i].timeout_ms),
			     cases[i].error, VISO_STAGE_GUEST, "");
		assert_string_equal(out, "-");
		assert_fails(viso_guest_request(guest, "abc", 3, out, sizeof(out), 200), EIO, VISO_STAGE_GUEST, "");
		assert_ok(viso_guest_last_result(guest, &result));
		viso_result_unref(result);
		viso_guest_unref(guest);
	}
}

static void test_by_the_device(void **state)
{
	need_kvm();
	viso_guest *guest = serving(*state, "/callee-pie", "device");
	assert_answer(guest, "one line\nand more that is not read", "one line");
	assert_answer(guest, "two\n", "two");
	/* Without a new line it is at its end. */
	assert_answer(guest, "three", "three");
	assert_answer(guest, "", "");
	viso_guest_unref(guest);
	/* In a command that is run to its end nobody sends requests. */
	assert_exited(run((struct fixture *)*state, "/callee-pie", "device"), 2);
}

struct interpreter {
	const char *path;
	const char *option;
	const char *script;
};

static const struct interpreter interpreters[] = {
	{"/usr/bin/python3", "-c",
	 "device = open('/dev/virtiso', 'r+b', buffering=0)\n"
	 "while True:\n"
	 "    device.write(device.read(65536).upper())\n"},
	{"/usr/bin/lua5.4", "-e",
	 "local input, output = io.open('/dev/virtiso', 'r'), io.open('/dev/virtiso', 'w')\n"
	 "while true do output:write((input:read('L'):upper())):flush() end\n"},
	{"/bin/busybox", "sh", NULL},
};

static void test_interpreters(void **state)
{
	need_kvm();
	for (size_t i = 0; i < sizeof(interpreters) / sizeof(interpreters[0]); i++) {
		const struct interpreter *interpreter = &interpreters[i];
		if (access(interpreter->path, X_OK) < 0)
			continue;
		viso_root *root = viso_root_new();
		viso_guest *guest = viso_guest_new();
		assert_ok(viso_root_add_program(root, interpreter->path));
		assert_ok(viso_guest_set_root(guest, root));
		viso_command *command = new_command(interpreter->path, interpreter->option, NULL);
		if (interpreter->script)
			assert_ok(viso_command_add_arg(command, interpreter->script));
		else
			for (int arg = 0; arg < 2; arg++)
				assert_ok(viso_command_add_arg(
					command, arg ? "while read -r line </dev/virtiso; do case $line in "
						       "hello) echo HELLO >/dev/virtiso;; *) echo WHAT "
						       ">/dev/virtiso;; esac; done"
						     : "-c"));
		initialise(guest, command);
		for (int n = 0; n < 20; n++)
			assert_answer(guest, "hello\n", "HELLO\n");
		viso_guest_unref(guest);
		viso_root_unref(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hypercall),    cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_hostile_answers), cmocka_unit_test(test_ends),
		cmocka_unit_test(test_by_the_device),   cmocka_unit_test(test_interpreters),
	};
	return cmocka_run_group_tests_name("guest requests", tests, fixture_setup, fixture_teardown);
}
