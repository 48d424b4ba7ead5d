/* SPDX-License-Identifier: MIT */
/* Kernel parameters of a container's own namespaces, and of no other's. */
#include "box.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long long read_host(const char *path)
{
	long long value = -1;
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lld", &value), 1);
	fclose(file);
	return value;
}

static void test_network(void **state)
{
	struct box *box = box_open(state);
	long long before = read_host("/proc/sys/net/ipv4/ip_unprivileged_port_start");
	assert_ok(viso_container_set_sysctl(box->container, "net.ipv4.ip_unprivileged_port_start", "81"));
	assert_ok(viso_container_set_sysctl(box->container, "net.ipv4.ip_local_port_range", "2000 3000"));
	/* The last value of a name counts. */
	assert_ok(viso_container_set_sysctl(box->container, "net.ipv4.ip_unprivileged_port_start", "80"));
	assert_prints(
		box,
		shell("cd /proc/sys/net/ipv4; cat ip_unprivileged_port_start; cat ip_local_port_range | tr '\\t' ' '"),
		"80\n2000 3000\n");
	assert_prints(box, probe("socket", "2", "80", NULL), "made\n");
	assert_int_equal(read_host("/proc/sys/net/ipv4/ip_unprivileged_port_start"), before);
}

static void test_messages_and_memory(void **state)
{
	struct box *box = box_open(state);
	long long before = read_host("/proc/sys/kernel/shmmni");
	assert_ok(viso_container_set_sysctl(box->container, "kernel.shmmni", "17"));
	assert_ok(viso_container_set_sysctl(box->container, "kernel.sem", "11 22 33 44"));
	assert_ok(viso_container_set_sysctl(box->container, "fs.mqueue.msg_max", "5"));
	viso_command *command = shell("cat /proc/sys/kernel/shmmni; cat /proc/sys/kernel/sem | tr '\\t' ' '; cat "
				      "/proc/sys/fs/mqueue/msg_max");
	/* They belong to the container's root, which an ordinary user's default map does not have. */
	if (geteuid() != 0)
		assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(box, command, "17\n11 22 33 44\n5\n");
	assert_int_equal(read_host("/proc/sys/kernel/shmmni"), before);
}

static void test_own_limits_of_namespaces(void **state)
{
	struct box *box = box_open(state);
	long long before = read_host("/proc/sys/user/max_user_namespaces");
	assert_ok(viso_container_set_sysctl(box->container, "user.max_user_namespaces", "0"));
	viso_command *command = shell("cat /proc/sys/user/max_user_namespaces");
	if (geteuid() != 0)
		assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(box, command, "0\n");
	assert_int_equal(read_host("/proc/sys/user/max_user_namespaces"), before);
}

static void test_interface_with_a_dot(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_sysctl(box->container, "net.ipv4.conf.lo.forwarding", "1"));
	assert_ok(viso_container_set_sysctl(box->container, "net.ipv4.conf.eth0/100.forwarding", "1"));
	/* There is none; the name shows that the slash has become a dot. */
	assert_start_fails(box, probe("exit", NULL), ENOENT, VISO_STAGE_NAMESPACE, "net/ipv4/conf/eth0.100/forwarding");
}

static void test_refused_values(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_sysctl(box->container, "net.ipv4.ip_unprivileged_port_start", "many"));
	assert_start_fails(box, probe("exit", NULL), EINVAL, VISO_STAGE_NAMESPACE,
			   "net/ipv4/ip_unprivileged_port_start");
	box = box_open(state);
	assert_ok(viso_container_set_sysctl(box->container, "net.no.such.parameter", "1"));
	assert_start_fails(box, probe("exit", NULL), ENOENT, VISO_STAGE_NAMESPACE, "net/no/such/parameter");
}

