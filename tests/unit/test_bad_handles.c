/* SPDX-License-Identifier: MIT */
/*
 * NULL handles and other NULL where there must be something, for every public function: -EINVAL, with an error that has
 * a stage, an object and a message. tests/abi sees to it that no function is missing here.
 */
#include "bad_calls.h"

static void test_ref_and_unref_take_null(void **state)
{
	HARMLESS(viso_command_ref(NULL) == NULL);
	HARMLESS(viso_command_unref(NULL) == NULL);
	HARMLESS(viso_container_ref(NULL) == NULL);
	HARMLESS(viso_container_unref(NULL) == NULL);
	HARMLESS(viso_guest_ref(NULL) == NULL);
	HARMLESS(viso_guest_unref(NULL) == NULL);
	HARMLESS(viso_jail_ref(NULL) == NULL);
	HARMLESS(viso_jail_unref(NULL) == NULL);
	HARMLESS(viso_machine_ref(NULL) == NULL);
	HARMLESS(viso_machine_unref(NULL) == NULL);
	HARMLESS(viso_manifest_ref(NULL) == NULL);
	HARMLESS(viso_manifest_unref(NULL) == NULL);
	HARMLESS(viso_notification_ref(NULL) == NULL);
	HARMLESS(viso_notification_unref(NULL) == NULL);
	HARMLESS(viso_process_ref(NULL) == NULL);
	HARMLESS(viso_process_unref(NULL) == NULL);
	HARMLESS(viso_result_ref(NULL) == NULL);
	HARMLESS(viso_result_unref(NULL) == NULL);
	HARMLESS(viso_root_ref(NULL) == NULL);
	HARMLESS(viso_root_unref(NULL) == NULL);
	assert_int_equal(bad_calls_failures, 0);
}

static void test_command(void **state)
{
	const unsigned group = 1;
	REFUSED_NULL(viso_command_new(NULL));
	REFUSED_NULL(viso_command_new(""));
	REFUSED(viso_command_add_arg(NULL, "x"));
	REFUSED(viso_command_set_env(NULL, "A", "x"));
	REFUSED(viso_command_clear_env(NULL));
	REFUSED(viso_command_set_cwd(NULL, "/"));
	REFUSED(viso_command_set_user(NULL, 1, 1));
	REFUSED(viso_command_set_groups(NULL, &group, 1));
	REFUSED(viso_command_set_stdio(NULL, VISO_STDIN, VISO_STDIO_NULL));
	REFUSED(viso_command_set_stdio_fd(NULL, VISO_STDIN, 0));
	REFUSED(viso_command_add_fd(NULL, 0, 3));
	REFUSED(viso_command_set_input(NULL, "x", 1));
	REFUSED(viso_command_capture(NULL, 1));
	REFUSED(viso_command_capture_stream(NULL, VISO_STDOUT, 1));
	REFUSED(viso_command_set_rlimit(NULL, VISO_RLIMIT_CORE, 0));
	REFUSED(viso_command_set_timeout_ms(NULL, 1));
	REFUSED(viso_command_set_cpu_time_ms(NULL, 1));
	REFUSED(viso_command_set_terminal(NULL, 80, 25));
	REFUSED(viso_command_set_oom_score_adj(NULL, 0));
	REFUSED(viso_command_set_cpu_affinity(NULL, "0"));
	REFUSED(viso_command_set_nice(NULL, 0));
	REFUSED(viso_command_set_scheduler(NULL, VISO_SCHEDULER_OTHER, 0));
	REFUSED(viso_command_set_umask(NULL, 0));

	viso_command *command = viso_command_new("x");
	REFUSED(viso_command_add_arg(command, NULL));
	REFUSED(viso_command_set_env(command, NULL, "x"));
	REFUSED(viso_command_set_cwd(command, NULL));
	REFUSED(viso_command_set_groups(command, NULL, 1));
	REFUSED(viso_command_add_fd(command, 0, 2));
	REFUSED(viso_command_add_fd(command, 0, 1024));
	REFUSED(viso_command_set_input(command, NULL, 1));
	REFUSED(viso_command_set_terminal(command, 0, 25));
	REFUSED(viso_command_set_terminal(command, 80, 65536));
	REFUSED(viso_command_set_oom_score_adj(command, 1001));
	REFUSED(viso_command_set_cpu_affinity(command, NULL));
	REFUSED(viso_command_set_nice(command, 20));
	REFUSED(viso_command_set_nice(command, -21));
	REFUSED(viso_command_set_scheduler(command, (viso_scheduler)4, 0));
	REFUSED(viso_command_set_scheduler(command, VISO_SCHEDULER_FIFO, 0));
	REFUSED(viso_command_set_scheduler(command, VISO_SCHEDULER_BATCH, 1));
	REFUSED(viso_command_set_umask(command, 01000));
	viso_command_unref(command);
	assert_int_equal(bad_calls_failures, 0);
}

