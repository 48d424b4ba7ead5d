/* SPDX-License-Identifier: MIT */
/* The calls that are not about what only containers have; what untouched means is in untouched.h. */
#include "untouched.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <virtiso.h>

#include "host_state.h"

static const char busybox[] = "/bin/busybox";

static void on_message(viso_log_level level, const char *message, void *userdata)
{
}

static void test_errors_logs_and_machine(void **state)
{
	untouched_begin();
	viso_machine *machine = NULL;
	UNTOUCHED(viso_version(), > 0);
	UNTOUCHED(viso_log_set_handler(VISO_LOG_DEBUG, on_message, NULL, NULL), == 0);
	UNTOUCHED(viso_log_set_handler(VISO_LOG_ERROR, NULL, NULL, NULL), == 0);
	UNTOUCHED((machine = viso_machine_new()), != NULL);
	UNTOUCHED(viso_machine_feature(machine, VISO_FEATURE_KVM), >= 0);
	UNTOUCHED(viso_machine_detail(machine, VISO_FEATURE_KVM), != NULL);
	UNTOUCHED(viso_machine_ref(machine), == machine);
	UNTOUCHED(viso_machine_unref(machine), == NULL);
	UNTOUCHED(viso_machine_unref(machine), == NULL);
	UNTOUCHED(viso_feature_name(VISO_FEATURE_KVM), != NULL);
	UNTOUCHED(viso_isolation_name(VISO_ISOLATION_JAIL), != NULL);
	UNTOUCHED(viso_stage_name(VISO_STAGE_KVM), != NULL);
	UNTOUCHED(viso_command_add_arg(NULL, NULL), == -EINVAL);
	UNTOUCHED(viso_error_number(), == EINVAL);
	UNTOUCHED(viso_error_stage(), == VISO_STAGE_ARGUMENT);
	UNTOUCHED(viso_error_object(), != NULL);
	UNTOUCHED(viso_error_message(), != NULL);
	UNTOUCHED((viso_error_clear(), viso_error_number()), == 0);
	untouched_end();
}

static void test_commands(void **state)
{
	const unsigned groups[] = {5, 6};
	untouched_begin();
	viso_command *command = NULL;
	UNTOUCHED((command = viso_command_new("sh")), != NULL);
	UNTOUCHED(viso_command_ref(command), == command);
	UNTOUCHED(viso_command_unref(command), == NULL);
	UNTOUCHED(viso_command_add_arg(command, "-c"), == 0);
	UNTOUCHED(viso_command_set_env(command, "VISO_HOST", "changed"), == 0);
	UNTOUCHED(viso_command_set_env(command, "VISO_HOST", NULL), == 0);
	UNTOUCHED(viso_command_clear_env(command), == 0);
	UNTOUCHED(viso_command_set_cwd(command, "/tmp"), == 0);
	UNTOUCHED(viso_command_set_user(command, 5, 5), == 0);
	UNTOUCHED(viso_command_set_groups(command, groups, 2), == 0);
	UNTOUCHED(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL), == 0);
	UNTOUCHED(viso_command_set_stdio_fd(command, VISO_STDOUT, 1), == 0);
	UNTOUCHED(viso_command_add_fd(command, 1, 3), == 0);
	UNTOUCHED(viso_command_set_input(command, "input", 5), == 0);
	UNTOUCHED(viso_command_capture(command, 100), == 0);
	UNTOUCHED(viso_command_capture_stream(command, VISO_STDERR, 100), == 0);
	UNTOUCHED(viso_command_set_rlimit(command, VISO_RLIMIT_OPEN_FILES, 20), == 0);
	UNTOUCHED(viso_command_set_timeout_ms(command, 20), == 0);
	UNTOUCHED(viso_command_set_cpu_time_ms(command, 20), == 0);
	UNTOUCHED(viso_command_unref(command), == NULL);
	untouched_end();
}

