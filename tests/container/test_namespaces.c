/* SPDX-License-Identifier: MIT */
/* Namespaces of its own: processes, host name, network, ids. */
#include "box.h"
#include "outside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = {"ns/user", "ns/mnt", "ns/pid", "ns/ipc", "ns/uts", "ns/cgroup", "ns/net"};
enum { COUNT = sizeof(names) / sizeof(names[0]) };

static void assert_own_namespaces(int pid, int count)
{
	char own[64], host[64];
	for (int i = 0; i < count; i++) {
		assert_true(strlen(outside_link(getpid(), names[i], host, sizeof(host))) > 0);
		assert_true(strlen(outside_link(pid, names[i], own, sizeof(own))) > 0);
		if (!strcmp(own, host))
			fail_msg("%s is the host's", names[i]);
	}
}

static void test_all_namespaces(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root, to look at the namespaces of others");
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	viso_process *second = box_spawn(box, probe("sleep", NULL));
	char one[64], other[64];
	assert_own_namespaces(viso_process_pid(process), COUNT);
	for (int i = 0; i < COUNT; i++)
		assert_string_not_equal(outside_link(viso_process_pid(process), names[i], one, sizeof(one)),
					outside_link(viso_process_pid(second), names[i], other, sizeof(other)));
	viso_process_unref(process);
	viso_process_unref(second);
}

static void test_network_of_the_host(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_network(box->container, VISO_NETWORK_HOST));
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	if (geteuid() == 0) {
		char own[64], host[64];
		assert_own_namespaces(viso_process_pid(process), COUNT - 1);
		assert_string_equal(outside_link(viso_process_pid(process), "ns/net", own, sizeof(own)),
				    outside_link(getpid(), "ns/net", host, sizeof(host)));
	}
	viso_process_unref(process);
	assert_prints(box, probe("socket", "2", NULL), "made\n");
}

static void test_control_groups_with_a_limit(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root, to look at the namespaces of others");
	assert_ok(viso_container_set_processes_max(box->container, 20));
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_own_namespaces(viso_process_pid(process), COUNT);
	viso_process_unref(process);
	/* Nothing of the host's groups shows. */
	assert_prints(box, shell("grep -c viso /proc/self/cgroup; true"), "0\n");
}

static void test_processes(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, shell("cat /proc/1/comm; test $$ -lt 10 && echo small"), "viso-init\nsmall\n");
	/* The init, the shell, and ls. */
	assert_prints(box, shell("set -- /proc/[0-9]*; echo $#"), "2\n");
	/* The init is nobody's way out. */
	assert_prints(box,
		      shell("ls /proc/1/root /proc/1/fd /proc/1/cwd >/dev/null 2>&1 || echo no; cat /proc/1/environ "
			    "2>/dev/null; true"),
		      "no\n");
}

static void test_root_cannot_touch_its_init(void **state)
{
	struct box *box = box_open(state);
	viso_command *command =
		shell("kill -9 1; kill -STOP 1; kill -USR1 1; ls /proc/1/root /proc/1/fd >/dev/null 2>&1 || echo no");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(box, command, "no\n");
}

static void test_host_name(void **state)
{
	struct box *box = box_open(state);
	struct box *other = box_new(box->strength, box_tree());
	char before[128], after[128], longest[66];
	gethostname(before, sizeof(before));
	memset(longest, 'h', 65);
	longest[65] = '\0';
	assert_fails(viso_container_set_hostname(other->container, longest), ENAMETOOLONG, VISO_STAGE_ARGUMENT, "hhh");
	assert_fails(viso_container_set_hostname(other->container, ""), EINVAL, VISO_STAGE_ARGUMENT, "hostname");
	longest[64] = '\0';
	assert_ok(viso_container_set_hostname(other->container, longest));
	assert_prints(box, shell("hostname"), "container\n");
	strcat(longest, "\n");
	assert_prints(other, shell("hostname"), longest);
	viso_command *command = shell("hostname changed 2>/dev/null || echo no");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(box, command, "no\n");
	gethostname(after, sizeof(after));
	assert_string_equal(before, after);
	box_close(other);
}

