/* SPDX-License-Identifier: MIT */
/* Prepared containers: they are as any other, and nothing of one command reaches the next. */
#include "box.h"
#include "host.h"
#include "marked.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char *tree;

static int make_tree(void **state)
{
	tree = box_new_tree();
	tree_copy(TRACES_PATH, tree, "bin/traces");
	return 0;
}

static int remove_tree(void **state)
{
	support_remove_tree(tree);
	free(tree);
	return box_group_teardown(state);
}

static struct box *open_box(void)
{
	skip_without(geteuid() == 0, "root, for prepared containers");
	return box_new(VISO_ISOLATION_CONTAINER, tree);
}

static struct box *open_prepared(unsigned count)
{
	struct box *box = open_box();
	assert_ok(viso_container_prepare(box->container, count));
	return box;
}

static void add_capabilities(struct box *box)
{
	static const char *const names[] = {"sys_admin", "net_admin", "net_raw", "sys_resource", "dac_override"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_ok(viso_container_add_capability(box->container, names[i]));
}

/* As the container's root, which may do most. */
static viso_command *traces(const char *verb, const char *only)
{
	viso_command *command = viso_command_new("/bin/traces");
	assert_ok(viso_command_add_arg(command, verb));
	if (only)
		assert_ok(viso_command_add_arg(command, only));
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(command, 65536));
	return command;
}

/* What it prints; to be freed. */
static char *output_of(struct box *box, viso_command *command)
{
	viso_result *result = box_run(box, command);
	check_ended(result, VISO_REASON_EXITED, 0, 0);
	size_t size;
	const char *text = viso_result_output(result, VISO_STDOUT, &size);
	char *copy = strndup(text ? text : "", size);
	assert_non_null(copy);
	viso_result_unref(result);
	return copy;
}

static bool has_line(const char *text, const char *line)
{
	size_t length = strlen(line);
	for (const char *at = text; (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && at[length] == '\n')
			return true;
	return false;
}

/* What is left in a container is found in it: else the tests below would show nothing. */
static void assert_found_in_one(struct box *box, const char *const *names)
{
	char *text = output_of(box, traces("both", NULL));
	char *found = strstr(text, "found:\n");
	assert_non_null(found);
	for (; *names; names++)
		if (!has_line(found, *names))
			fail_msg("'%s' is not found in:\n%s", *names, text);
	/* And whatever is left is found. */
	*found = '\0';
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		/* The kernel collects that one when it likes. */
		if (!has_line(found + 1, line) && strcmp(line, "socket in flight") != 0)
			fail_msg("'%s' was left, but is not found", line);
	free(text);
}

static void test_traces_are_found_in_one_container(void **state)
{
	static const char *const names[] = {
		"packets",    "refused packet",  "tmp",           "shm",      "dev",        "dev mode",
		"lock",       "terminal",        "shared memory", "messages", "semaphores", "message queue",
		"connection", "abstract socket", "port",          "process",  NULL};
	struct box *box = open_box();
	assert_found_in_one(box, names);
	box_close(box);
}

static void test_traces_are_found_with_capabilities(void **state)
{
	static const char *const names[] = {"address",
					    "network parameter",
					    "ipc parameter",
					    "user parameter",
					    "hostname",
					    "mount",
					    "dev",
					    "process",
					    NULL};
	struct box *box = open_box();
	add_capabilities(box);
	assert_found_in_one(box, names);
	box_close(box);
}

static void assert_nothing_found(struct box *box)
{
	char *found = output_of(box, traces("find", NULL));
	assert_string_equal(found, "");
	free(found);
}

static void leave(struct box *box, const char *only, bool must)
{
	char *left = output_of(box, traces("leave", only));
	if (must)
		assert_true(strlen(left) > 0);
	free(left);
}

/* By one worker: only one is prepared. */
static void test_nothing_is_left(void **state)
{
	struct box *box = open_prepared(1);
	assert_nothing_found(box);
	for (int i = 0; i < 3; i++) {
		leave(box, NULL, true);
		assert_nothing_found(box);
	}
	box_close(box);
}

static void test_nothing_is_left_with_capabilities(void **state)
{
	struct box *box = open_box();
	add_capabilities(box);
	assert_ok(viso_container_prepare(box->container, 1));
	for (int i = 0; i < 3; i++) {
		leave(box, NULL, true);
		assert_nothing_found(box);
	}
	box_close(box);
}

/* The number of the network namespace, and of the file system of /dev. */
static void identify(struct box *box, char *network, char *dev)
{
	char *text = output_of(box, traces("identify", NULL));
	assert_int_equal(sscanf(text, "%31s %31s", network, dev), 2);
	free(text);
}

static void test_what_is_used_again(void **state)
{
	char network[2][32], dev[2][32];
	struct box *box = open_prepared(1);
	identify(box, network[0], dev[0]);
	leave(box, "tmp", true);
	leave(box, "lock", true);
	identify(box, network[1], dev[1]);
	assert_string_equal(network[0], network[1]);
	assert_string_equal(dev[0], dev[1]);
	box_close(box);
}

/* Each alone: one that is noticed must not stand for all. */
static void test_every_trace_in_the_network(void **state)
{
	static const char *const each[] = {"refused packet", "flow label", "socket in flight", "abstract socket"};
	struct box *box = open_prepared(1);
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		/* Without IPv6 there are no flow labels. */
		leave(box, each[i], strcmp(each[i], "flow label") != 0);
		assert_nothing_found(box);
	}
	for (int i = 0; i < 3; i++) {
		assert_prints(box, probe("socket", "2", "4242", NULL), "made\n");
		assert_nothing_found(box);
	}
	box_close(box);
}