static void test_root(void **state)
{
	REFUSED(viso_root_add_program(NULL, "/bin/sh"));
	REFUSED(viso_root_add_file(NULL, "/etc/passwd", NULL));
	REFUSED(viso_root_add_directory(NULL, "/etc", NULL));
	REFUSED(viso_root_add_data(NULL, "/x", "x", 1, 0644));
	REFUSED(viso_root_use_directory(NULL, "/tmp"));
	REFUSED(viso_root_set_path(NULL, "/tmp/x"));
	REFUSED(viso_root_build(NULL));
	REFUSED_NULL(viso_root_path(NULL));

	viso_root *root = viso_root_new();
	assert_non_null(root);
	REFUSED(viso_root_add_program(root, NULL));
	REFUSED(viso_root_add_program(root, ""));
	REFUSED(viso_root_add_file(root, NULL, NULL));
	REFUSED(viso_root_add_directory(root, NULL, NULL));
	REFUSED(viso_root_add_data(root, NULL, "x", 1, 0644));
	REFUSED(viso_root_add_data(root, "/x", NULL, 1, 0644));
	REFUSED(viso_root_use_directory(root, NULL));
	REFUSED(viso_root_set_path(root, NULL));
	REFUSED_NULL(viso_root_path(root)); /* before it is built */
	viso_root_unref(root);
	assert_int_equal(bad_calls_failures, 0);
}

static int never(uint64_t done, uint64_t total, const char *path, void *userdata)
{
	return 1;
}

static void test_complete_root(void **state)
{
	viso_manifest *manifest = NULL;
	REFUSED(viso_root_set_source(NULL, "/tmp"));
	REFUSED(viso_root_set_provider(NULL, VISO_PROVIDER_NSS, 0));
	REFUSED(viso_root_add_library(NULL, "libc.so.6"));
	REFUSED(viso_root_add_package(NULL, "bash"));
	REFUSED(viso_root_add_device(NULL, "/dev/null"));
	REFUSED(viso_root_add_user(NULL, "a", 5, 5, NULL, NULL));
	REFUSED(viso_root_add_group(NULL, "a", 5));
	REFUSED(viso_root_add_archive(NULL, "/a.tar", NULL));
	REFUSED(viso_root_add_image(NULL, "/a", NULL));
	REFUSED(viso_root_set_copy_method(NULL, VISO_COPY_BYTES));
	REFUSED(viso_root_set_store(NULL, "/tmp"));
	REFUSED(viso_root_prune_store(NULL));
	REFUSED(viso_root_set_keep(NULL, VISO_KEEP_NOTHING));
	REFUSED(viso_root_set_progress_handler(NULL, never, NULL, NULL));
	REFUSED(viso_root_cancel(NULL));
	REFUSED(viso_root_plan(NULL, &manifest));
	REFUSED(viso_root_update(NULL));
	REFUSED(viso_root_verify(NULL, &manifest));
	REFUSED(viso_root_manifest(NULL, &manifest));
	REFUSED(viso_root_remove(NULL));
	REFUSED(viso_image_write(NULL, VISO_IMAGE_EROFS, "/tmp/x"));

	viso_root *root = viso_root_new();
	REFUSED(viso_root_set_source(root, NULL));
	REFUSED(viso_root_set_source(root, "usr"));
	REFUSED(viso_root_set_provider(root, (viso_provider)-1, 0));
	REFUSED(viso_root_set_provider(root, (viso_provider)9, 0));
	REFUSED(viso_root_add_library(root, NULL));
	REFUSED(viso_root_add_library(root, ""));
	REFUSED(viso_root_add_package(root, NULL));
	REFUSED(viso_root_add_package(root, "../x"));
	REFUSED(viso_root_add_device(root, NULL));
	REFUSED(viso_root_add_user(root, NULL, 5, 5, NULL, NULL));
	REFUSED(viso_root_add_user(root, "a:b", 5, 5, NULL, NULL));
	REFUSED(viso_root_add_user(root, "a", 5, 5, "home", NULL));
	REFUSED(viso_root_add_user(root, "a", 5, 5, NULL, "/bin/sh\nroot::0:0::/:/bin/sh"));
	REFUSED(viso_root_add_group(root, NULL, 5));
	REFUSED(viso_root_add_group(root, "-a", 5));
	REFUSED(viso_root_add_archive(root, NULL, NULL));
	REFUSED(viso_root_add_image(root, NULL, NULL));
	REFUSED(viso_root_set_copy_method(root, (viso_copy_method)4));
	REFUSED(viso_root_set_store(root, NULL));
	REFUSED(viso_root_prune_store("store"));
	REFUSED(viso_root_set_keep(root, 4));
	REFUSED(viso_root_plan(root, NULL));
	REFUSED(viso_root_update(root)); /* no path was set */
	REFUSED(viso_root_verify(root, &manifest));
	REFUSED(viso_root_manifest(root, &manifest));
	REFUSED(viso_root_manifest(root, NULL));
	REFUSED(viso_root_remove(root));
	REFUSED(viso_image_write(root, (viso_image_format)0, "/tmp/x"));
	REFUSED(viso_image_write(root, VISO_IMAGE_EROFS, NULL));
	REFUSED(viso_image_write(root, VISO_IMAGE_EROFS, "x"));
	viso_root_unref(root);
	assert_null(manifest);
	assert_int_equal(bad_calls_failures, 0);
}

