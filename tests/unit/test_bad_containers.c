/* SPDX-License-Identifier: MIT */
/* What the settings of a container must refuse at once, beside NULL handles: by subject, as the headers have them. */
#include "bad_calls.h"

#include <sys/socket.h>

static viso_container *container;

static int set_up(void **state)
{
	container = viso_container_new();
	return container ? bad_calls_set_up(state) : -1;
}

static int tear_down(void **state)
{
	container = viso_container_unref(container);
	return bad_calls_failures;
}

static void test_filesystem(void **state)
{
	viso_root *root = viso_root_new();
	REFUSED(viso_container_add_bind(NULL, "/etc", "/etc", 0));
	REFUSED(viso_container_add_bind(container, NULL, "/etc", 0));
	REFUSED(viso_container_add_bind(container, "/etc", NULL, 0));
	REFUSED(viso_container_add_bind(container, "/etc", "etc", 0));
	REFUSED(viso_container_add_bind(container, "/etc", "/a/../etc", 0));
	REFUSED(viso_container_add_bind(container, "/etc", "/", 0));
	REFUSED(viso_container_add_bind(container, "/etc", "/etc", 64));
	REFUSED(viso_container_add_bind_fd(NULL, 0, "/etc", 0));
	REFUSED(viso_container_add_bind_fd(container, 0, NULL, 0));
	REFUSED(viso_container_add_tmpfs(NULL, "/tmp", 0, 01777, 0));
	REFUSED(viso_container_add_tmpfs(container, "tmp", 0, 01777, 0));
	REFUSED(viso_container_add_tmpfs(container, "/tmp", 0, 010000, 0));
	REFUSED(viso_container_add_tmpfs(container, "/tmp", UINT64_MAX, 01777, 0));
	REFUSED(viso_container_add_file(NULL, "/x", "x", 1, 0644));
	REFUSED(viso_container_add_file(container, NULL, "x", 1, 0644));
	REFUSED(viso_container_add_file(container, "/x", NULL, 1, 0644));
	REFUSED(viso_container_add_file(container, "/x", "x", 1, 01000000));
	REFUSED(viso_container_add_filesystem(NULL, "proc", "/proc", 0));
	REFUSED(viso_container_add_filesystem(container, NULL, "/proc", 0));
	REFUSED(viso_container_add_filesystem(container, "proc", NULL, 0));
	REFUSED(viso_container_add_device(NULL, "/dev/null"));
	REFUSED(viso_container_add_device(container, NULL));
	REFUSED(viso_container_add_device(container, "/etc/passwd"));
	REFUSED(viso_container_add_read_only(NULL, "/etc"));
	REFUSED(viso_container_add_read_only(container, "etc"));
	REFUSED(viso_container_add_mask(NULL, "/etc"));
	REFUSED(viso_container_add_mask(container, NULL));
	REFUSED(viso_container_add_layer(NULL, root));
	REFUSED(viso_container_add_layer(container, NULL));
	REFUSED(viso_container_set_upper_discarded(NULL, 0));
	REFUSED(viso_container_set_upper_discarded(container, UINT64_MAX));
	REFUSED(viso_container_set_upper_directory(NULL, "/tmp"));
	REFUSED(viso_container_set_upper_directory(container, NULL));
	REFUSED(viso_container_set_root_writable(NULL, 1));
	viso_root_unref(root);
}

