/* SPDX-License-Identifier: MIT */
/* Limits by control groups: that each arrives in the kernel, by the version that this host has it in. */
#include "groups.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One command that sleeps, in a container that is set up already. */
static viso_process *start(struct box *box, const char *controller)
{
	skip_without_controller(box, controller);
	return box_spawn(box, probe("sleep", NULL));
}

static void assert_file(viso_process *process, const char *controller, const char *file_v1, const char *value_v1,
			const char *file_v2, const char *value_v2)
{
	const char *text = group_read(viso_process_pid(process), controller, file_v1, file_v2);
	assert_string_equal(text, group_version(controller) == 2 ? value_v2 : value_v1);
}

static void end(viso_process *process)
{
	viso_process_unref(process);
}

static void test_cpu_max(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_cpu_max(box->container, 25000, 50000));
	viso_process *process = start(box, "cpu");
	assert_file(process, "cpu", "cpu.cfs_quota_us", "25000", "cpu.max", "25000 50000");
	assert_file(process, "cpu", "cpu.cfs_period_us", "50000", "cpu.max", "25000 50000");
	end(process);
}

static void test_cpu_max_holds_a_program_back(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_cpu_max(box->container, 10000, 0));
	skip_without_controller(box, "cpu");
	viso_result *result = box_run(box, probe("work", "150", NULL));
	assert_true(viso_result_usage(result, VISO_USAGE_CPU_THROTTLED_US) > 0);
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
}

static void test_cpu_weight(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_cpu_weight(box->container, 200));
	viso_process *process = start(box, "cpu");
	assert_file(process, "cpu", "cpu.shares", "2048", "cpu.weight", "200");
	end(process);
}

static void test_cpus(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_cpus(box->container, "0"));
	skip_without_controller(box, "cpuset");
	assert_prints(box, shell("grep Cpus_allowed_list /proc/self/status"), "Cpus_allowed_list:\t0\n");
}

static void test_memory_nodes(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_memory_nodes(box->container, "0"));
	skip_without_controller(box, "cpuset");
	assert_prints(box, shell("grep Mems_allowed_list /proc/self/status"), "Mems_allowed_list:\t0\n");
}

static void test_cpus_that_are_not_there(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_cpus(box->container, "4000"));
	/* Version 2 takes any and gives what there is; version 1 refuses. */
	if (group_version("cpuset") == 1 && geteuid() == 0)
		assert_start_fails(box, probe("exit", NULL), ERANGE, VISO_STAGE_CGROUP, "cpuset.cpus");
}

static void test_memory_high(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_memory_high(box->container, 32 << 20));
	if (group_version("memory") == 1) {
		assert_start_fails(box, probe("exit", NULL), EOPNOTSUPP, VISO_STAGE_CGROUP, "memory.high");
		return;
	}
	viso_process *process = start(box, "memory");
	assert_file(process, "memory", "", "", "memory.high", "33554432");
	end(process);
}

static void test_swap_max(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_memory_max(box->container, 32 << 20));
	viso_process *process = start(box, "memory");
	assert_file(process, "memory", "memory.memsw.limit_in_bytes", "33554432", "memory.swap.max", "0");
	end(process);

	struct box *other = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_memory_max(other->container, 32 << 20));
	assert_ok(viso_container_set_swap_max(other->container, 16 << 20));
	process = start(other, "memory");
	assert_file(process, "memory", "memory.memsw.limit_in_bytes", "50331648", "memory.swap.max", "16777216");
	end(process);
	box_close(other);
}

static void test_io_max(void **state)
{
	struct box *box = box_open(state);
	unsigned major_number, minor_number;
	char one[64], two[128];
	const char *disk = group_disk(&major_number, &minor_number);
	skip_without(disk, "a whole disk to limit");
	assert_ok(viso_container_set_io_max(box->container, disk, VISO_IO_WRITE_BYTES, 5 << 20));
	assert_ok(viso_container_set_io_max(box->container, disk, VISO_IO_WRITE_BYTES, 1 << 20));
	assert_ok(viso_container_set_io_max(box->container, disk, VISO_IO_READS, 100));
	viso_process *process = start(box, "io");
	snprintf(one, sizeof(one), "%u:%u 1048576", major_number, minor_number);
	snprintf(two, sizeof(two), "%u:%u rbps=max wbps=1048576 riops=100 wiops=max", major_number, minor_number);
	assert_file(process, "io", "blkio.throttle.write_bps_device", one, "io.max", two);
	end(process);
}

static void test_io_weight(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_io_weight(box->container, 50));
	viso_command *command = probe("exit", NULL);
	int r = viso_sandbox_run(box->sandbox, command, NULL);
	viso_command_unref(command);
	/* Kernels may have neither of the two schedulers that know weights. */
	if (r < 0)
		assert_int_equal(r, -EOPNOTSUPP);
}

