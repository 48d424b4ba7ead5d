/* SPDX-License-Identifier: MIT */
/* What the settings and calls of a guest must refuse at once, beside NULL handles: by subject, as the headers have
 * them. */
#include "bad_calls.h"

static viso_guest *guest;

static int set_up(void **state)
{
	guest = viso_guest_new(); /* NULL where the library was built without guests: then all is refused for that */
	return bad_calls_set_up(state);
}

static int tear_down(void **state)
{
	guest = viso_guest_unref(guest);
	return bad_calls_failures;
}

static int connect_nobody(const char *address, void *userdata)
{
	return -ECONNREFUSED;
}

static int64_t answer_nothing(viso_hypercall *hypercall, void *userdata)
{
	return 0;
}

static void test_files(void **state)
{
	REFUSED(viso_guest_add_bind(NULL, "/etc", "/etc", 0));
	REFUSED(viso_guest_add_bind(guest, NULL, "/etc", 0));
	REFUSED(viso_guest_add_bind(guest, "/etc", NULL, 0));
	REFUSED(viso_guest_add_bind(guest, "/etc", "etc", 0));
	REFUSED(viso_guest_add_bind(guest, "/etc", "/a/../etc", 0));
	REFUSED(viso_guest_add_bind(guest, "/etc", "/", 0));
	REFUSED(viso_guest_add_bind_fd(NULL, 0, "/etc", 0));
	REFUSED(viso_guest_add_bind_fd(guest, 0, NULL, 0));
	REFUSED(viso_guest_add_file(NULL, "/x", "x", 1, 0444));
	REFUSED(viso_guest_add_file(guest, NULL, "x", 1, 0444));
	REFUSED(viso_guest_add_file(guest, "x", "x", 1, 0444));
	REFUSED(viso_guest_add_file(guest, "/x", NULL, 1, 0444));
	REFUSED(viso_guest_add_file(guest, "/x", "x", (16 << 20) + 1, 0444));
	REFUSED(viso_guest_add_file(guest, "/x", "x", 1, 010000));
	REFUSED(viso_guest_set_upper_discarded(NULL, 0));
	REFUSED(viso_guest_set_upper_directory(NULL, "/tmp"));
	REFUSED(viso_guest_set_upper_directory(guest, NULL));
	REFUSED(viso_guest_set_connect_handler(NULL, connect_nobody, NULL, NULL));
}

static void test_limits(void **state)
{
	REFUSED(viso_guest_set_processes_max(NULL, 4));
	REFUSED(viso_guest_set_processes_max(guest, 0));
	REFUSED(viso_guest_set_processes_max(guest, 4097));
	REFUSED(viso_guest_set_files_max(NULL, 100));
	REFUSED(viso_guest_set_files_max(guest, 3));
	REFUSED(viso_guest_set_files_max(guest, 1048577));
	REFUSED(viso_guest_set_written_max(NULL, 1));
	REFUSED(viso_guest_set_written_max(guest, 0));
	REFUSED(viso_guest_set_syscalls_max(NULL, 1));
	REFUSED(viso_guest_set_syscalls_max(guest, 0));
	REFUSED(viso_guest_set_core_path(NULL, "/tmp/core"));
	REFUSED(viso_guest_set_core_path(guest, NULL));
	REFUSED(viso_guest_syscalls(NULL, 0, NULL, NULL, 0));
	REFUSED(viso_guest_syscalls(guest, 0, NULL, NULL, 1));
	REFUSED(viso_guest_set_placement(NULL, VISO_PLACEMENT_THREAD));
	REFUSED(viso_guest_set_placement(guest, (viso_placement)2));
	REFUSED(viso_guest_prepare(10001));
}