static void test_limits(void **state)
{
	REFUSED(viso_container_set_memory_high(NULL, 1 << 20));
	REFUSED(viso_container_set_memory_high(container, UINT64_MAX));
	REFUSED(viso_container_set_swap_max(NULL, 1 << 20));
	REFUSED(viso_container_set_swap_max(container, UINT64_MAX));
	REFUSED(viso_container_set_cpu_max(NULL, 1000, 0));
	REFUSED(viso_container_set_cpu_max(container, 999, 0));
	REFUSED(viso_container_set_cpu_max(container, 1000, 999));
	REFUSED(viso_container_set_cpu_max(container, 1000, 1000001));
	REFUSED(viso_container_set_cpu_weight(NULL, 100));
	REFUSED(viso_container_set_cpu_weight(container, 0));
	REFUSED(viso_container_set_cpu_weight(container, 10001));
	REFUSED(viso_container_set_cpus(NULL, "0"));
	REFUSED(viso_container_set_cpus(container, NULL));
	REFUSED(viso_container_set_cpus(container, "0-"));
	REFUSED(viso_container_set_memory_nodes(NULL, "0"));
	REFUSED(viso_container_set_memory_nodes(container, "a"));
	REFUSED(viso_container_set_io_max(NULL, "/dev/sda", VISO_IO_READS, 1));
	REFUSED(viso_container_set_io_max(container, NULL, VISO_IO_READS, 1));
	REFUSED(viso_container_set_io_max(container, "/", (viso_io_rate)4, 1));
	REFUSED(viso_container_set_io_weight(NULL, 100));
	REFUSED(viso_container_set_io_weight(container, 0));
	REFUSED(viso_container_set_hugetlb_max(NULL, 2 << 20, 2 << 20));
	REFUSED(viso_container_set_hugetlb_max(container, 3000, 2 << 20));
	REFUSED(viso_container_allow_device(NULL, 'c', 1, 3, "r"));
	REFUSED(viso_container_allow_device(container, 'x', 1, 3, "r"));
	REFUSED(viso_container_allow_device(container, 'c', -2, 3, "r"));
	REFUSED(viso_container_allow_device(container, 'c', 1, 3, "x"));
	REFUSED(viso_container_allow_device(container, 'c', 1, 3, NULL));
	REFUSED(viso_container_set_cgroup_value(NULL, "memory.low", "1"));
	REFUSED(viso_container_set_cgroup_value(container, NULL, "1"));
	REFUSED(viso_container_set_cgroup_value(container, "../memory.low", "1"));
	REFUSED(viso_container_set_cgroup_value(container, "memory.low", NULL));
	REFUSED(viso_container_set_cgroup_parent(NULL, "/a"));
	REFUSED(viso_container_set_cgroup_parent(container, NULL));
	REFUSED(viso_container_set_cgroup_parent(container, "/a/../b"));
}

static void test_namespaces(void **state)
{
	REFUSED(viso_container_set_domainname(NULL, "x"));
	REFUSED(viso_container_set_domainname(container, NULL));
	REFUSED(viso_container_share_namespace(NULL, VISO_NAMESPACE_IPC));
	REFUSED(viso_container_share_namespace(container, (viso_namespace)8));
	REFUSED(viso_container_join_namespace(NULL, VISO_NAMESPACE_IPC, 0));
	REFUSED(viso_container_join_namespace(container, VISO_NAMESPACE_IPC, 0)); /* no namespace */
	REFUSED(viso_container_add_id_map(NULL, VISO_ID_USER, 0, 1000, 1));
	REFUSED(viso_container_add_id_map(container, (viso_id_kind)3, 0, 1000, 1));
	REFUSED(viso_container_add_id_map(container, VISO_ID_USER, 0, 1000, 0));
	REFUSED(viso_container_add_id_map(container, VISO_ID_USER, 0, 4294967295u, 1));
	REFUSED(viso_container_add_id_map(container, VISO_ID_USER, 4294967290u, 0, 100));
	REFUSED(viso_container_set_clock_offset(NULL, VISO_CLOCK_MONOTONIC, 1));
	REFUSED(viso_container_set_clock_offset(container, (viso_clock)2, 1));
	REFUSED(viso_container_set_sysctl(NULL, "kernel.shmmax", "1"));
	REFUSED(viso_container_set_sysctl(container, NULL, "1"));
	REFUSED(viso_container_set_sysctl(container, "kernel.shmmax", NULL));
}

static void test_network(void **state)
{
	REFUSED(viso_container_set_network(container, (viso_network)6));
	REFUSED(viso_container_set_parent_interface(NULL, "br0"));
	REFUSED(viso_container_set_parent_interface(container, NULL));
	REFUSED(viso_container_set_parent_interface(container, "a/b"));
	REFUSED(viso_container_set_parent_interface(container, "sixteen-and-more"));
	REFUSED(viso_container_add_address(NULL, "10.0.0.2/24"));
	REFUSED(viso_container_add_address(container, NULL));
	REFUSED(viso_container_add_address(container, "10.0.0.2"));
	REFUSED(viso_container_add_address(container, "10.0.0.2/33"));
	REFUSED(viso_container_add_address(container, "fe80::1/129"));
	REFUSED(viso_container_set_gateway(NULL, "10.0.0.1"));
	REFUSED(viso_container_set_gateway(container, "10.0.0"));
	REFUSED(viso_container_add_dns_server(NULL, "10.0.0.1"));
	REFUSED(viso_container_add_dns_server(container, "name"));
	REFUSED(viso_container_set_nat(NULL, 1));
	REFUSED(viso_container_forward_port(NULL, VISO_PROTOCOL_TCP, NULL, 8080, 80));
	REFUSED(viso_container_forward_port(container, (viso_protocol)1, NULL, 8080, 80));
	REFUSED(viso_container_forward_port(container, VISO_PROTOCOL_TCP, NULL, 0, 80));
	REFUSED(viso_container_forward_port(container, VISO_PROTOCOL_TCP, NULL, 8080, 65536));
	REFUSED(viso_container_forward_port(container, VISO_PROTOCOL_TCP, "x", 8080, 80));
}