static void test_huge_pages(void **state)
{
	struct box *box = box_open(state);
	skip_without(group_version("hugetlb") && !access("/sys/kernel/mm/hugepages/hugepages-2048kB", F_OK),
		     "a hugetlb controller");
	assert_ok(viso_container_set_hugetlb_max(box->container, 2 << 20, 6 << 20));
	viso_process *process = start(box, "hugetlb");
	assert_file(process, "hugetlb", "hugetlb.2MB.limit_in_bytes", "6291456", "hugetlb.2MB.max", "6291456");
	end(process);
}

static void test_all_at_once(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_memory_max(box->container, 64 << 20));
	assert_ok(viso_container_set_processes_max(box->container, 5));
	assert_ok(viso_container_set_cpu_weight(box->container, 50));
	assert_ok(viso_container_set_cpus(box->container, "0"));
	skip_without_controller(box, "cpuset");
	assert_prints(box, probe("fork", "20", NULL), "4 EAGAIN\n");
	viso_result *result = box_run(box, probe("eat", "200000000", NULL));
	assert_true(viso_result_usage(result, VISO_USAGE_OOM_KILLS) > 0);
	assert_true(viso_result_usage(result, VISO_USAGE_MEMORY_MAX_EVENTS) > 0);
	assert_ended(result, VISO_REASON_OUT_OF_MEMORY, -1, SIGKILL);
}

static void test_values(void **state)
{
	struct box *box = box_open(state);
	viso_container *container = box->container;
	assert_fails(viso_container_set_cgroup_value(container, "cgroup.procs", "1"), EPERM, VISO_STAGE_ARGUMENT,
		     "cgroup.procs");
	assert_fails(viso_container_set_cgroup_value(container, "cgroup.subtree_control", "+cpu"), EPERM,
		     VISO_STAGE_ARGUMENT, "subtree_control");
	assert_fails(viso_container_set_cgroup_value(container, "cpu.pressure", "some 1 2"), EPERM, VISO_STAGE_ARGUMENT,
		     "cpu.pressure");
	assert_fails(viso_container_set_cgroup_value(container, "../cgroup.procs", "1"), EINVAL, VISO_STAGE_ARGUMENT,
		     "set_cgroup_value");
	assert_fails(viso_container_set_cgroup_value(container, "memory.low/../x", "1"), EINVAL, VISO_STAGE_ARGUMENT,
		     "set_cgroup_value");
	skip_without(group_version(NULL) == 2, "control groups of version 2");
	assert_ok(viso_container_set_cgroup_value(container, "cgroup.max.depth", "3"));
	viso_process *process = start(box, "v2");
	assert_string_equal(group_read(viso_process_pid(process), NULL, "", "cgroup.max.depth"), "3");
	end(process);
}

static void test_values_without_their_controller(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_cgroup_value(box->container, "memory.low", "4096"));
	if (group_version("memory") == 1)
		assert_start_fails(box, probe("exit", NULL), EOPNOTSUPP, VISO_STAGE_CGROUP, "memory.low");
	struct box *other = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_cgroup_value(other->container, "nonsense.max", "1"));
	assert_start_fails(other, probe("exit", NULL), EOPNOTSUPP, VISO_STAGE_CGROUP, "nonsense.max");
	box_close(other);
}

static void test_value_that_the_kernel_refuses(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_cgroup_value(box->container, "cgroup.max.depth", "many"));
	skip_without(group_version(NULL) == 2 && geteuid() == 0, "control groups of version 2, and root");
	assert_start_fails(box, probe("exit", NULL), EINVAL, VISO_STAGE_CGROUP, "cgroup.max.depth");
}

static void test_parent(void **state)
{
	struct box *box = box_open(state);
	group_make_parent(box);
	assert_ok(viso_container_set_memory_max(box->container, 64 << 20));
	assert_ok(viso_container_set_cpu_weight(box->container, 50));
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_true(group_count_children() > 0);
	end(process);
	assert_int_equal(group_count_children(), 0);
	group_remove_parent();
}

static void test_parents_that_are_refused(void **state)
{
	struct box *box = box_open(state);
	viso_container *container = box->container;
	static const char *const bad[] = {"..", "/..", "/a/../b", "/a/..", "a/b", ""};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(viso_container_set_cgroup_parent(container, bad[i]), EINVAL, VISO_STAGE_ARGUMENT,
			     "set_cgroup_parent");
	assert_ok(viso_container_set_cgroup_parent(container, "/viso-is-not-there"));
	assert_ok(viso_container_set_cpu_weight(container, 50));
	skip_without(group_version("cpu"), "a cpu controller");
	assert_start_fails(box, probe("exit", NULL), ENOENT, VISO_STAGE_CGROUP, "viso-is-not-there");
}