static void test_names(void **state)
{
	static const char *const hosts[] = {"kernel.core_pattern", "kernel.hostname",     "vm.swappiness",
					    "fs.file-max",         "kernel.shm",          "kernel.semantics",
					    "kernel.sem.x",        "fs.mqueue",           "user.max_inotify_watches",
					    "kernel.sysrq",        "kernel.shmmax_other", "netx.ipv4",
					    "KERNEL.SEM"};
	/* CVE-2022-0811, and what else could be read as more than a name. */
	static const char *const no_names[] = {"",
					       ".",
					       "..",
					       "net",
					       "net.",
					       ".net.ipv4",
					       "net..ipv4",
					       "net./../kernel.core_pattern",
					       "net/../kernel/core_pattern",
					       "net.ipv4/",
					       "net.//.//.kernel",
					       "kernel.shm_rmid_forced=1+kernel.core_pattern",
					       "kernel.shm_rmid_forced+kernel.core_pattern",
					       "net.ipv4.ip_forward\n",
					       "net.ipv4.ip forward",
					       "/net/ipv4/ip_forward",
					       "net.ipv4.\xc3\xa9"};
	char long_name[400] = "net.";
	struct box *box = box_open(state);
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		assert_fails(viso_container_set_sysctl(box->container, hosts[i], "|/x"), EPERM, VISO_STAGE_ARGUMENT,
			     hosts[i]);
	for (size_t i = 0; i < sizeof(no_names) / sizeof(no_names[0]); i++) {
		int r = viso_container_set_sysctl(box->container, no_names[i], "1");
		/* "net" is a name, though none of a parameter. */
		assert_int_equal(r, strcmp(no_names[i], "net") ? -EINVAL : -EPERM);
	}
	memset(long_name + 4, 'a', sizeof(long_name) - 5);
	assert_fails(viso_container_set_sysctl(box->container, long_name, "1"), EINVAL, VISO_STAGE_ARGUMENT, "net.");
	assert_fails(viso_container_set_sysctl(box->container, NULL, "1"), EINVAL, VISO_STAGE_ARGUMENT, "sysctl");
	assert_fails(viso_container_set_sysctl(box->container, "net.x", NULL), EINVAL, VISO_STAGE_ARGUMENT, "sysctl");
	assert_prints(box, probe("exit", "0", NULL), "");
	assert_fails(viso_container_set_sysctl(box->container, "net.x", "1"), EBUSY, VISO_STAGE_ARGUMENT, "sysctl");
}

/* With a namespace of the host's, its parameters are the host's. */
static void test_not_of_shared_namespaces(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_sysctl(box->container, "net.ipv4.ip_unprivileged_port_start", "80"));
	assert_ok(viso_container_set_network(box->container, VISO_NETWORK_HOST));
	assert_start_fails(box, probe("exit", NULL), EPERM, VISO_STAGE_NAMESPACE, "net/ipv4");
	box = box_open(state);
	assert_ok(viso_container_share_namespace(box->container, VISO_NAMESPACE_IPC));
	assert_ok(viso_container_set_sysctl(box->container, "kernel.shmmni", "80"));
	assert_start_fails(box, probe("exit", NULL), EPERM, VISO_STAGE_NAMESPACE, "kernel/shmmni");
}

static void test_many(void **state)
{
	struct box *box = box_open(state);
	char name[64];
	for (int i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "net.x%d", i);
		assert_ok(viso_container_set_sysctl(box->container, name, "1"));
	}
	assert_fails(viso_container_set_sysctl(box->container, "net.y", "1"), EINVAL, VISO_STAGE_ARGUMENT, "sysctl");
	assert_ok(viso_container_set_sysctl(box->container, "net.x0", "2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_network),
		AT_CONTAINER(test_messages_and_memory),
		AT_CONTAINER(test_own_limits_of_namespaces),
		AT_CONTAINER(test_interface_with_a_dot),
		AT_CONTAINER(test_refused_values),
		AT_CONTAINER(test_names),
		AT_CONTAINER(test_not_of_shared_namespaces),
		AT_CONTAINER(test_many),
	};
	return cmocka_run_group_tests_name("sysctls", tests, NULL, box_group_teardown);
}
