/* SPDX-License-Identifier: MIT */
/* The calls that are about what only guests have; what untouched means is in untouched.h. */
#include "untouched.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char busybox[] = "/bin/busybox";

static void skip_without_guests(void)
{
	static char detail[600];
	viso_machine *machine = viso_machine_new();
	bool works = viso_machine_feature(machine, VISO_FEATURE_GUEST) == 1;
	snprintf(detail, sizeof(detail), "guests: %s", viso_machine_detail(machine, VISO_FEATURE_GUEST));
	viso_machine_unref(machine);
	skip_without(works, detail);
	skip_without(access(busybox, X_OK) == 0, "busybox-static");
}

static viso_guest *make_guest(void)
{
	viso_root *root = viso_root_new();
	viso_guest *guest = viso_guest_new();
	assert_ok(viso_root_add_program(root, busybox));
	assert_ok(viso_guest_set_root(guest, root));
	assert_ok(viso_guest_set_memory_max(guest, 64 << 20));
	viso_root_unref(root);
	return guest;
}

static viso_command *make_command(const char *script)
{
	viso_command *command = viso_command_new(busybox);
	assert_ok(viso_command_add_arg(command, "sh"));
	assert_ok(viso_command_add_arg(command, "-c"));
	assert_ok(viso_command_add_arg(command, script));
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(command, 1000));
	assert_ok(viso_command_set_timeout_ms(command, 20000));
	return command;
}

static int connect_nobody(const char *address, void *userdata)
{
	return -ECONNREFUSED;
}

static void test_settings(void **state)
{
	skip_without_guests();
	char *directory = support_temporary_directory();
	char core[200];
	snprintf(core, sizeof(core), "%s/core", directory);
	untouched_begin();
	viso_guest *guest = make_guest();
	int fd = open(directory, O_PATH | O_CLOEXEC), numbers[4];
	uint64_t counts[4];
	UNTOUCHED(viso_guest_add_bind(guest, directory, "/mnt", 0), == 0);
	UNTOUCHED(viso_guest_add_bind(guest, "/nowhere", "/mnt", 0), == -ENOENT);
	UNTOUCHED(viso_guest_add_bind_fd(guest, fd, "/srv", 1), == 0);
	close(fd);
	UNTOUCHED(viso_guest_add_file(guest, "/etc/motd", "x", 1, 0444), == 0);
	UNTOUCHED(viso_guest_set_upper_directory(guest, directory), == 0);
	UNTOUCHED(viso_guest_set_upper_discarded(guest, 1 << 20), == 0);
	UNTOUCHED(viso_guest_set_connect_handler(guest, connect_nobody, NULL, NULL), == 0);
	UNTOUCHED(viso_guest_set_processes_max(guest, 10), == 0);
	UNTOUCHED(viso_guest_set_files_max(guest, 100), == 0);
	UNTOUCHED(viso_guest_set_written_max(guest, 1 << 20), == 0);
	UNTOUCHED(viso_guest_set_syscalls_max(guest, 1000000), == 0);
	UNTOUCHED(viso_guest_set_core_path(guest, core), == 0);
	UNTOUCHED(viso_guest_set_placement(guest, VISO_PLACEMENT_THREAD), == 0);
	viso_command *command = make_command("echo x >/new; kill -ABRT $$");
	viso_result *result = NULL;
	UNTOUCHED(viso_sandbox_run(viso_guest_sandbox(guest), command, &result), == 0);
	assert_int_equal(viso_result_signal(result), SIGABRT);
	uint64_t value;
	UNTOUCHED(viso_result_register(result, "rip", &value), == 0);
	UNTOUCHED(viso_result_fault_address(result, &value), == -ENODATA);
	UNTOUCHED(viso_guest_syscalls(guest, 0, numbers, counts, 4), > 4);
	UNTOUCHED(strcmp(viso_syscall_name(0), "read"), == 0);
	viso_result_unref(result);
	viso_command_unref(command);
	viso_guest_unref(guest);
	untouched_end();
	assert_ok(access(core, R_OK));
	support_remove_tree(directory);
	free(directory);
}

static int64_t answer(viso_hypercall *hypercall, void *userdata)
{
	uint64_t value;
	char byte;
	UNTOUCHED(viso_hypercall_number(hypercall), == 1);
	UNTOUCHED(viso_hypercall_argument(hypercall, 0, &value), == 0);
	UNTOUCHED(viso_hypercall_read(hypercall, 1, &byte, 1), == -EFAULT);
	UNTOUCHED(viso_hypercall_write(hypercall, 1, "x", 1), == -EFAULT);
	UNTOUCHED((*(viso_hypercall **)userdata = viso_hypercall_ref(hypercall)), == hypercall);
	UNTOUCHED(viso_hypercall_defer(hypercall), == 0);
	UNTOUCHED(viso_hypercall_answer(hypercall, 0), == 0);
	return 0;
}

static void destroy(void *userdata)
{
}

