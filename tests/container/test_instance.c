/* SPDX-License-Identifier: MIT */
/* What is special about an instance of a container; what it has in common with a jail's is in tests/sandbox. */
#include "box.h"
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *output(viso_result *result)
{
	return viso_result_output(result, VISO_STDOUT, NULL);
}

static void test_files_and_processes_are_shared(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_hostname(box->container, "staying"));
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_prints(box, shell("hostname; echo kept >/tmp/file; probe background 1"), "staying\nleft\n");
	assert_prints(box, shell("cat /tmp/file; pidof probe | wc -w"), "kept\n1\n");
	/* The init of it is no program of theirs. */
	assert_prints(box, shell("cat /proc/1/comm; test -r /proc/1/environ || echo closed"), "viso-init\nclosed\n");
}

static void test_network_of_its_own(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_prints(box, shell("ls /sys/class/net 2>/dev/null; grep -c : /proc/net/dev"), "1\n");
}

/* Commands run by its clocks, their time limits by the host's. */
static void test_clocks(void **state)
{
	struct box *box = box_open(state);
	struct timespec now;
	long long inside;
	assert_ok(viso_container_set_clock_offset(box->container, VISO_CLOCK_MONOTONIC, INT64_C(1000000) * 1000000000));
	assert_ok(viso_sandbox_start(box->sandbox));
	for (int i = 0; i < 2; i++) {
		viso_result *result = box_run(box, probe("clocks", NULL));
		clock_gettime(CLOCK_MONOTONIC, &now);
		assert_int_equal(sscanf(output(result), "%lld", &inside), 1);
		assert_in_range(inside - now.tv_sec, 999990, 1000001);
		assert_in_range(viso_result_usage(result, VISO_USAGE_WALL_US), 0, 20000000);
		viso_result_unref(result);
	}
	viso_command *command = probe("sleep", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 200));
	assert_ended(box_run(box, command), VISO_REASON_TIMED_OUT, -1, SIGKILL);
}

static void test_ids_that_were_chosen(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root, to map any id");
	for (int kind = VISO_ID_USER; kind <= VISO_ID_GROUP; kind++) {
		assert_ok(viso_container_add_id_map(box->container, (viso_id_kind)kind, 0, 700000, 10));
		assert_ok(viso_container_add_id_map(box->container, (viso_id_kind)kind, 1000, 701000, 1));
	}
	assert_ok(viso_sandbox_start(box->sandbox));
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	char path[64];
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%d/stat", viso_process_pid(process));
	assert_int_equal(stat(path, &st), 0);
	viso_process_unref(process);
	assert_prints(box, probe("ids", NULL), "1000 1000 1000 1000 1000 1000\n");
	viso_command *command = probe("ids", NULL);
	assert_ok(viso_command_set_user(command, 3, 4));
	assert_prints(box, command, "3 3 3 4 4 4\n");
	command = shell("echo text >/dev/stdout; id -u >/tmp/file; stat -c %u /tmp/file");
	assert_prints(box, command, "text\n1000\n");
}

static void test_attributes_of_one_command(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_sandbox_start(box->sandbox));
	viso_command *command = shell("cut -d' ' -f19 /proc/self/stat; umask");
	assert_ok(viso_command_set_nice(command, 7));
	assert_ok(viso_command_set_umask(command, 077));
	assert_prints(box, command, "7\n0077\n");
	assert_prints(box, shell("cut -d' ' -f19 /proc/self/stat; umask"), "0\n0022\n");
}

static void test_usage_and_pause(void **state)
{
	struct box *box = box_open(state);
	if (geteuid() == 0)
		assert_ok(box_set_processes_max(box, 30));
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_prints(box, probe("background", "3", NULL), "left\n");
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	/* Whoever served the first command may be about to end. */
	await_that(viso_sandbox_usage(box->sandbox, VISO_USAGE_PROCESSES) == 4);
	assert_true(viso_sandbox_pause(box->sandbox) >= 1);
	assert_true(viso_sandbox_resume(box->sandbox) >= 1);
	assert_prints(box, probe("cwd", NULL), "/\n");
	assert_true(viso_sandbox_pause(box->sandbox) >= 1);
	assert_ok(viso_sandbox_close(box->sandbox)); /* does not wait for what is frozen */
	viso_process_unref(process);
}

static void test_joined_processes_have_no_instance(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root, to join a namespace of the host");
	int fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	assert_ok(viso_container_join_namespace(box->container, VISO_NAMESPACE_PID, fd));
	close(fd);
	assert_fails(viso_sandbox_start(box->sandbox), EOPNOTSUPP, VISO_STAGE_ARGUMENT, "pid");
}

/* SIGXFSZ would end the host program. */
static void copies_with_a_small_limit(void *argument)
{
	struct rlimit limit = {4096, 4096};
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	char *directory = support_temporary_directory(), path[4096];
	snprintf(path, sizeof(path), "%s/copy", directory);
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_ended(box_run(box, shell("head -c 8192 /bin/busybox >/tmp/large")), VISO_REASON_EXITED, 0, 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_fails(viso_sandbox_copy_out(box->sandbox, "/tmp/large", path), EFBIG, VISO_STAGE_ROOT, "/tmp/large");
	assert_int_equal(rmdir(directory), 0);
	free(directory);
	box_close(box);
}

static void test_copies_mind_the_hosts_limit(void **state)
{
	box_open(state);
	in_a_host(copies_with_a_small_limit, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_files_and_processes_are_shared),
		AT_CONTAINER(test_network_of_its_own),
		AT_CONTAINER(test_clocks),
		AT_CONTAINER(test_ids_that_were_chosen),
		AT_CONTAINER(test_attributes_of_one_command),
		AT_CONTAINER(test_usage_and_pause),
		AT_CONTAINER(test_joined_processes_have_no_instance),
		AT_CONTAINER(test_copies_mind_the_hosts_limit),
	};
	return cmocka_run_group_tests_name("instance of a container", tests, NULL, box_group_teardown);
}