static void assert_network_is_new_after(struct box *box, viso_command *command)
{
	char network[2][32], dev[32];
	identify(box, network[0], dev);
	viso_result_unref(box_run(box, command));
	identify(box, network[1], dev);
	assert_string_not_equal(network[0], network[1]);
}

static void test_a_used_network_is_thrown_away(void **state)
{
	struct box *box = open_prepared(1);
	assert_network_is_new_after(box, traces("leave", "refused packet"));
	assert_network_is_new_after(box, traces("leave", NULL));
	/* A socket may be used to hand out others, which nobody would see. */
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	viso_command *command = traces("identify", NULL);
	assert_ok(viso_command_add_fd(command, pair[1], 5));
	assert_network_is_new_after(box, command);
	command = traces("identify", NULL);
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDIN, pair[1]));
	assert_network_is_new_after(box, command);
	close(pair[0]);
	close(pair[1]);
	box_close(box);
}

/* Those of which something could stay that is not looked at. */
static void test_other_families(void **state)
{
	static const char *const usual[] = {"1", "2", "10"};
	char family[16];
	struct box *box = open_prepared(1);
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		assert_prints(box, probe("socket", usual[i], NULL), "made\n");
	/* AF_NETLINK has no streams. */
	assert_prints(box, probe("socket", "16", NULL), "Socket type not supported\n");
	for (int i = 3; i < 46; i += i == 9 || i == 15 ? 2 : 1) {
		snprintf(family, sizeof(family), "%d", i);
		assert_prints(box, probe("socket", family, NULL), "Address family not supported by protocol\n");
	}
	box_close(box);
	/* Of AF_PACKET the kernel would say something else. */
	box = open_box();
	assert_prints(box, probe("socket", "17", NULL), "Operation not permitted\n");
	box_close(box);
}

static void test_as_any_other(void **state)
{
	struct box *box = open_prepared(2);
	for (int i = 0; i < 4; i++) {
		assert_prints(box, shell("hostname; id -u; echo $$"), "container\n1000\n2\n");
		assert_prints(box, shell("cat /proc/1/comm; set -- /proc/[0-9]*; echo $#"), "viso-init\n2\n");
		assert_prints(box, shell("echo x >/tmp/x && echo x >/dev/shm/x && cat /tmp/x /dev/shm/x"), "x\nx\n");
		assert_prints(box, shell("ls /dev | tr '\\n' ' '; echo x >/dev/null; ls /dev/pts"),
			      "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ptmx\n");
		assert_prints(box, shell("ip link show lo | grep -c 'LOOPBACK,UP'"), "1\n");
		assert_ended(box_run(box, probe("raise", "11", NULL)), VISO_REASON_SIGNALLED, -1, 11);
		assert_start_fails(box, viso_command_new("/nothing"), ENOENT, VISO_STAGE_EXEC, "nothing");
	}
	viso_command *command = probe("sleep", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 50));
	assert_ended(box_run(box, command), VISO_REASON_TIMED_OUT, -1, SIGKILL);
	box_close(box);
}