static void test_manifest(void **state)
{
	viso_manifest *manifest = NULL;
	REFUSED(viso_manifest_load(NULL, &manifest));
	REFUSED(viso_manifest_load("/etc/passwd", NULL));
	REFUSED(viso_manifest_save(NULL, "/tmp/x"));
	REFUSED(viso_manifest_verify(NULL, "/tmp", &manifest));
	HARMLESS(viso_manifest_count(NULL) == 0);
	HARMLESS(viso_manifest_find(NULL, "/") == -1);
	REFUSED_NULL(viso_manifest_path(NULL, 0));
	REFUSED(viso_manifest_type(NULL, 0));
	REFUSED(viso_manifest_mode(NULL, 0));
	REFUSED(viso_manifest_size(NULL, 0));
	REFUSED_NULL(viso_manifest_sha256(NULL, 0));
	REFUSED_NULL(viso_manifest_link(NULL, 0));
	REFUSED_NULL(viso_manifest_reason(NULL, 0));
	REFUSED(viso_manifest_state(NULL, 0));

	viso_root *root = viso_root_new();
	assert_ok(viso_root_plan(root, &manifest));
	size_t count = viso_manifest_count(manifest);
	HARMLESS(viso_manifest_find(manifest, "/etc/passwd") > 0);
	HARMLESS(viso_manifest_find(manifest, NULL) == -1);
	REFUSED_NULL(viso_manifest_path(manifest, count));
	REFUSED(viso_manifest_type(manifest, count));
	REFUSED(viso_manifest_mode(manifest, SIZE_MAX));
	REFUSED(viso_manifest_size(manifest, count));
	REFUSED_NULL(viso_manifest_sha256(manifest, count));
	REFUSED_NULL(viso_manifest_link(manifest, count));
	REFUSED_NULL(viso_manifest_reason(manifest, count));
	REFUSED(viso_manifest_state(manifest, count));
	REFUSED(viso_manifest_save(manifest, NULL));
	REFUSED(viso_manifest_verify(manifest, NULL, NULL));
	viso_manifest_unref(manifest);
	viso_root_unref(root);
	assert_int_equal(bad_calls_failures, 0);
}

static void test_jail(void **state)
{
	viso_root *root = viso_root_new();
	viso_jail *jail = viso_jail_new();
	assert_non_null(jail);
	REFUSED_NULL(viso_jail_sandbox(NULL));
	REFUSED(viso_jail_set_root(NULL, root));
	REFUSED(viso_jail_set_root(jail, NULL));
	REFUSED(viso_jail_set_memory_max(NULL, 1 << 30));
	REFUSED(viso_jail_set_memory_max(jail, (1 << 20) - 1));
	REFUSED(viso_jail_set_memory_max(jail, UINT64_MAX));
	HARMLESS(viso_jail_set_memory_max(jail, 1 << 20) == 0 && viso_jail_set_memory_max(jail, 0) == 0);
	REFUSED(viso_jail_set_processes_max(NULL, 10));
	REFUSED(viso_jail_set_processes_max(jail, UINT64_MAX));
	REFUSED(viso_jail_set_network(NULL, VISO_NETWORK_NONE));
	REFUSED(viso_jail_set_network(jail, (viso_network)2));
	REFUSED(viso_jail_set_hardening(NULL, 1));
	REFUSED(viso_jail_demand_hardening(NULL, VISO_HARDENING_FILES));
	REFUSED(viso_jail_demand_hardening(jail, (viso_hardening)4));
	REFUSED(viso_jail_hardening(NULL));
	HARMLESS(viso_jail_demand_hardening(jail, VISO_HARDENING_PRIVILEGES) == 0);
	REFUSED(viso_jail_set_hardening(jail, 0));
	REFUSED_NULL(viso_jail_warning(NULL, 0));
	HARMLESS(viso_jail_warning(jail, 1000) == NULL);
	viso_jail_unref(jail);
	viso_root_unref(root);
	assert_int_equal(bad_calls_failures, 0);
}