static void test_roots(void **state)
{
	char *directory = support_temporary_directory(), *path = NULL;
	assert_true(asprintf(&path, "%s/root", directory) > 0);
	untouched_begin();
	viso_root *root = NULL;
	UNTOUCHED((root = viso_root_new()), != NULL);
	UNTOUCHED(viso_root_ref(root), == root);
	UNTOUCHED(viso_root_unref(root), == NULL);
	UNTOUCHED(viso_root_add_program(root, "/usr/bin/env"), == 0);
	UNTOUCHED(viso_root_add_program(root, "/nowhere/to/be/found"), == -ENOENT);
	UNTOUCHED(viso_root_add_file(root, "/etc/passwd", "/data/file"), == 0);
	UNTOUCHED(viso_root_add_directory(root, directory, "/data/directory"), == 0);
	UNTOUCHED(viso_root_add_data(root, "/data/text", "text", 4, 0600), == 0);
	UNTOUCHED(viso_root_set_path(root, path), == 0);
	UNTOUCHED(viso_root_build(root), == 0);
	UNTOUCHED(viso_root_path(root), != NULL);
	UNTOUCHED(viso_root_unref(root), == NULL);

	/* In a directory of the library's own, and an existing one. */
	UNTOUCHED((root = viso_root_new()), != NULL);
	UNTOUCHED(viso_root_add_data(root, "/data/text", "text", 4, 0600), == 0);
	UNTOUCHED(viso_root_build(root), == 0);
	UNTOUCHED(viso_root_unref(root), == NULL);
	UNTOUCHED((root = viso_root_new()), != NULL);
	UNTOUCHED(viso_root_use_directory(root, directory), == 0);
	UNTOUCHED(viso_root_build(root), == 0);
	UNTOUCHED(viso_root_unref(root), == NULL);
	untouched_end();
	support_remove_tree(directory);
	free(directory);
	free(path);
}

static int on_progress(uint64_t done, uint64_t total, const char *path, void *userdata)
{
	return 0;
}

static void examine_manifest(viso_manifest *manifest, const char *path)
{
	viso_manifest *loaded = NULL;
	int64_t index = -1;
	UNTOUCHED(viso_manifest_ref(manifest), == manifest);
	UNTOUCHED(viso_manifest_unref(manifest), == NULL);
	UNTOUCHED(viso_manifest_count(manifest), > 1);
	UNTOUCHED((index = viso_manifest_find(manifest, "/etc/passwd")), > 0);
	UNTOUCHED(viso_manifest_path(manifest, (size_t)index), != NULL);
	UNTOUCHED(viso_manifest_type(manifest, (size_t)index), == VISO_ENTRY_FILE);
	UNTOUCHED(viso_manifest_mode(manifest, (size_t)index), == 0644);
	UNTOUCHED(viso_manifest_size(manifest, (size_t)index), > 0);
	UNTOUCHED(viso_manifest_sha256(manifest, (size_t)index), != NULL);
	UNTOUCHED(viso_manifest_link(manifest, (size_t)index), != NULL);
	UNTOUCHED(viso_manifest_reason(manifest, (size_t)index), != NULL);
	UNTOUCHED(viso_manifest_state(manifest, (size_t)index), == VISO_ENTRY_RIGHT);
	UNTOUCHED(viso_manifest_save(manifest, path), == 0);
	UNTOUCHED(viso_manifest_load(path, &loaded), == 0);
	UNTOUCHED(viso_manifest_unref(loaded), == NULL);
	UNTOUCHED(viso_entry_state_name(VISO_ENTRY_MISSING), != NULL);
	UNTOUCHED(viso_entry_type_name(VISO_ENTRY_LINK), != NULL);
}

