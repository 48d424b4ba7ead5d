/* SPDX-License-Identifier: MIT */
/* Namespaces that are shared with the host, or joined: whose they are, and who ends what runs in them. */
#include "box.h"
#include "host.h"
#include "ordinary.h"
#include "outside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef NS_GET_MNTNS_ID
#define NS_GET_MNTNS_ID _IOR(NSIO, 0x5, uint64_t)
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static const struct {
	viso_namespace kind;
	const char *name; /* of what a process has */
	const char *file; /* of what its children have */
	int flag;
} kinds[] = {
	{VISO_NAMESPACE_NETWORK, "ns/net", "ns/net", CLONE_NEWNET},
	{VISO_NAMESPACE_IPC, "ns/ipc", "ns/ipc", CLONE_NEWIPC},
	{VISO_NAMESPACE_UTS, "ns/uts", "ns/uts", CLONE_NEWUTS},
	{VISO_NAMESPACE_CGROUP, "ns/cgroup", "ns/cgroup", CLONE_NEWCGROUP},
	{VISO_NAMESPACE_TIME, "ns/time", "ns/time_for_children", CLONE_NEWTIME},
	{VISO_NAMESPACE_PID, "ns/pid", "ns/pid_for_children", CLONE_NEWPID},
	{VISO_NAMESPACE_USER, "ns/user", "ns/user", CLONE_NEWUSER},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), PID = 5, USER = 6 };

/* A process that has new namespaces; with one of pids, a child of its is the first there. */
struct holder {
	pid_t pid;
	pid_t first;
};

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static _Noreturn void hold(int flags, int ready)
{
	pid_t first = 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(flags) < 0 || ((flags & CLONE_NEWPID) && (first = fork()) < 0))
		_exit(1);
	if ((flags & CLONE_NEWPID) && first == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* As a first process should, it reaps what comes to it. */
		signal(SIGCHLD, SIG_IGN);
	} else if (write(ready, &first, sizeof(first)) != sizeof(first)) {
		_exit(1);
	}
	for (;;)
		pause();
}

/* Its user namespace has root, which is the caller, or as root a range. */
static void map_ids(pid_t pid)
{
	char path[64], map[64];
	unsigned id = geteuid();
	snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
	if (id)
		write_text(path, "deny");
	snprintf(map, sizeof(map), "0 %u %u\n", id ? id : 600000, id ? 1 : 65536);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	write_text(path, map);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	write_text(path, map);
}

static struct holder holder_new(int flags)
{
	struct holder holder;
	int ready[2];
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	holder.pid = fork();
	assert_true(holder.pid >= 0);
	if (holder.pid == 0)
		hold(flags, ready[1]);
	assert_int_equal(read(ready[0], &holder.first, sizeof(holder.first)), sizeof(holder.first));
	close(ready[0]);
	close(ready[1]);
	if (flags & CLONE_NEWUSER)
		map_ids(holder.pid);
	return holder;
}

static void holder_end(struct holder holder)
{
	kill(holder.pid, SIGKILL);
	waitpid(holder.pid, NULL, 0);
}

static void join(struct box *box, struct holder holder, int kind)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", holder.pid, kinds[kind].file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_ok(viso_container_join_namespace(box->container, kinds[kind].kind, fd));
	close(fd);
}

static void assert_in(int pid, struct holder holder, int kind)
{
	char own[64], joined[64];
	/* Amid its exec it is told of before it can be looked at (begin_new_exec() in fs/exec.c). */
	await_that(strlen(outside_link(pid, kinds[kind].name, own, sizeof(own))) > 0);
	assert_string_equal(own, outside_link(holder.pid, kinds[kind].file, joined, sizeof(joined)));
}

/* How many processes are in its pid namespace beside the first. */
static int count_processes(struct holder holder)
{
	char wanted[64], found[64];
	int count = -1;
	outside_link(holder.pid, kinds[PID].file, wanted, sizeof(wanted));
	DIR *processes = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(processes));)
		if (atoi(entry->d_name) > 0 &&
		    !strcmp(outside_link(atoi(entry->d_name), "ns/pid", found, sizeof(found)), wanted))
			count++;
	closedir(processes);
	return count;
}

/* Of a pid namespace: the first process alone is left, within ten seconds. */
static void assert_only_the_first(struct holder holder)
{
	for (int i = 0; i < 1000 && count_processes(holder) != 0; i++)
		usleep(10000);
	assert_int_equal(count_processes(holder), 0);
	assert_int_equal(kill(holder.first, 0), 0);
}