static void test_container(void **state)
{
	viso_root *root = viso_root_new();
	viso_container *container = viso_container_new();
	assert_non_null(container);
	REFUSED_NULL(viso_container_sandbox(NULL));
	REFUSED(viso_container_set_root(NULL, root));
	REFUSED(viso_container_set_root(container, NULL));
	REFUSED(viso_container_set_memory_max(NULL, 1 << 30));
	REFUSED(viso_container_set_memory_max(container, (1 << 20) - 1));
	HARMLESS(viso_container_set_memory_max(container, 1 << 20) == 0 &&
		 viso_container_set_memory_max(container, 0) == 0);
	REFUSED(viso_container_set_processes_max(NULL, 10));
	REFUSED(viso_container_set_network(NULL, VISO_NETWORK_NONE));
	REFUSED(viso_container_set_network(container, (viso_network)-1));
	REFUSED(viso_container_set_hostname(NULL, "x"));
	REFUSED(viso_container_set_hostname(container, NULL));
	REFUSED(viso_container_add_capability(NULL, "net_raw"));
	REFUSED(viso_container_add_capability(container, NULL));
	viso_container_unref(container);
	viso_root_unref(root);
	assert_int_equal(bad_calls_failures, 0);
}

static void test_guest(void **state)
{
	REFUSED_NULL(viso_guest_sandbox(NULL));
	REFUSED(viso_guest_set_root(NULL, NULL));
	REFUSED(viso_guest_set_memory_max(NULL, 1 << 30));

	viso_guest *guest = viso_guest_new();
	if (guest) {
		REFUSED(viso_guest_set_root(guest, NULL));
		REFUSED(viso_guest_set_memory_max(guest, 0));
		REFUSED(viso_guest_set_memory_max(guest, (4 << 20) - 1));
	} else {
		assert_int_equal(viso_error_number(), EOPNOTSUPP);
	}
	viso_guest_unref(guest);
	assert_int_equal(bad_calls_failures, 0);
}

static void test_sandbox(void **state)
{
	int pid;
	REFUSED(viso_sandbox_start(NULL));
	REFUSED(viso_sandbox_pids(NULL, &pid, 1));
	viso_container *container = viso_container_new();
	viso_sandbox *sandbox = viso_container_sandbox(container);
	viso_command *command = viso_command_new("x");
	viso_process *process = NULL;
	viso_result *result = NULL;
	REFUSED(viso_sandbox_isolation(NULL));
	REFUSED(viso_sandbox_spawn(NULL, command, &process));
	REFUSED(viso_sandbox_spawn(sandbox, NULL, &process));
	REFUSED(viso_sandbox_spawn(sandbox, command, NULL));
	REFUSED(viso_sandbox_spawn(sandbox, command, &process)); /* no root was set */
	REFUSED(viso_sandbox_run(NULL, command, &result));
	REFUSED(viso_sandbox_run(sandbox, NULL, &result));
	REFUSED(viso_sandbox_run(sandbox, command, &result));
	REFUSED(viso_sandbox_signal(NULL, 1));
	REFUSED(viso_sandbox_signal(sandbox, 0));
	REFUSED(viso_sandbox_signal(sandbox, 65));
	REFUSED(viso_sandbox_kill(NULL));
	REFUSED(viso_sandbox_close(NULL));
	REFUSED(viso_sandbox_pause(NULL));
	REFUSED(viso_sandbox_resume(NULL));
	REFUSED(viso_sandbox_usage(NULL, VISO_USAGE_MEMORY));
	REFUSED(viso_sandbox_usage(sandbox, (viso_usage)(VISO_USAGE_INTERRUPTS + 1)));
	REFUSED(viso_sandbox_fd(NULL));
	REFUSED(viso_sandbox_next_event(NULL, &process));
	REFUSED(viso_sandbox_copy_in(NULL, "/etc/passwd", "/tmp"));
	REFUSED(viso_sandbox_copy_in(sandbox, NULL, "/tmp"));
	REFUSED(viso_sandbox_copy_in(sandbox, "/etc/passwd", NULL));
	REFUSED(viso_sandbox_copy_in(sandbox, "/etc/passwd", "tmp"));
	REFUSED(viso_sandbox_copy_out(NULL, "/tmp", "/tmp/x"));
	REFUSED(viso_sandbox_copy_out(sandbox, NULL, "/tmp/x"));
	REFUSED(viso_sandbox_copy_out(sandbox, "/tmp", NULL));
	REFUSED(viso_sandbox_copy_out(sandbox, "/tmp", "/tmp/x")); /* there is no instance */
	assert_null(process);
	assert_null(result);
	viso_command_unref(command);
	viso_container_unref(container);
	assert_int_equal(bad_calls_failures, 0);
}