/* More than there are; and what has started is the program, not what it takes. */
static void test_many_at_once(void **state)
{
	struct box *box = open_prepared(3);
	viso_process *processes[8];
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 8; i++)
			processes[i] = box_spawn(box, probe("sleep", NULL));
		for (int i = 0; i < 8; i++) {
			assert_ok(viso_process_signal(processes[i], SIGTERM));
			assert_ended(box_wait(processes[i]), VISO_REASON_SIGNALLED, -1, SIGTERM);
			viso_process_unref(processes[i]);
		}
	}
	box_close(box);
}

static void test_size(void **state)
{
	struct box *box = open_prepared(3);
	int fds = support_count_fds();
	assert_ok(viso_container_prepare(box->container, 1));
	assert_int_equal(support_count_fds(), fds - 2);
	assert_prints(box, shell("echo one"), "one\n");
	assert_ok(viso_container_prepare(box->container, 0));
	assert_int_equal(support_count_fds(), fds - 3);
	assert_prints(box, shell("mkdir /dev/x 2>&1 || echo none"),
		      "mkdir: can't create directory '/dev/x': Permission denied\nnone\n");
	fds = support_count_fds();
	assert_ok(viso_container_prepare(box->container, 2));
	assert_int_equal(support_count_fds(), fds + 2);
	assert_prints(box, shell("echo two"), "two\n");
	box_close(box);
}

static void test_arguments(void **state)
{
	struct box *box = open_box();
	assert_fails(viso_container_prepare(NULL, 1), EINVAL, VISO_STAGE_ARGUMENT, "prepare");
	assert_fails(viso_container_prepare(box->container, 1025), EINVAL, VISO_STAGE_ARGUMENT, "prepare");
	viso_container *container = viso_container_new();
	assert_fails(viso_container_prepare(container, 1), EINVAL, VISO_STAGE_ARGUMENT, "prepare");
	viso_container_unref(container);
	assert_ok(viso_container_prepare(box->container, 0));
	assert_ok(viso_container_prepare(box->container, 1));
	assert_fails(viso_container_set_hostname(box->container, "x"), EBUSY, VISO_STAGE_ARGUMENT, "hostname");
	assert_ok(viso_sandbox_close(box->sandbox));
	assert_fails(viso_container_prepare(box->container, 1), ESTALE, VISO_STAGE_ARGUMENT, "prepare");
	box_close(box);
}

/* What a command could change for the next one, or what is another one's. */
static void test_refused_settings(void **state)
{
	for (int i = 0; i < 8; i++) {
		struct box *box = open_box();
		viso_container *container = box->container;
		const char *named = "mount";
		if (i == 0)
			assert_ok(viso_container_add_tmpfs(container, "/etc", 1 << 20, 0777, 0));
		else if (i == 1)
			assert_ok(viso_container_add_bind(container, "/usr", "/etc", 0));
		else if (i == 2)
			assert_ok(viso_container_add_mask(container, "/proc/meminfo"));
		else if (i == 3)
			assert_ok(viso_container_add_file(container, "/bin/probe", "x", 1, 0755));
		else
			named = i < 6 ? "writable root" : "namespace";
		if (i == 4)
			assert_ok(viso_container_set_upper_discarded(container, 1 << 20));
		if (i == 5)
			assert_ok(viso_container_set_root_writable(container, 1));
		if (i == 6)
			assert_ok(viso_container_set_clock_offset(container, VISO_CLOCK_MONOTONIC, 1000000000));
		if (i == 7)
			assert_ok(viso_container_set_sysctl(container, "net.ipv4.ip_default_ttl", "42"));
		assert_fails(viso_container_prepare(container, 1), EOPNOTSUPP, VISO_STAGE_ARGUMENT, named);
		/* Without it, it works as before. */
		viso_result_unref(box_run(box, shell("true")));
		box_close(box);
	}
}