static void test_each_kind(void **state)
{
	box_open(state);
	skip_without(geteuid() == 0, "root");
	for (int i = 0; i < KINDS; i++) {
		struct box *box = box_open(state);
		struct holder holder = holder_new(kinds[i].flag);
		join(box, holder, i);
		viso_process *process = box_spawn(box, probe("sleep", NULL));
		assert_in(viso_process_pid(process), holder, i);
		viso_process_unref(process);
		assert_prints(box, shell("echo x > /tmp/x; cat /tmp/x; id -u; echo out >&1"), "x\n1000\nout\n");
		holder_end(holder);
	}
}

static void test_all_kinds(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	int flags = 0;
	for (int i = 0; i < KINDS; i++)
		flags |= kinds[i].flag;
	struct holder holder = holder_new(flags);
	for (int i = 0; i < KINDS; i++)
		join(box, holder, i);
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	char text[64];
	for (int i = 0; i < KINDS; i++)
		assert_in(viso_process_pid(process), holder, i);
	assert_string_equal(outside_status(viso_process_pid(process), "Uid", text, sizeof(text)),
			    "601000\t601000\t601000\t601000");
	assert_string_equal(outside_status(viso_process_pid(process), "CapEff", text, sizeof(text)),
			    "0000000000000000");
	/* None of root's groups. */
	assert_string_equal(outside_status(viso_process_pid(process), "Groups", text, sizeof(text)), "");
	viso_process_unref(process);
	holder_end(holder);
}

/* In control groups, and again and again: no fd of the launcher's is used up. */
static void test_with_limits(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	struct holder holder = holder_new(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET);
	join(box, holder, 0);
	join(box, holder, PID);
	join(box, holder, USER);
	assert_ok(viso_container_set_processes_max(box->container, 3));
	assert_ok(viso_container_set_memory_max(box->container, 64 << 20));
	for (int i = 0; i < 100; i++)
		assert_prints(box, shell("echo one"), "one\n");
	viso_command *command = shell("probe background 9 2>/dev/null; probe sleep 10; probe sleep 10");
	viso_result_unref(box_run(box, command));
	assert_only_the_first(holder);
	holder_end(holder);
	/* Its first process ends a little later. What fails leaves nothing that a later start would find. */
	command = probe("exit", "0", NULL);
	for (int i = 0; i < 500 && viso_sandbox_run(box->sandbox, command, NULL) == 0; i++)
		usleep(10000);
	viso_command_unref(command);
	for (int i = 0; i < 3; i++)
		assert_start_fails(box, probe("exit", NULL), ENOMEM, VISO_STAGE_CLONE, "clone");
}

static void as_an_ordinary_user(void *argument)
{
	become_ordinary(ORDINARY_ID);
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	int flags = 0;
	for (int i = 0; i < KINDS; i++)
		flags |= kinds[i].flag;
	struct holder holder = holder_new(flags);
	for (int i = 0; i < KINDS; i++)
		join(box, holder, i);
	viso_command *command =
		shell("probe background 2; id -u; cat /proc/1/comm | grep -c viso-init; echo >&2; exec probe sleep");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_ok(viso_command_set_stdio(command, VISO_STDERR, VISO_STDIO_PIPE));
	viso_process *process = box_spawn(box, command);
	char byte;
	int err = viso_process_take_stream(process, VISO_STDERR);
	assert_int_equal(read(err, &byte, 1), 1);
	close(err);
	assert_ok(viso_process_kill(process));
	viso_result *result = box_wait(process);
	viso_process_unref(process);
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "left\n0\n0\n");
	assert_ended(result, VISO_REASON_KILLED, -1, 9);
	assert_only_the_first(holder);

	command = probe("sleep", NULL);
	assert_ok(viso_command_set_user(command, 0, 0));
	process = box_spawn(box, command);
	for (int i = 0; i < KINDS; i++)
		assert_in(viso_process_pid(process), holder, i);
	viso_process_unref(process);
	struct box *with_offset = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	join(with_offset, holder, USER);
	assert_ok(viso_container_set_clock_offset(with_offset->container, VISO_CLOCK_BOOTTIME, 1));
	assert_start_fails(with_offset, probe("exit", NULL), EACCES, VISO_STAGE_NAMESPACE, "timens_offsets");
	assert_non_null(strstr(viso_error_message(), "viso_container_set_clock_offset"));
	box_close(with_offset);
	/* What is set of the process is set before. */
	command = shell("cat /proc/self/oom_score_adj");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_ok(viso_command_set_oom_score_adj(command, 300));
	assert_prints(box, command, "300\n");
	/* No other id is there. */
	assert_start_fails(box, probe("exit", NULL), EINVAL, VISO_STAGE_CREDENTIALS, "setresgid");
	holder_end(holder);
	box_close(box);
}