static void test_process(void **state)
{
	viso_result *result = NULL;
	REFUSED(viso_process_pid(NULL));
	REFUSED(viso_process_fd(NULL));
	REFUSED(viso_process_take_stream(NULL, VISO_STDOUT));
	REFUSED(viso_process_signal(NULL, 1));
	REFUSED(viso_process_kill(NULL));
	REFUSED(viso_process_wait(NULL, -1, &result));
	REFUSED(viso_process_usage(NULL, VISO_USAGE_MEMORY));
	REFUSED(viso_process_timings(NULL, NULL, 0));
	REFUSED(viso_process_take_terminal(NULL));
	REFUSED(viso_process_resize_terminal(NULL, 80, 25));
	REFUSED(viso_process_addresses(NULL, NULL, 0));
	REFUSED(viso_process_notification_fd(NULL));
	REFUSED(viso_process_next_notification(NULL, 0, NULL));
	assert_null(result);
	assert_int_equal(bad_calls_failures, 0);
}

static void test_result(void **state)
{
	REFUSED(viso_result_reason(NULL));
	REFUSED(viso_result_usage(NULL, VISO_USAGE_WALL_US));
	REFUSED_NULL(viso_result_output(NULL, VISO_STDOUT, NULL));
	REFUSED(viso_result_output_truncated(NULL, VISO_STDOUT));
	HARMLESS(viso_result_exit_code(NULL) == -1);
	HARMLESS(viso_result_signal(NULL) == 0);
	HARMLESS(viso_result_describe(NULL)[0] == '\0');
	assert_int_equal(bad_calls_failures, 0);
}

static void test_machine_and_names(void **state)
{
	REFUSED(viso_machine_feature(NULL, VISO_FEATURE_JAIL));
	REFUSED_NULL(viso_machine_detail(NULL, VISO_FEATURE_JAIL));
	REFUSED(viso_log_set_handler((viso_log_level)0, NULL, NULL, NULL));
	HARMLESS(viso_feature_name((viso_feature)-1) == NULL);
	HARMLESS(viso_isolation_name((viso_isolation)0) == NULL);
	HARMLESS(viso_isolation_name((viso_isolation)-1) == NULL);
	HARMLESS(viso_stage_name((viso_stage)-1) == NULL);
	HARMLESS(viso_provider_name((viso_provider)-1) == NULL);
	HARMLESS(viso_entry_type_name((viso_entry_type)0) == NULL);
	HARMLESS(viso_entry_state_name((viso_entry_state)-1) == NULL);
	HARMLESS(viso_hardening_name((viso_hardening)-1) == NULL);
	HARMLESS(viso_step_name((viso_step)-1) == NULL);
	HARMLESS(viso_step_name((viso_step)10) == NULL);
	assert_int_equal(bad_calls_failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ref_and_unref_take_null, bad_calls_set_up),
		cmocka_unit_test_setup(test_command, bad_calls_set_up),
		cmocka_unit_test_setup(test_root, bad_calls_set_up),
		cmocka_unit_test_setup(test_complete_root, bad_calls_set_up),
		cmocka_unit_test_setup(test_manifest, bad_calls_set_up),
		cmocka_unit_test_setup(test_jail, bad_calls_set_up),
		cmocka_unit_test_setup(test_container, bad_calls_set_up),
		cmocka_unit_test_setup(test_guest, bad_calls_set_up),
		cmocka_unit_test_setup(test_sandbox, bad_calls_set_up),
		cmocka_unit_test_setup(test_process, bad_calls_set_up),
		cmocka_unit_test_setup(test_result, bad_calls_set_up),
		cmocka_unit_test_setup(test_machine_and_names, bad_calls_set_up),
	};
	return cmocka_run_group_tests_name("bad handles", tests, NULL, NULL);
}