/* Sockets that the filter would not see could leave what is not looked at: then the network is new each time. */
static void test_another_filter(void **state)
{
	struct box *box = open_box();
	assert_ok(viso_container_set_seccomp_profile(box->container, VISO_SECCOMP_NONE));
	assert_ok(viso_container_prepare(box->container, 1));
	/* What the filter in front would refuse otherwise. */
	assert_prints(box, probe("socket", "17", NULL), "Operation not permitted\n");
	leave(box, NULL, true);
	assert_nothing_found(box);
	box_close(box);
}

static void test_ordinary_user(void **state)
{
	skip_without(geteuid() != 0, "an ordinary user");
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, tree);
	assert_fails(viso_container_prepare(box->container, 1), EOPNOTSUPP, VISO_STAGE_ARGUMENT, "prepare");
	box_close(box);
}

/* A root that cannot be prepared: the failure comes at once. */
static void test_bad_root(void **state)
{
	skip_without(geteuid() == 0, "root, for prepared containers");
	char *bad = box_new_tree();
	char *proc = tree_path(bad, "proc");
	assert_int_equal(rmdir(proc), 0);
	tree_link("/proc", bad, "proc");
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, bad);
	int fds = support_count_fds();
	assert_fails(viso_container_prepare(box->container, 4), ELOOP, VISO_STAGE_MOUNT, "proc");
	assert_int_equal(support_count_fds(), fds);
	assert_int_equal(unlink(proc), 0);
	tree_directory(bad, "proc", 0755);
	assert_ok(viso_container_prepare(box->container, 1));
	assert_prints(box, shell("echo well"), "well\n");
	/* Another directory in its place. */
	char other[4200];
	snprintf(other, sizeof(other), "%s.other", bad);
	assert_int_equal(rename(bad, other), 0);
	char *next = box_new_tree();
	assert_int_equal(rename(next, bad), 0);
	tree_write(bad, "etc/new", "new\n", 0644);
	assert_prints(box, shell("cat /etc/new"), "new\n");
	box_close(box);
	support_remove_tree(bad);
	support_remove_tree(other);
	free(next);
	free(proc);
	free(bad);
}

/* A hostile root cannot turn the mounts elsewhere, whatever is done to it after the template was made. */
static void test_root_that_changes(void **state)
{
	skip_without(geteuid() == 0, "root, for prepared containers");
	char *changing = box_new_tree();
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, changing);
	assert_ok(viso_container_prepare(box->container, 1));
	char *tmp = tree_path(changing, "tmp"), *moved = tree_path(changing, "moved");
	assert_int_equal(rename(tmp, moved), 0);
	tree_link("/etc", changing, "tmp");
	viso_process *process = NULL;
	viso_command *command = shell("echo x >/etc/x && echo written");
	int r = viso_sandbox_spawn(box->sandbox, command, &process);
	assert_true(r < 0);
	viso_command_unref(command);
	assert_int_equal(unlink(tmp), 0);
	assert_int_equal(rename(moved, tmp), 0);
	assert_prints(box, shell("echo well"), "well\n");
	box_close(box);
	support_remove_tree(changing);
	free(tmp);
	free(moved);
	free(changing);
}

static void test_accounts_of_one(void **state)
{
	struct box *box = open_box();
	assert_ok(viso_container_set_memory_max(box->container, 64 << 20));
	assert_ok(viso_container_set_processes_max(box->container, 20));
	assert_ok(viso_container_prepare(box->container, 1));
	for (int i = 0; i < 2; i++) {
		viso_result *result = box_run(box, probe("eat", "209715200", NULL));
		assert_int_equal(viso_result_reason(result), VISO_REASON_OUT_OF_MEMORY);
		viso_result_unref(result);
		result = box_run(box, probe("exit", "0", NULL));
		check_ended(result, VISO_REASON_EXITED, 0, 0);
		assert_true(viso_result_usage(result, VISO_USAGE_MEMORY_PEAK) < 32 << 20);
		viso_result_unref(result);
	}
	box_close(box);
}