static void not_without_the_owner(void *argument)
{
	become_ordinary(ORDINARY_ID);
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	struct holder holder = holder_new(CLONE_NEWUSER | CLONE_NEWNET);
	join(box, holder, 0);
	assert_start_fails(box, probe("exit", NULL), EPERM, VISO_STAGE_NAMESPACE, "join_namespace: network");
	assert_non_null(strstr(viso_error_message(), "joins that user namespace as well"));
	box_close(box);
	box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	join(box, holder, 0);
	join(box, holder, USER);
	viso_command *command = shell("id -u");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(box, command, "0\n");
	box_close(box);
	holder_end(holder);
}

static void test_ordinary_user(void **state)
{
	box_open(state);
	in_a_host(as_an_ordinary_user, NULL);
	in_a_host(not_without_the_owner, NULL);
}

static bool reaches(const char *pid)
{
	char path[64], link[64];
	snprintf(path, sizeof(path), "/proc/%.16s/ns/mnt", pid);
	return readlink(path, link, sizeof(link)) > 0;
}

/* Root of the joined namespace looks for whom it could trace: 'i' for an init of ours, 'p' for a program. */
static _Noreturn void spy(int user, int found)
{
	if (setns(user, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (bool reported[2] = {false, false};;) {
		DIR *processes = opendir("/proc");
		for (struct dirent *entry; processes && (entry = readdir(processes));) {
			char comm[32], after[32], executes[64];
			int which = -1;
			if (atoi(entry->d_name) <= 0)
				continue;
			outside_read(atoi(entry->d_name), "comm", comm, sizeof(comm));
			if (!strcmp(comm, "viso-init\n") || !strcmp(comm, "viso-worker\n"))
				which = 0;
			else if (!strcmp(comm, "probe\n"))
				which = 1;
			/* The program has its init's name until its exec, which may be just now; its memory is new
			 * before. */
			if (which >= 0 && !reported[which] && reaches(entry->d_name) &&
			    (which == 1 || strstr(outside_link(atoi(entry->d_name), "exe", executes, sizeof(executes)),
						  "viso-launcher")) &&
			    !strcmp(comm, outside_read(atoi(entry->d_name), "comm", after, sizeof(after)))) {
				reported[which] = true;
				if (write(found, which ? "p" : "i", 1) != 1)
					_exit(1);
			}
		}
		closedir(processes);
	}
}

enum { WATCHED_SECONDS = 150 }; /* of many starts beside one who uses up a processor */

/* CVE-2016-9962: what enters a container has fds of the host, and must not be traced from inside before its end. */
static void while_it_is_watched(void *argument)
{
	become_ordinary(ORDINARY_ID);
	struct holder holder = holder_new(CLONE_NEWUSER | CLONE_NEWPID);
	char path[64], seen[2] = "";
	int found[2];
	support_time_limit(WATCHED_SECONDS);
	assert_int_equal(pipe2(found, O_CLOEXEC | O_NONBLOCK), 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", holder.pid);
	int user = open(path, O_RDONLY | O_CLOEXEC);
	pid_t watcher = fork();
	if (watcher == 0)
		spy(user, found[1]);
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	join(box, holder, USER);
	join(box, holder, PID);
	viso_command *command = probe("sleep", "10", NULL);
	assert_ok(viso_command_set_user(command, 0, 0));
	for (int i = 0; i < 100; i++)
		assert_ok(viso_sandbox_run(box->sandbox, command, NULL));
	/* It has seen the program, so it would have seen more. */
	for (int i = 0; i < 100 && read(found[0], seen, 1) < 0; i++)
		assert_ok(viso_sandbox_run(box->sandbox, command, NULL));
	assert_string_equal(seen, "p");
	assert_int_equal(read(found[0], seen, 1), -1);
	viso_command_unref(command);
	kill(watcher, SIGKILL);
	waitpid(watcher, NULL, 0);
	box_close(box);
	holder_end(holder);
}

static void test_nobody_traces_what_joins(void **state)
{
	box_open(state);
	/* Of the one that waits for it, too. */
	support_time_limit(WATCHED_SECONDS);
	in_a_host(while_it_is_watched, NULL);
}

/* As root: a pid namespace, joined by a container with a user namespace of its own. */
static struct box *open_with_pids(void **state, struct holder *holder)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	*holder = holder_new(CLONE_NEWPID);
	join(box, *holder, PID);
	return box;
}

static void test_pids_are_seen(void **state)
{
	struct holder holder;
	struct box *box = open_with_pids(state, &holder);
	assert_prints(box, shell("set -- /proc/[0-9]*; echo $#; kill -0 1 2>/dev/null || echo not mine"),
		      "3\nnot mine\n");
	assert_only_the_first(holder);
	holder_end(holder);
}

static void test_pids_end_with_the_program(void **state)
{
	struct holder holder;
	struct box *box = open_with_pids(state, &holder);
	assert_prints(box, probe("background", "5", NULL), "left\n");
	assert_only_the_first(holder);
	viso_command *command = shell("probe background 5; exec probe spin");
	assert_ok(viso_command_set_timeout_ms(command, 200));
	assert_ended(box_run(box, command), VISO_REASON_TIMED_OUT, -1, 9);
	assert_only_the_first(holder);
	command = shell("probe run-away 3; exec probe sleep 100");
	assert_ended(box_run(box, command), VISO_REASON_EXITED, 0, 0);
	assert_only_the_first(holder);
	holder_end(holder);
}

/* The container's init, its program, and what that left in the background. A list of processes is no snapshot. */
static void assert_all_there(struct holder holder)
{
	int count = 0;
	for (int i = 0; i < 1000 && count < 7; i++) {
		usleep(10000);
		count = count_processes(holder);
	}
	assert_true(count >= 7);
}

static viso_process *spawn_with_background(struct box *box, unsigned uid)
{
	viso_command *command = shell("probe background 5 > /dev/null; echo; exec probe sleep");
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	assert_ok(viso_command_set_user(command, uid, uid));
	viso_process *process = box_spawn(box, command);
	char byte;
	int fd = viso_process_take_stream(process, VISO_STDOUT);
	assert_int_equal(read(fd, &byte, 1), 1);
	close(fd);
	return process;
}

/* Their init is not the first process of the namespace: what kills it must not set them free. */
static void test_pids_end_with_their_init(void **state)
{
	struct holder holder;
	struct box *box = open_with_pids(state, &holder);
	viso_process *process = spawn_with_background(box, 1000);
	assert_all_there(holder);
	assert_int_equal(kill((pid_t)outside_stat(viso_process_pid(process), 4), SIGKILL), 0);
	viso_result_unref(box_wait(process));
	viso_process_unref(process);
	assert_only_the_first(holder);

	/* By the program itself, which is root there as the init is. */
	viso_command *command = shell("probe background 5; kill -9 $PPID; exec probe sleep");
	assert_ok(viso_command_set_user(command, 0, 0));
	viso_result_unref(box_run(box, command));
	assert_only_the_first(holder);
	holder_end(holder);
}

/* Nor those whose first thread has ended, and with it their namespaces, as /proc shows them. */
static void test_pids_without_the_first_thread(void **state)
{
	struct holder holder;
	struct box *box = open_with_pids(state, &holder);
	/* Else one system call for the container's own uids ends all. */
	assert_ok(viso_container_add_id_map(box->container, VISO_ID_USER, 0, 0x20000000, 65536));
	assert_ok(viso_container_add_id_map(box->container, VISO_ID_GROUP, 0, 0x20000000, 65536));
	viso_command *command = shell("probe headless & probe headless & sleep 0.2; kill -9 $PPID; exec probe sleep");
	assert_ok(viso_command_set_user(command, 0, 0));
	viso_result_unref(box_run(box, command));
	assert_only_the_first(holder);
	holder_end(holder);
}

static bool has_ids_of_mounts(void)
{
	uint64_t id;
	int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	bool has = ioctl(fd, NS_GET_MNTNS_ID, &id) == 0;
	close(fd);
	return has;
}

static void test_pids_end_with_the_worker(void **state)
{
	struct holder holder;
	skip_without(has_ids_of_mounts(),
		     "ids of mount namespaces (Linux 6.10), by which the launcher finds what is left");
	struct box *box = open_with_pids(state, &holder);
	viso_process *process = spawn_with_background(box, 1000);
	pid_t init = (pid_t)outside_stat(viso_process_pid(process), 4);
	assert_int_equal(kill((pid_t)outside_stat(init, 4), SIGKILL), 0);
	assert_only_the_first(holder);
	viso_result *result = NULL;
	assert_int_equal(viso_process_wait(process, 20000, &result), -EPIPE);
	viso_process_unref(process);
	holder_end(holder);
}

static void run_until_killed(void *argument)
{
	void **arguments = argument;
	struct holder *holder = arguments[0];
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	join(box, *holder, PID);
	spawn_with_background(box, 1000);
	ready_tell(arguments[1], "");
	for (;;)
		pause();
}

static void test_pids_end_with_the_host(void **state)
{
	struct holder holder;
	struct ready_pipe ready;
	open_with_pids(state, &holder);
	ready_init(&ready);
	void *arguments[] = {&holder, &ready};
	pid_t host = host_start(run_until_killed, arguments);
	assert_true(ready_wait(&ready, NULL, 0));
	assert_all_there(holder);
	host_kill(host);
	assert_only_the_first(holder);
	ready_close(&ready);
	holder_end(holder);
}

static void test_pids_end_with_their_namespace(void **state)
{
	struct holder holder;
	struct box *box = open_with_pids(state, &holder);
	viso_process *process = spawn_with_background(box, 1000);
	assert_int_equal(kill(holder.first, SIGKILL), 0);
	viso_result *result = box_wait(process);
	assert_ended(result, VISO_REASON_SIGNALLED, -1, 9);
	viso_process_unref(process);
	/* Nothing can begin there any more. */
	assert_start_fails(box, probe("exit", NULL), ENOMEM, VISO_STAGE_CLONE, "clone");
	assert_non_null(strstr(viso_error_message(), "has ended"));
	holder_end(holder);
}

static void test_shared(void **state)
{
	static const int shared[] = {1, 2, 3, 4};
	struct box *box = box_open(state);
	char host[65], expected[80];
	gethostname(host, sizeof(host));
	snprintf(expected, sizeof(expected), "%s\n", host);
	for (int i = 0; i < 4; i++)
		assert_ok(viso_container_share_namespace(box->container, kinds[shared[i]].kind));
	viso_command *command = shell("hostname; hostname changed 2>/dev/null; true");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(box, command, expected);
	gethostname(host, sizeof(host));
	assert_int_equal(strncmp(host, expected, strlen(host)), 0);
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	char own[64], joined[64];
	for (int i = 0; i < 4 && geteuid() == 0; i++)
		assert_string_equal(outside_link(viso_process_pid(process), kinds[shared[i]].name, own, sizeof(own)),
				    outside_link(getpid(), kinds[shared[i]].name, joined, sizeof(joined)));
	viso_process_unref(process);
}

static void test_shared_network(void **state)
{
	struct box *box = box_open(state);
	char own[64], joined[64];
	assert_ok(viso_container_share_namespace(box->container, VISO_NAMESPACE_NETWORK));
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	if (geteuid() == 0)
		assert_string_equal(outside_link(viso_process_pid(process), "ns/net", own, sizeof(own)),
				    outside_link(getpid(), "ns/net", joined, sizeof(joined)));
	viso_process_unref(process);
}

static int join_path(struct box *box, viso_namespace kind, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	int r = viso_container_join_namespace(box->container, kind, fd);
	close(fd);
	return r;
}

static void test_arguments(void **state)
{
	struct box *box = box_open(state);
	static const viso_namespace always[] = {VISO_NAMESPACE_MOUNT, VISO_NAMESPACE_PID, VISO_NAMESPACE_USER};
	for (int i = 0; i < 3; i++)
		assert_fails(viso_container_share_namespace(box->container, always[i]), EOPNOTSUPP, VISO_STAGE_ARGUMENT,
			     "share");
	assert_fails(viso_container_share_namespace(box->container, (viso_namespace)8), EINVAL, VISO_STAGE_ARGUMENT,
		     "share");
	assert_fails(viso_container_join_namespace(box->container, (viso_namespace)-1, 0), EINVAL, VISO_STAGE_ARGUMENT,
		     "join");
	assert_fails(viso_container_join_namespace(box->container, VISO_NAMESPACE_IPC, -1), EBADF, VISO_STAGE_ARGUMENT,
		     "join");
	assert_fails(join_path(box, VISO_NAMESPACE_MOUNT, "/proc/self/ns/mnt"), EOPNOTSUPP, VISO_STAGE_ARGUMENT,
		     "join");
	assert_fails(join_path(box, VISO_NAMESPACE_IPC, "/proc/self/ns/uts"), EINVAL, VISO_STAGE_ARGUMENT, "join");
	assert_fails(join_path(box, VISO_NAMESPACE_IPC, "/proc/self/status"), EINVAL, VISO_STAGE_ARGUMENT, "join");
	assert_fails(join_path(box, VISO_NAMESPACE_IPC, "/"), EINVAL, VISO_STAGE_ARGUMENT, "join");
	assert_fails(join_path(box, VISO_NAMESPACE_USER, "/proc/self/ns/user"), EINVAL, VISO_STAGE_ARGUMENT, "join");
	/* The last call of a kind counts, and fds are not left. */
	int fds = support_count_fds();
	for (int i = 0; i < 3; i++)
		assert_ok(join_path(box, VISO_NAMESPACE_IPC, "/proc/self/ns/ipc"));
	assert_int_equal(support_count_fds(), fds + 1);
	assert_ok(viso_container_share_namespace(box->container, VISO_NAMESPACE_IPC));
	assert_int_equal(support_count_fds(), fds);
	assert_prints(box, probe("exit", "0", NULL), "");
}

/* Settings that are for a namespace of its own. */
static void test_contradictions(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_share_namespace(box->container, VISO_NAMESPACE_UTS));
	assert_ok(viso_container_set_hostname(box->container, "other"));
	assert_start_fails(box, probe("exit", NULL), EINVAL, VISO_STAGE_NAMESPACE, "viso_container_set_hostname");
	box = box_open(state);
	assert_ok(join_path(box, VISO_NAMESPACE_UTS, "/proc/self/ns/uts"));
	assert_ok(viso_container_set_domainname(box->container, "other"));
	assert_start_fails(box, probe("exit", NULL), EINVAL, VISO_STAGE_NAMESPACE, "viso_container_set_domainname");
	box = box_open(state);
	assert_ok(viso_container_share_namespace(box->container, VISO_NAMESPACE_TIME));
	assert_ok(viso_container_set_clock_offset(box->container, VISO_CLOCK_BOOTTIME, 1));
	assert_start_fails(box, probe("exit", NULL), EINVAL, VISO_STAGE_NAMESPACE, "viso_container_set_clock_offset");
	box = box_open(state);
	assert_ok(join_path(box, VISO_NAMESPACE_NETWORK, "/proc/self/ns/net"));
	assert_ok(viso_container_set_network(box->container, VISO_NETWORK_HOST));
	assert_start_fails(box, probe("exit", NULL), EINVAL, VISO_STAGE_NAMESPACE, "viso_container_set_network");
	box = box_open(state);
	struct holder holder = holder_new(CLONE_NEWUSER);
	join(box, holder, USER);
	assert_ok(viso_container_add_id_map(box->container, VISO_ID_USER, 0, geteuid(), 1));
	assert_start_fails(box, probe("exit", NULL), EINVAL, VISO_STAGE_NAMESPACE, "viso_container_add_id_map");
	holder_end(holder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_arguments),
		AT_CONTAINER(test_contradictions),
		AT_CONTAINER(test_shared),
		AT_CONTAINER(test_shared_network),
		AT_CONTAINER(test_each_kind),
		AT_CONTAINER(test_all_kinds),
		AT_CONTAINER(test_with_limits),
		AT_CONTAINER(test_ordinary_user),
		AT_CONTAINER(test_nobody_traces_what_joins),
		AT_CONTAINER(test_pids_are_seen),
		AT_CONTAINER(test_pids_end_with_the_program),
		AT_CONTAINER(test_pids_end_with_their_init),
		AT_CONTAINER(test_pids_without_the_first_thread),
		AT_CONTAINER(test_pids_end_with_the_worker),
		AT_CONTAINER(test_pids_end_with_the_host),
		AT_CONTAINER(test_pids_end_with_their_namespace),
	};
	box_tree();
	return cmocka_run_group_tests_name("joined namespaces", tests, NULL, box_group_teardown);
}