static void test_domain_name(void **state)
{
	struct box *box = box_open(state);
	char longest[66], expected[70];
	memset(longest, 'd', 65);
	longest[65] = '\0';
	assert_fails(viso_container_set_domainname(box->container, longest), ENAMETOOLONG, VISO_STAGE_ARGUMENT, "ddd");
	assert_fails(viso_container_set_domainname(box->container, ""), EINVAL, VISO_STAGE_ARGUMENT, "domainname");
	assert_fails(viso_container_set_domainname(box->container, NULL), EINVAL, VISO_STAGE_ARGUMENT, "domainname");
	longest[64] = '\0';
	assert_ok(viso_container_set_domainname(box->container, longest));
	assert_ok(viso_container_set_domainname(box->container, "example"));
	assert_prints(box, shell("cat /proc/sys/kernel/domainname; hostname"), "example\ncontainer\n");
	struct box *other = box_new(box->strength, box_tree());
	assert_ok(viso_container_set_domainname(other->container, longest));
	snprintf(expected, sizeof(expected), "%s\n", longest);
	assert_prints(other, shell("cat /proc/sys/kernel/domainname"), expected);
	box_close(other);
}

static const int64_t ns_per_second = 1000000000, year = 31536000;

/* Seconds by which the container's clocks are before ours. */
static void read_clocks(struct box *box, long long ahead[2])
{
	struct timespec monotonic, boot;
	viso_result *result = box_run(box, probe("clocks", NULL));
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	assert_int_equal(sscanf(viso_result_output(result, VISO_STDOUT, NULL), "%lld %lld", &ahead[0], &ahead[1]), 2);
	ahead[0] -= monotonic.tv_sec;
	ahead[1] -= boot.tv_sec;
	/* The host measures by its own clock. */
	assert_in_range(viso_result_usage(result, VISO_USAGE_WALL_US), 1, 60 * 1000000);
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
}

static void test_clocks(void **state)
{
	struct box *box = box_open(state);
	skip_without(access("/proc/self/ns/time", F_OK) == 0, "time namespaces");
	long long ahead[2];
	assert_ok(viso_container_set_clock_offset(box->container, VISO_CLOCK_MONOTONIC, year * ns_per_second));
	assert_ok(viso_container_set_clock_offset(box->container, VISO_CLOCK_BOOTTIME, 2 * year * ns_per_second + 1));
	read_clocks(box, ahead);
	assert_true(ahead[0] <= year && ahead[0] > year - 60);
	assert_true(ahead[1] <= 2 * year + 1 && ahead[1] > 2 * year - 60);
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	if (geteuid() == 0) {
		char own[64], host[64];
		assert_string_not_equal(outside_link(viso_process_pid(process), "ns/time", own, sizeof(own)),
					outside_link(getpid(), "ns/time", host, sizeof(host)));
	}
	viso_process_unref(process);

	box = box_open(state);
	assert_ok(viso_container_set_clock_offset(box->container, VISO_CLOCK_MONOTONIC, -ns_per_second - 1));
	read_clocks(box, ahead);
	assert_true(ahead[0] <= -1 && ahead[0] > -60);
	assert_true(ahead[1] <= 0 && ahead[1] > -60);
}

static void test_clocks_that_cannot_be(void **state)
{
	struct box *box = box_open(state);
	assert_fails(viso_container_set_clock_offset(box->container, (viso_clock)0, 1), EINVAL, VISO_STAGE_ARGUMENT,
		     "clock");
	skip_without(access("/proc/self/ns/time", F_OK) == 0, "time namespaces");
	assert_ok(viso_container_set_clock_offset(box->container, VISO_CLOCK_BOOTTIME, -100 * year * ns_per_second));
	assert_start_fails(box, probe("exit", NULL), ERANGE, VISO_STAGE_NAMESPACE, "timens_offsets");
	box = box_open(state);
	assert_ok(viso_container_set_clock_offset(box->container, VISO_CLOCK_BOOTTIME, INT64_MAX));
	assert_start_fails(box, probe("exit", NULL), ERANGE, VISO_STAGE_NAMESPACE, "timens_offsets");
	box = box_open(state);
	assert_ok(viso_container_set_clock_offset(box->container, VISO_CLOCK_BOOTTIME, INT64_MIN));
	assert_start_fails(box, probe("exit", NULL), ERANGE, VISO_STAGE_NAMESPACE, "timens_offsets");
}

