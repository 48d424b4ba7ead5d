/* SPDX-License-Identifier: MIT */
/* The calls that are about what only containers have, and what came with them; what untouched means is in untouched.h.
 */
#include "untouched.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char busybox[] = "/bin/busybox";

static void skip_without_containers(void)
{
	static char detail[600];
	viso_machine *machine = viso_machine_new();
	bool works = viso_machine_feature(machine, VISO_FEATURE_CONTAINER) == 1;
	snprintf(detail, sizeof(detail), "containers: %s", viso_machine_detail(machine, VISO_FEATURE_CONTAINER));
	viso_machine_unref(machine);
	skip_without(works, detail);
	skip_without(access(busybox, X_OK) == 0, "busybox-static");
}

static bool has(viso_feature feature)
{
	viso_machine *machine = viso_machine_new();
	bool works = viso_machine_feature(machine, feature) == 1;
	viso_machine_unref(machine);
	return works;
}

static viso_root *busybox_root(void)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_program(root, busybox));
	return root;
}

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

static void test_commands(void **state)
{
	untouched_begin();
	viso_command *command = viso_command_new("sh");
	UNTOUCHED(viso_command_set_terminal(command, 80, 25), == 0);
	UNTOUCHED(viso_command_set_oom_score_adj(command, 100), == 0);
	UNTOUCHED(viso_command_set_cpu_affinity(command, "0"), == 0);
	UNTOUCHED(viso_command_set_nice(command, 5), == 0);
	UNTOUCHED(viso_command_set_scheduler(command, VISO_SCHEDULER_BATCH, 0), == 0);
	UNTOUCHED(viso_command_set_umask(command, 077), == 0);
	UNTOUCHED(viso_step_name(VISO_STEP_MOUNTS), != NULL);
	viso_command_unref(command);
	untouched_end();
}

static void test_files(void **state)
{
	char *directory = support_temporary_directory();
	untouched_begin();
	viso_root *layer = busybox_root();
	viso_container *container = viso_container_new();
	int fd = open(directory, O_PATH | O_CLOEXEC);
	UNTOUCHED(viso_container_add_bind(container, directory, "/mnt", VISO_MOUNT_READ_ONLY), == 0);
	UNTOUCHED(viso_container_add_bind(container, "/nowhere", "/mnt", VISO_MOUNT_DEFAULT), == -ENOENT);
	UNTOUCHED(viso_container_add_bind_fd(container, fd, "/mnt", VISO_MOUNT_NO_EXEC), == 0);
	close(fd);
	UNTOUCHED(viso_container_add_tmpfs(container, "/var/tmp", 1 << 20, 01777, 0), == 0);
	UNTOUCHED(viso_container_add_file(container, "/etc/motd", "text", 4, 0644), == 0);
	UNTOUCHED(viso_container_add_filesystem(container, "mqueue", "/dev/mqueue", 0), == 0);
	UNTOUCHED(viso_container_add_device(container, "/dev/zero"), == 0);
	UNTOUCHED(viso_container_add_read_only(container, "/var"), == 0);
	UNTOUCHED(viso_container_add_mask(container, "/proc/kcore"), == 0);
	UNTOUCHED(viso_container_add_layer(container, layer), == 0);
	UNTOUCHED(viso_container_set_upper_discarded(container, 1 << 20), == 0);
	UNTOUCHED(viso_container_set_upper_directory(container, directory), == 0);
	UNTOUCHED(viso_container_set_root_writable(container, 0), == 0);
	viso_container_unref(container);
	viso_root_unref(layer);
	untouched_end();
	support_remove_tree(directory);
	free(directory);
}