static void test_complete_roots(void **state)
{
	char *directory = support_temporary_directory();
	char *path = NULL, *store = NULL, *list = NULL, *archive = NULL, *command = NULL;
	assert_true(asprintf(&path, "%s/root", directory) > 0 && asprintf(&store, "%s/store", directory) > 0 &&
		    asprintf(&list, "%s/list", directory) > 0 && asprintf(&archive, "%s/a.tar", directory) > 0);
	assert_true(asprintf(&command, "tar -C /etc -cf %s services", archive) > 0);
	assert_int_equal(system(command), 0);
	untouched_signals = 0; /* the SIGCHLD of that child */
	untouched_begin();
	viso_root *root = NULL;
	viso_manifest *manifest = NULL, *differences = NULL;
	UNTOUCHED((root = viso_root_new()), != NULL);
	UNTOUCHED(viso_root_set_source(root, "/"), == 0);
	UNTOUCHED(viso_root_set_provider(root, VISO_PROVIDER_NSS, 0), == 0);
	UNTOUCHED(viso_provider_name(VISO_PROVIDER_NSS), != NULL);
	UNTOUCHED(viso_root_set_path(root, path), == 0);
	UNTOUCHED(viso_root_set_copy_method(root, VISO_COPY_AUTO), == 0);
	UNTOUCHED(viso_root_set_store(root, store), == 0);
	UNTOUCHED(viso_root_set_keep(root, VISO_KEEP_SETUID), == 0);
	UNTOUCHED(viso_root_set_progress_handler(root, on_progress, NULL, NULL), == 0);
	UNTOUCHED(viso_root_add_archive(root, archive, "/unpacked"), == (HAVE_ARCHIVE ? 0 : -EOPNOTSUPP));
	UNTOUCHED(viso_root_add_image(root, directory, NULL), == (HAVE_ARCHIVE ? -EBUSY : -EOPNOTSUPP));
	UNTOUCHED(viso_root_add_program(root, "/usr/bin/env"), == 0);
	UNTOUCHED(viso_root_add_library(root, "libc.so.6"), == 0);
	UNTOUCHED(viso_root_add_package(root, "there-is-no-such-package"), == -ENOENT);
	/* One that an ordinary user cannot make would let building fail. */
	UNTOUCHED(viso_root_add_device(root, geteuid() == 0 ? "/dev/zero" : "/dev/no-such-device"),
		  == (geteuid() == 0 ? 0 : -ENOENT));
	UNTOUCHED(viso_root_add_user(root, "me", 5000, 5000, "/home/me", NULL), == 0);
	UNTOUCHED(viso_root_add_group(root, "us", 5000), == 0);
	UNTOUCHED(viso_root_cancel(root), == 0);
	UNTOUCHED(viso_root_plan(root, &manifest), == 0);
	examine_manifest(manifest, list);
	UNTOUCHED(viso_manifest_unref(manifest), == NULL);
	UNTOUCHED(viso_root_update(root), > 0);
	UNTOUCHED(viso_root_manifest(root, &manifest), == 0);
	UNTOUCHED(viso_manifest_verify(manifest, path, &differences), == 0);
	UNTOUCHED(viso_manifest_unref(differences), == NULL);
	UNTOUCHED(viso_root_verify(root, NULL), == 0);
	UNTOUCHED(viso_image_write(root, VISO_IMAGE_INITRAMFS, list), == 0);
	UNTOUCHED(viso_root_remove(root), == 0);
	UNTOUCHED(viso_root_prune_store(store), > 0);
	UNTOUCHED(viso_manifest_unref(manifest), == NULL);
	UNTOUCHED(viso_root_unref(root), == NULL);
	untouched_end();
	support_remove_tree(directory);
	free(directory);
	free(path);
	free(store);
	free(list);
	free(archive);
	free(command);
}

/* A command of the busybox in the root, with captured output and no input. */
static viso_command *make_command(const char *applet, const char *argument)
{
	viso_command *command = viso_command_new(busybox);
	assert_ok(viso_command_add_arg(command, applet));
	if (argument)
		assert_ok(viso_command_add_arg(command, argument));
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(command, 1000));
	return command;
}

static void read_result(viso_result *result)
{
	size_t size;
	UNTOUCHED(viso_result_ref(result), == result);
	UNTOUCHED(viso_result_unref(result), == NULL);
	UNTOUCHED(viso_result_reason(result), > 0);
	UNTOUCHED(viso_result_exit_code(result), >= -1);
	UNTOUCHED(viso_result_signal(result), >= 0);
	UNTOUCHED(viso_result_describe(result), != NULL);
	UNTOUCHED(viso_result_usage(result, VISO_USAGE_WALL_US), >= 0);
	UNTOUCHED(viso_result_output(result, VISO_STDOUT, &size), != NULL);
	UNTOUCHED(viso_result_output_truncated(result, VISO_STDOUT), == 0);
	UNTOUCHED(viso_result_unref(result), == NULL);
}