static void test_calls(void **state)
{
	viso_command *command = viso_command_new("/x");
	viso_result *result = NULL;
	uint64_t numbers[7] = {0};
	char bytes[1];
	REFUSED(viso_guest_initialise(NULL, command, &result));
	REFUSED(viso_guest_initialise(guest, NULL, &result));
	REFUSED(viso_guest_initialise(guest, command, &result)); /* no root */
	REFUSED(viso_guest_call(NULL, "f", NULL, 0, -1, NULL));
	REFUSED(viso_guest_call(guest, NULL, NULL, 0, -1, NULL));
	REFUSED(viso_guest_call(guest, "f", NULL, 1, -1, NULL));
	REFUSED(viso_guest_call(guest, "f", numbers, 7, -1, NULL));
	REFUSED(viso_guest_call(guest, "f", numbers, 1, -2, NULL));
	REFUSED(viso_guest_call(guest, "f", numbers, 1, -1, NULL)); /* not initialised */
	REFUSED(viso_guest_call_bytes(NULL, "f", NULL, 0, bytes, 1, -1));
	REFUSED(viso_guest_call_bytes(guest, NULL, NULL, 0, bytes, 1, -1));
	REFUSED(viso_guest_call_bytes(guest, "f", NULL, 1, bytes, 1, -1));
	REFUSED(viso_guest_call_bytes(guest, "f", "x", 1, NULL, 1, -1));
	REFUSED(viso_guest_call_bytes(guest, "f", "x", (16 << 20) + 1, bytes, 1, -1));
	REFUSED(viso_guest_request(NULL, "x", 1, bytes, 1, -1));
	REFUSED(viso_guest_request(guest, NULL, 1, bytes, 1, -1));
	REFUSED(viso_guest_request(guest, "x", 1, NULL, 1, -1));
	REFUSED(viso_guest_cancel(NULL));
	REFUSED(viso_guest_last_result(NULL, &result));
	REFUSED(viso_guest_last_result(guest, NULL));
	REFUSED(viso_guest_set_ring(NULL, 1));
	REFUSED(viso_guest_set_ring(guest, 100001));
	viso_command_unref(command);
}

static void test_hypercalls(void **state)
{
	viso_hypercall *hypercall = NULL;
	uint64_t value;
	char bytes[1];
	REFUSED(viso_guest_set_hypercall_handler(NULL, 1, answer_nothing, NULL, NULL));
	REFUSED(viso_guest_set_hypercall_handler(guest, 1024, answer_nothing, NULL, NULL));
	REFUSED(viso_guest_queue_hypercall(NULL, 1));
	REFUSED(viso_guest_queue_hypercall(guest, 1024));
	REFUSED(viso_guest_hypercall_fd(NULL));
	REFUSED(viso_guest_next_hypercall(NULL, 0, &hypercall));
	REFUSED(viso_guest_next_hypercall(guest, 0, NULL));
	HARMLESS(viso_hypercall_ref(NULL) == NULL);
	HARMLESS(viso_hypercall_unref(NULL) == NULL);
	REFUSED(viso_hypercall_number(NULL));
	REFUSED(viso_hypercall_argument(NULL, 0, &value));
	REFUSED(viso_hypercall_read(NULL, 0, bytes, 1));
	REFUSED(viso_hypercall_write(NULL, 0, bytes, 1));
	REFUSED(viso_hypercall_defer(NULL));
	REFUSED(viso_hypercall_answer(NULL, 0));
	REFUSED(viso_hypercall_refuse(NULL, ENOENT));
}

static void test_snapshots(void **state)
{
	viso_snapshot *snapshot = NULL;
	viso_guest *clone = NULL;
	REFUSED(viso_guest_snapshot(NULL, &snapshot));
	REFUSED(viso_guest_snapshot(guest, NULL));
	REFUSED(viso_guest_snapshot(guest, &snapshot)); /* not initialised */
	REFUSED(viso_guest_reset(NULL));
	REFUSED(viso_guest_reset(guest)); /* no clone */
	HARMLESS(viso_snapshot_ref(NULL) == NULL);
	HARMLESS(viso_snapshot_unref(NULL) == NULL);
	REFUSED(viso_snapshot_clone(NULL, &clone));
	REFUSED(viso_snapshot_size(NULL));
	REFUSED(viso_snapshot_save(NULL, "/tmp/x"));
	REFUSED(viso_snapshot_load(NULL, guest, &snapshot));
	REFUSED(viso_snapshot_load("/dev/null", NULL, &snapshot));
	REFUSED(viso_snapshot_load("/dev/null", guest, NULL));
}

static void test_results(void **state)
{
	uint64_t value;
	REFUSED(viso_result_register(NULL, "rax", &value));
	REFUSED(viso_result_fault_address(NULL, &value));
	HARMLESS(viso_syscall_name(-1) != NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_calls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hypercalls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_snapshots, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_results, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("bad guests", tests, NULL, NULL);
}