/* Busybox cannot make hypercalls; what takes one is called by tests/guest/test_hypercalls.c as well. */
static void test_hypercalls(void **state)
{
	skip_without_guests();
	untouched_begin();
	viso_guest *guest = make_guest();
	viso_hypercall *taken = NULL;
	UNTOUCHED(viso_guest_set_hypercall_handler(guest, 1, answer, &taken, destroy), == 0);
	UNTOUCHED(viso_guest_hypercall_fd(guest), == -EBADF);
	UNTOUCHED(viso_guest_queue_hypercall(guest, 2), == 0);
	UNTOUCHED(viso_guest_hypercall_fd(guest), >= 0);
	UNTOUCHED(viso_guest_next_hypercall(guest, 0, &taken), == -ETIMEDOUT);
	UNTOUCHED(viso_hypercall_refuse(NULL, ENOENT), == -EINVAL);
	UNTOUCHED(viso_hypercall_unref(taken), == NULL);
	viso_guest_unref(guest);
	untouched_end();
}

static void use_clone(viso_snapshot *snapshot)
{
	viso_guest *clone = NULL;
	char answer[10];
	UNTOUCHED(viso_snapshot_clone(snapshot, &clone), == 0);
	UNTOUCHED(viso_guest_request(clone, "a\n", 2, answer, sizeof(answer), 20000), == 2);
	UNTOUCHED(viso_guest_reset(clone), == 0);
	UNTOUCHED(viso_guest_request(clone, "a\n", 2, answer, sizeof(answer), 20000), == 2);
	viso_guest_unref(clone);
}

static void test_one_that_stays(void **state)
{
	skip_without_guests();
	char *directory = support_temporary_directory();
	char path[200];
	snprintf(path, sizeof(path), "%s/snapshot", directory);
	untouched_begin();
	UNTOUCHED(viso_guest_prepare(2), == 0);
	UNTOUCHED(viso_guest_prepare(0), == 0);
	viso_guest *guest = make_guest(), *settings = make_guest();
	viso_command *command =
		make_command("exec 3<>/dev/virtiso; while read -r line <&3; do echo \"$line\" >&3; done");
	viso_snapshot *snapshot = NULL, *loaded = NULL;
	viso_result *result = NULL;
	char answer[10];
	UNTOUCHED(viso_guest_set_ring(guest, 0), == 0);
	UNTOUCHED(viso_guest_initialise(guest, command, &result), == 0);
	UNTOUCHED(viso_guest_request(guest, "a\n", 2, answer, sizeof(answer), 20000), == 2);
	UNTOUCHED(viso_guest_cancel(guest), == 0);
	UNTOUCHED(viso_guest_last_result(guest, &result), == -ENODATA);
	UNTOUCHED(viso_guest_snapshot(guest, &snapshot), == 0);
	UNTOUCHED(viso_guest_call(guest, "no_such_function", NULL, 0, 20000, NULL), < 0);
	UNTOUCHED(viso_guest_call_bytes(guest, "no_such_function", NULL, 0, NULL, 0, 20000), < 0);
	UNTOUCHED(viso_snapshot_ref(snapshot), == snapshot);
	UNTOUCHED(viso_snapshot_unref(snapshot), == NULL);
	UNTOUCHED(viso_snapshot_size(snapshot), > 0);
	UNTOUCHED(viso_snapshot_save(snapshot, path), == 0);
	use_clone(snapshot);
	UNTOUCHED(viso_snapshot_load(path, settings, &loaded), == 0);
	viso_snapshot_unref(loaded);
	viso_snapshot_unref(snapshot);
	viso_command_unref(command);
	viso_guest_unref(settings);
	viso_guest_unref(guest);
	untouched_end();
	support_remove_tree(directory);
	free(directory);
}

static void test_contained(void **state)
{
	skip_without_guests();
	untouched_begin();
	viso_guest *guest = make_guest();
	viso_command *command = make_command("echo x");
	viso_result *result = NULL;
	UNTOUCHED(viso_guest_set_placement(guest, VISO_PLACEMENT_CONTAINED), == 0);
	UNTOUCHED(viso_sandbox_run(viso_guest_sandbox(guest), command, &result), == 0);
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "x\n");
	viso_result_unref(result);
	viso_command_unref(command);
	char answer[10];
	command = make_command("exec 3<>/dev/virtiso; while read -r line <&3; do echo \"$line\" >&3; done");
	UNTOUCHED(viso_guest_initialise(guest, command, &result), == 0);
	UNTOUCHED(viso_guest_request(guest, "a\n", 2, answer, sizeof(answer), 20000), == 2);
	UNTOUCHED(viso_guest_call(guest, "f", NULL, 0, 0, NULL), == -EINVAL);
	UNTOUCHED(viso_guest_call_bytes(guest, "f", NULL, 0, NULL, 0, 0), == -EINVAL);
	UNTOUCHED(viso_sandbox_kill(viso_guest_sandbox(guest)), == 1);
	UNTOUCHED(viso_guest_last_result(guest, &result), == 0);
	viso_result_unref(result);
	viso_command_unref(command);
	viso_guest_unref(guest);
	untouched_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_hypercalls),
		cmocka_unit_test(test_one_that_stays),
		cmocka_unit_test(test_contained),
	};
	return cmocka_run_group_tests_name("guests untouched", tests, untouched_peculiar_host, NULL);
}