static void run_to_the_end(viso_sandbox *sandbox)
{
	viso_result *result = NULL;
	viso_command *command = make_command("echo", "hello");
	UNTOUCHED(viso_sandbox_run(sandbox, command, &result), == 0);
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "hello\n");
	read_result(result);
	viso_command_unref(command);

	command = make_command("false", NULL);
	assert_ok(viso_command_set_cwd(command, "/nowhere"));
	UNTOUCHED(viso_sandbox_run(sandbox, command, NULL), == -ENOENT);
	viso_command_unref(command);

	command = make_command("sleep", "1000");
	assert_ok(viso_command_set_timeout_ms(command, 30));
	result = NULL;
	UNTOUCHED(viso_sandbox_run(sandbox, command, &result), == 0);
	assert_int_equal(viso_result_reason(result), VISO_REASON_TIMED_OUT);
	viso_result_unref(result);
	viso_command_unref(command);
}

static void spawn_and_wait(viso_sandbox *sandbox)
{
	viso_process *process = NULL;
	viso_result *result = NULL;
	viso_command *command = make_command("sleep", "1000");
	UNTOUCHED(viso_sandbox_spawn(sandbox, command, &process), == 0);
	viso_command_unref(command);
	if (!process)
		return;
	UNTOUCHED(viso_process_ref(process), == process);
	UNTOUCHED(viso_process_unref(process), == NULL);
	UNTOUCHED(viso_process_pid(process), >= 0);
	UNTOUCHED(viso_process_fd(process), >= 0);
	UNTOUCHED(viso_process_take_stream(process, VISO_STDOUT), == -EBADF);
	UNTOUCHED(viso_process_wait(process, 0, NULL), == -ETIMEDOUT);
	UNTOUCHED(viso_process_wait(process, 20, NULL), == -ETIMEDOUT);
	UNTOUCHED(viso_process_signal(process, SIGCONT), != -EINVAL);
	UNTOUCHED(viso_sandbox_signal(sandbox, SIGCONT), != -EINVAL);
	UNTOUCHED(viso_process_kill(process), == 0);
	UNTOUCHED(viso_process_wait(process, -1, &result), == 0);
	UNTOUCHED(viso_process_unref(process), == NULL);
	assert_int_equal(viso_result_reason(result), VISO_REASON_KILLED);
	viso_result_unref(result);
}

/* Writing to a pipe that nobody reads, and releasing while it runs. */
static void leave_in_the_middle(viso_sandbox *sandbox)
{
	viso_process *process = NULL, *other = NULL;
	viso_command *command = make_command("yes", NULL);
	int stream = -1;
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	UNTOUCHED(viso_sandbox_spawn(sandbox, command, &process), == 0);
	UNTOUCHED(viso_sandbox_spawn(sandbox, command, &other), == 0);
	if (process)
		UNTOUCHED((stream = viso_process_take_stream(process, VISO_STDOUT)), >= 0);
	close(stream);
	UNTOUCHED(viso_process_unref(process), == NULL);
	UNTOUCHED(viso_sandbox_kill(sandbox), >= 0);
	UNTOUCHED(viso_sandbox_close(sandbox), == 0);
	UNTOUCHED(viso_sandbox_spawn(sandbox, command, &process), == -ESTALE);
	UNTOUCHED(viso_process_unref(other), == NULL);
	viso_command_unref(command);
}

static viso_root *busybox_root(void)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_program(root, busybox));
	return root;
}

static void skip_without_feature(viso_feature feature)
{
	static char detail[600];
	viso_machine *machine = viso_machine_new();
	bool works = viso_machine_feature(machine, feature) == 1;
	snprintf(detail, sizeof(detail), "%s: %s", viso_feature_name(feature), viso_machine_detail(machine, feature));
	viso_machine_unref(machine);
	skip_without(works, detail);
	skip_without(access(busybox, X_OK) == 0, "busybox-static");
}

static void use_sandbox(viso_sandbox *sandbox, viso_isolation isolation)
{
	UNTOUCHED(viso_sandbox_isolation(sandbox), == (int)isolation);
	run_to_the_end(sandbox);
	spawn_and_wait(sandbox);
	leave_in_the_middle(sandbox);
}