/* Main has to remove what the worker made. */
static void test_groups_of_a_killed_worker(void **state)
{
	struct box *box = box_open(state);
	group_make_parent(box);
	assert_ok(viso_container_set_processes_max(box->container, 10));
	assert_ok(viso_container_set_cpu_weight(box->container, 50));
	assert_ok(viso_container_set_cpus(box->container, "0"));
	viso_process *process = box_spawn(box, probe("background", "3", NULL));
	viso_process *second = box_spawn(box, probe("sleep", NULL));
	assert_int_equal(kill(group_worker_of(second), SIGKILL), 0);
	assert_int_equal(viso_process_wait(second, -1, NULL), -EPIPE);
	viso_process_unref(second);
	viso_process_unref(process);
	group_remove_parent();
}

static void test_a_failed_start_leaves_no_group(void **state)
{
	struct box *box = box_open(state);
	group_make_parent(box);
	assert_ok(viso_container_set_memory_max(box->container, 64 << 20));
	assert_ok(viso_container_set_cpu_weight(box->container, 50));
	viso_command *command = viso_command_new("/bin/not-there");
	assert_fails(viso_sandbox_run(box->sandbox, command, NULL), ENOENT, VISO_STAGE_EXEC, "not-there");
	viso_command_unref(command);
	assert_int_equal(group_count_children(), 0);
	group_remove_parent();
}

static void test_arguments(void **state)
{
	struct box *box = box_open(state);
	viso_container *container = box->container;
	assert_fails(viso_container_set_cpu_max(container, 10, 0), EINVAL, VISO_STAGE_ARGUMENT, "set_cpu_max");
	assert_fails(viso_container_set_cpu_max(container, 10000, 10), EINVAL, VISO_STAGE_ARGUMENT, "set_cpu_max");
	assert_fails(viso_container_set_cpu_weight(container, 0), EINVAL, VISO_STAGE_ARGUMENT, "set_cpu_weight");
	assert_fails(viso_container_set_io_weight(container, 10001), EINVAL, VISO_STAGE_ARGUMENT, "set_io_weight");
	static const char *const bad[] = {"", "a", "1-", "3-1", "1,,2", "0;1", "-1", "99999999999", "1 2"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_fails(viso_container_set_cpus(container, bad[i]), EINVAL, VISO_STAGE_ARGUMENT, "set_cpus");
		assert_fails(viso_container_set_memory_nodes(container, bad[i]), EINVAL, VISO_STAGE_ARGUMENT,
			     "set_memory_nodes");
	}
	assert_fails(viso_container_set_io_max(container, "/dev/null", VISO_IO_READS, 1), ENOTBLK, VISO_STAGE_ARGUMENT,
		     "/dev/null");
	assert_fails(viso_container_set_io_max(container, "/is-not-there", VISO_IO_READS, 1), ENOENT,
		     VISO_STAGE_ARGUMENT, "/is-not-there");
	assert_fails(viso_container_set_io_max(container, "/", (viso_io_rate)4, 1), EINVAL, VISO_STAGE_ARGUMENT,
		     "set_io_max");
	assert_fails(viso_container_set_hugetlb_max(container, 3 << 20, 1), EINVAL, VISO_STAGE_ARGUMENT,
		     "set_hugetlb_max");
	/* None of it counts. */
	assert_prints(box, probe("print", NULL), "out\n");
	assert_fails(viso_container_set_cpu_weight(container, 5), EBUSY, VISO_STAGE_ARGUMENT, "set_cpu_weight");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_cpu_max),
		AT_CONTAINER(test_cpu_max_holds_a_program_back),
		AT_CONTAINER(test_cpu_weight),
		AT_CONTAINER(test_cpus),
		AT_CONTAINER(test_memory_nodes),
		AT_CONTAINER(test_cpus_that_are_not_there),
		AT_CONTAINER(test_memory_high),
		AT_CONTAINER(test_swap_max),
		AT_CONTAINER(test_io_max),
		AT_CONTAINER(test_io_weight),
		AT_CONTAINER(test_huge_pages),
		AT_CONTAINER(test_all_at_once),
		AT_CONTAINER(test_values),
		AT_CONTAINER(test_values_without_their_controller),
		AT_CONTAINER(test_value_that_the_kernel_refuses),
		AT_CONTAINER(test_parent),
		AT_CONTAINER(test_parents_that_are_refused),
		AT_CONTAINER(test_groups_of_a_killed_worker),
		AT_CONTAINER(test_a_failed_start_leaves_no_group),
		AT_CONTAINER(test_arguments),
	};
	return cmocka_run_group_tests_name("container limits", tests, NULL, box_group_teardown);
}