static void test_limits(void **state)
{
	untouched_begin();
	viso_container *container = viso_container_new();
	UNTOUCHED(viso_container_set_memory_high(container, 1 << 25), == 0);
	UNTOUCHED(viso_container_set_swap_max(container, 0), == 0);
	UNTOUCHED(viso_container_set_cpu_max(container, 50000, 0), == 0);
	UNTOUCHED(viso_container_set_cpu_weight(container, 50), == 0);
	UNTOUCHED(viso_container_set_cpus(container, "0"), == 0);
	UNTOUCHED(viso_container_set_memory_nodes(container, "0"), == 0);
	UNTOUCHED(viso_container_set_io_max(container, "/nowhere", VISO_IO_READS, 10), == -ENOENT);
	UNTOUCHED(viso_container_set_io_weight(container, 50), == 0);
	UNTOUCHED(viso_container_set_hugetlb_max(container, 2 << 20, 2 << 20), == 0);
	UNTOUCHED(viso_container_allow_device(container, 'c', 1, 3, "rw"), == 0);
	UNTOUCHED(viso_container_set_cgroup_value(container, "memory.low", "0"), == 0);
	UNTOUCHED(viso_container_set_cgroup_parent(container, "/"), == 0);
	viso_container_unref(container);
	untouched_end();
}

static void test_ids_network_and_security(void **state)
{
	untouched_begin();
	viso_container *container = viso_container_new();
	int fd = open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC);
	UNTOUCHED(viso_container_set_domainname(container, "example"), == 0);
	UNTOUCHED(viso_container_join_namespace(container, VISO_NAMESPACE_IPC, fd), == 0);
	close(fd);
	UNTOUCHED(viso_container_share_namespace(container, VISO_NAMESPACE_UTS), == 0);
	UNTOUCHED(viso_container_add_id_map(container, VISO_ID_USER, 0, 100000, 1000), == 0);
	UNTOUCHED(viso_container_set_clock_offset(container, VISO_CLOCK_MONOTONIC, 1000000000), == 0);
	UNTOUCHED(viso_container_set_sysctl(container, "net.ipv4.ip_unprivileged_port_start", "0"), == 0);
	UNTOUCHED(viso_container_set_parent_interface(container, "br-test"), == 0);
	UNTOUCHED(viso_container_add_address(container, "10.9.8.7/24"), == 0);
	UNTOUCHED(viso_container_set_gateway(container, "10.9.8.1"), == 0);
	UNTOUCHED(viso_container_add_dns_server(container, "10.9.8.1"), == 0);
	UNTOUCHED(viso_container_set_nat(container, 0), <= 0);
	UNTOUCHED(viso_container_forward_port(container, VISO_PROTOCOL_TCP, NULL, 18080, 80), <= 0);
	UNTOUCHED(viso_container_add_capability_to(container, VISO_CAPABILITY_BOUNDING, "chown"), == 0);
	UNTOUCHED(viso_container_set_securebits(container, 0), == 0);
	UNTOUCHED(viso_container_set_new_privileges(container, 0), == 0);
	UNTOUCHED(viso_container_set_seccomp_profile(container, VISO_SECCOMP_DEFAULT), <= 0);
	UNTOUCHED(viso_container_add_syscall_rule(container, "ptrace", VISO_SYSCALL_ERROR, EPERM), <= 0);
	UNTOUCHED(viso_container_add_syscall_rule_if(container, "kill", 1, 0xff, 9, VISO_SYSCALL_ERROR, EPERM), <= 0);
	UNTOUCHED(viso_container_load_seccomp(container, "/nowhere"), < 0);
	UNTOUCHED(viso_container_add_landlock_path(container, "/", VISO_LANDLOCK_READ), == 0);
	viso_container_unref(container);
	untouched_end();
}