static void test_jails(void **state)
{
	skip_without_feature(VISO_FEATURE_JAIL);
	untouched_begin();
	viso_root *root = busybox_root();
	viso_jail *jail = NULL;
	viso_sandbox *sandbox = NULL;
	UNTOUCHED((jail = viso_jail_new()), != NULL);
	UNTOUCHED(viso_jail_ref(jail), == jail);
	UNTOUCHED(viso_jail_unref(jail), == NULL);
	UNTOUCHED(viso_jail_set_root(jail, root), == 0);
	/* An ordinary user has no control groups. */
	UNTOUCHED(viso_jail_set_memory_max(jail, geteuid() == 0 ? 256 << 20 : 0), == 0);
	UNTOUCHED(viso_jail_set_processes_max(jail, geteuid() == 0 ? 20 : 0), == 0);
	UNTOUCHED(viso_jail_set_network(jail, VISO_NETWORK_NONE), == 0);
	UNTOUCHED(viso_jail_set_hardening(jail, 1), == 0);
	UNTOUCHED(viso_jail_demand_hardening(jail, VISO_HARDENING_NONE), == 0);
	UNTOUCHED(viso_jail_hardening(jail), >= VISO_HARDENING_NONE);
	UNTOUCHED(viso_hardening_name(VISO_HARDENING_FILES), != NULL);
	UNTOUCHED(viso_jail_warning(jail, 1000), == NULL);
	UNTOUCHED((sandbox = viso_jail_sandbox(jail)), != NULL);
	UNTOUCHED(viso_sandbox_start(sandbox), == 0);
	UNTOUCHED(viso_sandbox_pids(sandbox, NULL, 0), >= 0);
	use_sandbox(sandbox, VISO_ISOLATION_JAIL);
	UNTOUCHED(viso_jail_unref(jail), == NULL);
	viso_root_unref(root);
	untouched_end();
}

static void test_containers(void **state)
{
	skip_without_feature(VISO_FEATURE_CONTAINER);
	untouched_begin();
	viso_root *root = busybox_root();
	viso_container *container = NULL;
	viso_sandbox *sandbox = NULL;
	UNTOUCHED((container = viso_container_new()), != NULL);
	UNTOUCHED(viso_container_ref(container), == container);
	UNTOUCHED(viso_container_unref(container), == NULL);
	UNTOUCHED(viso_container_set_root(container, root), == 0);
	UNTOUCHED(viso_container_set_memory_max(container, 0), == 0);
	UNTOUCHED(viso_container_set_processes_max(container, 0), == 0);
	UNTOUCHED(viso_container_set_network(container, VISO_NETWORK_NONE), == 0);
	UNTOUCHED(viso_container_set_hostname(container, "box"), == 0);
	UNTOUCHED(viso_container_add_capability(container, "net_raw"), == 0);
	UNTOUCHED((sandbox = viso_container_sandbox(container)), != NULL);
	use_sandbox(sandbox, VISO_ISOLATION_CONTAINER);
	UNTOUCHED(viso_container_unref(container), == NULL);
	viso_root_unref(root);
	untouched_end();
}

static void test_guests(void **state)
{
	skip_without_feature(VISO_FEATURE_GUEST);
	untouched_begin();
	viso_root *root = busybox_root();
	viso_guest *guest = NULL;
	viso_sandbox *sandbox = NULL;
	UNTOUCHED((guest = viso_guest_new()), != NULL);
	UNTOUCHED(viso_guest_ref(guest), == guest);
	UNTOUCHED(viso_guest_unref(guest), == NULL);
	UNTOUCHED(viso_guest_set_root(guest, root), == 0);
	UNTOUCHED(viso_guest_set_memory_max(guest, 64 << 20), == 0);
	UNTOUCHED((sandbox = viso_guest_sandbox(guest)), != NULL);
	use_sandbox(sandbox, VISO_ISOLATION_GUEST);
	UNTOUCHED(viso_guest_unref(guest), == NULL);
	viso_root_unref(root);
	untouched_end();
}

static atomic_bool watching;
static atomic_int looks;

/* What belongs to the whole process must not change even for a moment: another thread may just then open a file. */
static void *watch(void *argument)
{
	while (watching) {
		char *now = host_state_of_process();
		untouched_failures += host_state_compare(untouched_before, now, "for a moment");
		free(now);
		atomic_fetch_add(&looks, 1);
	}
	return NULL;
}