static void test_security(void **state)
{
	REFUSED(viso_container_add_capability_to(NULL, VISO_CAPABILITY_BOUNDING, "chown"));
	REFUSED(viso_container_add_capability_to(container, 0, "chown"));
	REFUSED(viso_container_add_capability_to(container, 32, "chown"));
	REFUSED(viso_container_set_securebits(NULL, 0));
	REFUSED(viso_container_set_securebits(container, 1u << 20));
	REFUSED(viso_container_set_new_privileges(NULL, 1));
	REFUSED(viso_container_set_seccomp_profile(NULL, VISO_SECCOMP_DENY));
	REFUSED(viso_container_set_seccomp_profile(container, (viso_seccomp_profile)5));
	REFUSED(viso_container_add_syscall_rule(NULL, "ptrace", VISO_SYSCALL_KILL, 0));
	REFUSED(viso_container_add_syscall_rule(container, NULL, VISO_SYSCALL_KILL, 0));
	REFUSED(viso_container_add_syscall_rule(container, "ptrace", (viso_syscall_action)6, 0));
	REFUSED(viso_container_add_syscall_rule(container, "ptrace", VISO_SYSCALL_ERROR, 0));
	REFUSED(viso_container_add_syscall_rule(container, "ptrace", VISO_SYSCALL_ERROR, 4096));
	REFUSED(viso_container_add_syscall_rule_if(NULL, "ptrace", 0, 1, 1, VISO_SYSCALL_KILL, 0));
	REFUSED(viso_container_add_syscall_rule_if(container, "ptrace", 6, 1, 1, VISO_SYSCALL_KILL, 0));
	REFUSED(viso_container_load_seccomp(NULL, "/x"));
	REFUSED(viso_container_load_seccomp(container, NULL));
	REFUSED(viso_container_add_landlock_path(NULL, "/", VISO_LANDLOCK_READ));
	REFUSED(viso_container_add_landlock_path(container, "etc", VISO_LANDLOCK_READ));
	REFUSED(viso_container_add_landlock_path(container, "/", 16));
}

static void test_notifications(void **state)
{
	uint64_t value;
	char byte;
	REFUSED_NULL(viso_notification_name(NULL));
	REFUSED(viso_notification_number(NULL));
	REFUSED(viso_notification_pid(NULL));
	REFUSED(viso_notification_argument(NULL, 0, &value));
	REFUSED(viso_notification_read(NULL, 0, &byte, 1));
	REFUSED(viso_notification_answer(NULL, 0));
	REFUSED(viso_notification_refuse(NULL, 1));
	REFUSED(viso_notification_continue(NULL));
	REFUSED(viso_notification_answer_fd(NULL, 0));
}

static void test_life(void **state)
{
	viso_container *other = NULL;
	viso_command *hook = viso_command_new("/bin/true");
	REFUSED(viso_container_prepare(NULL, 1));
	REFUSED(viso_container_prepare(container, 1025));
	REFUSED(viso_container_prepare(container, 1)); /* it has no root */
	REFUSED(viso_container_load_bundle(NULL, &other, NULL));
	REFUSED(viso_container_load_bundle("/tmp", NULL, NULL));
	REFUSED(viso_container_add_hook(NULL, VISO_HOOK_POSTSTOP, hook));
	REFUSED(viso_container_add_hook(container, (viso_hook)0, hook));
	REFUSED(viso_container_add_hook(container, VISO_HOOK_POSTSTOP, NULL));
	REFUSED(viso_container_set_detached(NULL, "/tmp", "a"));
	REFUSED(viso_container_set_detached(container, NULL, "a"));
	REFUSED(viso_container_set_detached(container, "/tmp", NULL));
	REFUSED(viso_container_set_detached(container, "/tmp", ""));
	REFUSED(viso_container_set_detached(container, "/tmp", ".a"));
	REFUSED(viso_container_set_detached(container, "/tmp", "a/b"));
	REFUSED(viso_container_attach(NULL, "a", &other));
	REFUSED(viso_container_attach("/tmp", NULL, &other));
	REFUSED(viso_container_attach("/tmp", "../a", &other));
	REFUSED(viso_container_attach("/tmp", "a", NULL));
	REFUSED(viso_container_checkpoint(NULL, "/tmp"));
	REFUSED(viso_container_checkpoint(container, NULL));
	REFUSED(viso_container_checkpoint(container, "/tmp")); /* nothing runs */
	REFUSED(viso_container_restore(NULL, "/tmp"));
	REFUSED(viso_container_restore(container, NULL));
	assert_null(other);
	viso_command_unref(hook);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_filesystem, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_namespaces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_network, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_security, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_notifications, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_life, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("bad containers", tests, NULL, NULL);
}