static void test_closing(void **state)
{
	struct box *box = open_box();
	int fds = support_count_fds();
	assert_ok(viso_container_prepare(box->container, 4));
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_ok(viso_sandbox_close(box->sandbox));
	viso_process_unref(process);
	/* The launcher's own two may have come. */
	assert_true(support_count_fds() <= fds + 2);
	box_close(box);
}

static void *run_some(void *argument)
{
	struct box *box = argument;
	for (int i = 0; i < 20; i++)
		assert_prints(box, shell("echo thread"), "thread\n");
	return NULL;
}

static void test_threads(void **state)
{
	struct box *box = open_prepared(2);
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_some, box), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	box_close(box);
}

static void prepare_and_wait(void *argument)
{
	struct ready_pipe *ready = argument;
	mark_this_process((unsigned)atoi(getenv("POOL_MARK")));
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, tree);
	assert_ok(viso_container_set_processes_max(box->container, 20));
	assert_ok(viso_container_prepare(box->container, 3));
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_non_null(process);
	ready_tell(ready, "prepared");
	pause();
}

static void test_host_is_killed(void **state)
{
	skip_without(geteuid() == 0, "root, for prepared containers");
	struct ready_pipe ready;
	char line[32], text[16];
	unsigned mark = mark_new();
	snprintf(text, sizeof(text), "%u", mark);
	setenv("POOL_MARK", text, 1);
	ready_init(&ready);
	pid_t host = host_start(prepare_and_wait, &ready);
	assert_true(ready_wait(&ready, line, sizeof(line)));
	pid_t workers[64];
	int count = marked_processes(mark, "viso-worker", 0, workers, 64);
	assert_true(count >= 3);
	host_kill(host);
	assert_no_marked(mark);
	assert_no_cgroups(workers, count);
	ready_close(&ready);
}

static void kill_workers(void *argument)
{
	unsigned mark = mark_new();
	mark_this_process(mark);
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, tree);
	assert_ok(viso_container_prepare(box->container, 2));
	assert_prints(box, shell("echo before"), "before\n");
	pid_t workers[64];
	int count = marked_processes(mark, "viso-worker", 0, workers, 64);
	for (int i = 0; i < count; i++)
		kill(workers[i], SIGKILL);
	/* The launcher reaps them. */
	for (int i = 0; i < count; i++)
		while (kill(workers[i], 0) == 0)
			usleep(1000);
	assert_prints(box, shell("echo after"), "after\n");
	assert_ok(viso_container_prepare(box->container, 2));
	assert_prints(box, shell("echo again"), "again\n");
	box_close(box);
}

static void test_workers_are_killed(void **state)
{
	skip_without(geteuid() == 0, "root, for prepared containers");
	in_a_host(kill_workers, NULL);
}

static void use_in_a_fork(void *argument)
{
	struct box *box = argument;
	viso_command *command = shell("echo x");
	assert_fails(viso_container_prepare(box->container, 2), ECHILD, VISO_STAGE_ARGUMENT, "prepare");
	assert_fails(viso_sandbox_run(box->sandbox, command, NULL), ECHILD, VISO_STAGE_ARGUMENT, "run");
	viso_command_unref(command);
	viso_container_unref(box->container);
}

static void test_fork(void **state)
{
	skip_without(MALLOC_SURVIVES_FORK, "a malloc that survives fork");
	struct box *box = open_prepared(1);
	in_a_host(use_in_a_fork, box);
	assert_prints(box, shell("echo still"), "still\n");
	box_close(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traces_are_found_in_one_container),
		cmocka_unit_test(test_traces_are_found_with_capabilities),
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_nothing_is_left_with_capabilities),
		cmocka_unit_test(test_what_is_used_again),
		cmocka_unit_test(test_every_trace_in_the_network),
		cmocka_unit_test(test_a_used_network_is_thrown_away),
		cmocka_unit_test(test_other_families),
		cmocka_unit_test(test_as_any_other),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_refused_settings),
		cmocka_unit_test(test_another_filter),
		cmocka_unit_test(test_ordinary_user),
		cmocka_unit_test(test_bad_root),
		cmocka_unit_test(test_root_that_changes),
		cmocka_unit_test(test_accounts_of_one),
		cmocka_unit_test(test_closing),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_host_is_killed),
		cmocka_unit_test(test_workers_are_killed),
		cmocka_unit_test(test_fork),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