static void use_copies(viso_sandbox *sandbox, const char *directory)
{
	char *source = NULL, *destination = NULL;
	assert_true(asprintf(&source, "%s/source", directory) > 0 && asprintf(&destination, "%s/out", directory) > 0);
	close(open(source, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	UNTOUCHED(viso_sandbox_copy_in(sandbox, source, "/tmp/in"), == 0);
	UNTOUCHED(viso_sandbox_copy_out(sandbox, "/tmp/in", destination), == 0);
	UNTOUCHED(viso_sandbox_copy_out(sandbox, "/tmp/none", destination), < 0);
	free(source);
	free(destination);
}

static void use_running(viso_sandbox *sandbox)
{
	int64_t ns[VISO_STEP_ENDED + 1];
	char addresses[100];
	viso_process *process = NULL, *about = NULL;
	viso_command *command = make_command("sleep", "1000");
	UNTOUCHED(viso_sandbox_fd(sandbox), >= 0);
	UNTOUCHED(viso_sandbox_next_event(sandbox, NULL), == VISO_EVENT_NONE);
	UNTOUCHED(viso_sandbox_spawn(sandbox, command, &process), == 0);
	UNTOUCHED(viso_sandbox_pause(sandbox), == 1);
	UNTOUCHED(viso_sandbox_resume(sandbox), == 1);
	UNTOUCHED(viso_sandbox_usage(sandbox, VISO_USAGE_USER_US), != -EINVAL);
	UNTOUCHED(viso_process_usage(process, VISO_USAGE_USER_US), != -EINVAL);
	UNTOUCHED(viso_process_timings(process, ns, VISO_STEP_ENDED + 1), == VISO_STEP_ENDED + 1);
	UNTOUCHED(viso_process_addresses(process, addresses, sizeof(addresses)), >= 0);
	UNTOUCHED(viso_process_notification_fd(process), == -EBADF);
	UNTOUCHED(viso_process_take_terminal(process), == -EBADF);
	UNTOUCHED(viso_process_kill(process), == 0);
	UNTOUCHED(viso_process_wait(process, -1, NULL), == 0);
	UNTOUCHED(viso_sandbox_next_event(sandbox, &about), >= 0);
	viso_process_unref(about);
	viso_process_unref(process);
	viso_command_unref(command);
}

static void test_an_instance(void **state)
{
	skip_without_containers();
	char *directory = support_temporary_directory();
	untouched_begin();
	viso_root *root = busybox_root();
	viso_container *container = viso_container_new();
	assert_ok(viso_container_set_root(container, root));
	viso_sandbox *sandbox = viso_container_sandbox(container);
	UNTOUCHED(viso_sandbox_start(sandbox), == 0);
	use_running(sandbox);
	use_copies(sandbox, directory);
	UNTOUCHED(viso_container_unref(container), == NULL);
	viso_root_unref(root);
	untouched_end();
	support_remove_tree(directory);
	free(directory);
}

static void test_a_terminal(void **state)
{
	skip_without_containers();
	untouched_begin();
	viso_root *root = busybox_root();
	viso_container *container = viso_container_new();
	assert_ok(viso_container_set_root(container, root));
	viso_command *command = make_command("sleep", "1000");
	viso_process *process = NULL;
	int terminal = -1;
	assert_ok(viso_command_set_terminal(command, 80, 25));
	UNTOUCHED(viso_sandbox_spawn(viso_container_sandbox(container), command, &process), == 0);
	UNTOUCHED((terminal = viso_process_take_terminal(process)), >= 0);
	UNTOUCHED(viso_process_resize_terminal(process, 100, 40), == 0);
	close(terminal);
	viso_process_unref(process);
	viso_command_unref(command);
	viso_container_unref(container);
	viso_root_unref(root);
	untouched_end();
}

static void answer(viso_process *process)
{
	viso_notification *notification = NULL;
	uint64_t value;
	char byte;
	UNTOUCHED(viso_process_notification_fd(process), >= 0);
	UNTOUCHED(viso_process_next_notification(process, -1, &notification), == 0);
	UNTOUCHED(viso_notification_ref(notification), == notification);
	UNTOUCHED(viso_notification_unref(notification), == NULL);
	UNTOUCHED(viso_notification_name(notification), != NULL);
	UNTOUCHED(viso_notification_number(notification), == SYS_sethostname);
	UNTOUCHED(viso_notification_pid(notification), > 0);
	UNTOUCHED(viso_notification_argument(notification, 0, &value), == 0);
	UNTOUCHED(viso_notification_read(notification, value, &byte, 1), == 1);
	UNTOUCHED(viso_notification_refuse(notification, EXDEV), == 0);
	UNTOUCHED(viso_notification_answer(notification, 0), == -EALREADY);
	UNTOUCHED(viso_notification_continue(notification), == -EALREADY);
	UNTOUCHED(viso_notification_answer_fd(notification, 1), == -EALREADY);
	UNTOUCHED(viso_notification_unref(notification), == NULL);
}

static void test_notifications(void **state)
{
	skip_without_containers();
	skip_without(has(VISO_FEATURE_SECCOMP), "seccomp");
	untouched_begin();
	viso_root *root = busybox_root();
	viso_container *container = viso_container_new();
	viso_command *command = make_command("hostname", "other");
	viso_process *process = NULL;
	assert_ok(viso_container_set_root(container, root));
	assert_ok(viso_container_add_syscall_rule(container, "sethostname", VISO_SYSCALL_NOTIFY, 0));
	UNTOUCHED(viso_sandbox_spawn(viso_container_sandbox(container), command, &process), == 0);
	if (process)
		answer(process);
	viso_process_unref(process);
	viso_command_unref(command);
	viso_container_unref(container);
	viso_root_unref(root);
	untouched_end();
}

static void test_prepared_and_detached(void **state)
{
	skip_without_containers();
	char *directory = support_temporary_directory();
	untouched_begin();
	viso_root *root = busybox_root();
	viso_container *container = viso_container_new(), *found = NULL;
	viso_command *command = make_command("true", NULL);
	assert_ok(viso_container_set_root(container, root));
	UNTOUCHED(viso_container_prepare(container, 1), == (geteuid() == 0 ? 0 : -EOPNOTSUPP));
	UNTOUCHED(viso_sandbox_run(viso_container_sandbox(container), command, NULL), == 0);
	UNTOUCHED(viso_container_unref(container), == NULL);

	container = viso_container_new();
	assert_ok(viso_container_set_root(container, root));
	UNTOUCHED(viso_container_set_detached(container, directory, "box"), == 0);
	UNTOUCHED(viso_sandbox_start(viso_container_sandbox(container)), == 0);
	UNTOUCHED(viso_container_unref(container), == NULL);
	UNTOUCHED(viso_container_attach(directory, "none", &found), == -ENOENT);
	UNTOUCHED(viso_container_attach(directory, "box", &found), == 0);
	UNTOUCHED(viso_sandbox_run(viso_container_sandbox(found), command, NULL), == 0);
	UNTOUCHED(viso_sandbox_close(viso_container_sandbox(found)), == 0);
	UNTOUCHED(viso_container_unref(found), == NULL);
	viso_command_unref(command);
	viso_root_unref(root);
	untouched_end();
	support_remove_tree(directory);
	free(directory);
}

static void test_bundles_hooks_and_checkpoints(void **state)
{
	char *directory = support_temporary_directory();
	untouched_begin();
	viso_container *container = viso_container_new(), *loaded = NULL;
	viso_command *hook = viso_command_new("/bin/true");
	UNTOUCHED(viso_container_load_bundle(directory, &loaded, NULL), < 0);
	UNTOUCHED(viso_container_add_hook(container, VISO_HOOK_POSTSTOP, hook), == 0);
	UNTOUCHED(viso_container_checkpoint(container, directory), < 0);
	UNTOUCHED(viso_container_restore(container, directory), < 0);
	viso_command_unref(hook);
	viso_container_unref(container);
	untouched_end();
	support_remove_tree(directory);
	free(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_ids_network_and_security),
		cmocka_unit_test(test_an_instance),
		cmocka_unit_test(test_a_terminal),
		cmocka_unit_test(test_notifications),
		cmocka_unit_test(test_prepared_and_detached),
		cmocka_unit_test(test_bundles_hooks_and_checkpoints),
	};
	return cmocka_run_group_tests_name("containers untouched", tests, untouched_peculiar_host, NULL);
}