static void watch_while_running(viso_sandbox *sandbox)
{
	pthread_t thread;
	viso_command *command = make_command("true", NULL);
	untouched_begin();
	watching = true;
	looks = 0;
	assert_int_equal(pthread_create(&thread, NULL, watch, NULL), 0);
	for (int i = 0; i < 50 || looks < 50; i++)
		assert_ok(viso_sandbox_run(sandbox, command, NULL));
	watching = false;
	pthread_join(thread, NULL);
	viso_command_unref(command);
	assert_int_equal(untouched_failures, 0);
	assert_int_equal(untouched_signals, 0);
}

static void test_nothing_changes_even_for_a_moment(void **state)
{
	skip_without_feature(VISO_FEATURE_CONTAINER);
	viso_root *root = busybox_root();
	viso_container *container = viso_container_new();
	assert_ok(viso_container_set_root(container, root));
	watch_while_running(viso_container_sandbox(container));
	viso_container_unref(container);
	viso_root_unref(root);
}

static void test_nothing_changes_even_for_a_moment_in_guests(void **state)
{
	skip_without_feature(VISO_FEATURE_GUEST);
	viso_root *root = busybox_root();
	viso_guest *guest = viso_guest_new();
	assert_ok(viso_guest_set_root(guest, root));
	watch_while_running(viso_guest_sandbox(guest));
	viso_guest_unref(guest);
	viso_root_unref(root);
}

/* The state that is compared notices what a careless library would do. */
static void test_a_careless_library_would_be_caught(void **state)
{
	char *before = host_state_of_process();
	umask(022);
	char *after = host_state_of_process();
	assert_int_equal(host_state_compare(before, after, NULL), 2);
	umask(027);
	free(after);
	struct sigaction usual;
	sigaction(SIGPIPE, NULL, &usual);
	signal(SIGPIPE, SIG_IGN);
	after = host_state_of_process();
	assert_int_not_equal(host_state_compare(before, after, NULL), 0);
	sigaction(SIGPIPE, &usual, NULL);
	free(after);
	after = host_state_of_process();
	assert_int_equal(host_state_compare(before, after, "after all was put back"), 0);
	free(after);
	free(before);

	untouched_begin();
	int fd = open("/dev/null", O_RDONLY);
	char *moment = host_state_of_moment();
	assert_false(untouched_handles_only(moment));
	free(moment);
	close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	moment = host_state_of_moment();
	assert_true(untouched_handles_only(moment));
	assert_int_equal(host_state_new_fds(untouched_moment, moment, false), 1);
	free(moment);
	close(fd);
	untouched_end();
}

/* In a child whose standard output and error are files: whether anything was written to them. */
static int use_silently(void)
{
	int output = memfd_create("output", MFD_CLOEXEC);
	dup2(output, 1);
	dup2(output, 2);
	viso_root *root = viso_root_new();
	viso_container *container = viso_container_new();
	viso_command *command = viso_command_new(busybox);
	int failed = viso_root_add_program(root, "/nowhere") != -ENOENT;
	failed |= viso_root_add_program(root, busybox) | viso_container_set_root(container, root);
	failed |= viso_command_add_arg(command, "echo") | viso_command_capture(command, 10);
	int ran = viso_sandbox_run(viso_container_sandbox(container), command,
				   NULL); /* or not, on a host without containers */
	viso_container_unref(container);
	viso_command_unref(command);
	viso_root_unref(root);
	viso_machine_unref(viso_machine_new());
	struct stat st;
	fflush(NULL);
	return !failed && ran <= 0 && fstat(output, &st) == 0 && st.st_size == 0 ? 0 : 1;
}

static void test_nothing_is_printed(void **state)
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(use_silently());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	untouched_signals = 0; /* the SIGCHLD of that child */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_careless_library_would_be_caught),
		cmocka_unit_test(test_errors_logs_and_machine),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_complete_roots),
		cmocka_unit_test(test_jails),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_guests),
		cmocka_unit_test(test_nothing_changes_even_for_a_moment),
		cmocka_unit_test(test_nothing_changes_even_for_a_moment_in_guests),
		cmocka_unit_test(test_nothing_is_printed),
	};
	return cmocka_run_group_tests_name("host untouched", tests, untouched_peculiar_host, NULL);
}