static void test_loopback(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, shell("grep -c : /proc/net/dev; grep -c lo: /proc/net/dev"), "1\n1\n");
	assert_prints(box, shell("ip link show lo | grep -c 'LOOPBACK,UP'"), "1\n");
	assert_prints(box, probe("socket", "2", "8080", NULL), "made\n");
	/* Each has one of its own: the same port is free in the next. */
	viso_process *process = box_spawn(box, shell("probe socket 2 8080; exec probe sleep"));
	assert_prints(box, probe("socket", "2", "8080", NULL), "made\n");
	viso_process_unref(process);
}

static void test_id_maps(void **state)
{
	struct box *box = box_open(state);
	viso_result *result =
		box_run(box, shell("cat /proc/self/uid_map /proc/self/gid_map; cat /proc/self/setgroups"));
	const char *output = viso_result_output(result, VISO_STDOUT, NULL);
	unsigned inner[2], outer[2], size[2];
	char groups[16];
	assert_int_equal(sscanf(output, "%u %u %u %u %u %u %15s", &inner[0], &outer[0], &size[0], &inner[1], &outer[1],
				&size[1], groups),
			 7);
	if (geteuid() == 0) {
		for (int i = 0; i < 2; i++) {
			assert_int_equal(inner[i], 0);
			assert_int_equal(size[i], 65536);
		}
		/* In a user namespace numbers are shown as its parent sees them: the host's. */
		assert_true(outer[0] >= 0x70000000);
		assert_int_equal(outer[0], outer[1]);
		assert_string_equal(groups, "allow");
	} else {
		assert_int_equal(inner[0], 1000);
		assert_int_equal(size[0], 1);
		assert_string_equal(groups, "deny");
	}
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
}

static void test_nobody_on_the_host_has_its_ids(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root, for a range of ids");
	viso_command *command = probe("sleep", NULL);
	assert_ok(viso_command_set_user(command, 0, 0));
	viso_process *first = box_spawn(box, viso_command_ref(command)), *second = box_spawn(box, command);
	char text[128];
	unsigned one = (unsigned)strtoul(outside_status(viso_process_pid(first), "Uid", text, sizeof(text)), NULL, 10);
	unsigned other =
		(unsigned)strtoul(outside_status(viso_process_pid(second), "Uid", text, sizeof(text)), NULL, 10);
	assert_true(one >= 0x70000000 && other >= 0x70000000);
	assert_true(one / 65536 != other / 65536);
	viso_process_unref(first);
	viso_process_unref(second);
}

static void test_no_session_of_the_host(void **state)
{
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	int pid = viso_process_pid(process);
	assert_int_equal(outside_stat(pid, 6), pid);
	assert_int_equal(outside_stat(pid, 7), 0);
	viso_process_unref(process);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_all_namespaces),
		AT_CONTAINER(test_network_of_the_host),
		AT_CONTAINER(test_control_groups_with_a_limit),
		AT_CONTAINER(test_processes),
		AT_CONTAINER(test_root_cannot_touch_its_init),
		AT_CONTAINER(test_host_name),
		AT_CONTAINER(test_domain_name),
		AT_CONTAINER(test_clocks),
		AT_CONTAINER(test_clocks_that_cannot_be),
		AT_CONTAINER(test_loopback),
		AT_CONTAINER(test_id_maps),
		AT_CONTAINER(test_nobody_on_the_host_has_its_ids),
		AT_CONTAINER(test_no_session_of_the_host),
	};
	return cmocka_run_group_tests_name("namespaces", tests, NULL, box_group_teardown);
}
