/* SPDX-License-Identifier: MIT */
/* An instance that stays: one identity and one end for all of its commands. */
#include "box.h"
#include "host.h"
#include "marked.h"
#include "outside.h"

#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[8192];

static struct box *start(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_sandbox_start(box->sandbox));
	return box;
}

static const char *uid_of(int pid)
{
	return outside_status(pid, "Uid", text, sizeof(text));
}

/* Waits until the sandbox has as many processes. */
static void await_count(struct box *box, int count)
{
	await_that(viso_sandbox_pids(box->sandbox, NULL, 0) == count);
}

static void test_commands_run_in_it_as_ever(void **state)
{
	struct box *box = start(state);
	assert_ok(viso_sandbox_start(box->sandbox)); /* does nothing */
	assert_prints(box, probe("cwd", NULL), "/\n");
	assert_prints(box, probe("fds", NULL), "0 1 2 \n");
	assert_prints(box, probe("inherited", NULL), "umask 022\n");
	assert_ended(box_run(box, probe("exit", "7", NULL)), VISO_REASON_EXITED, 7, 0);
	assert_start_fails(box, viso_command_new("/not/there"), ENOENT, VISO_STAGE_EXEC, "/not/there");
	viso_command *command = probe("spin", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 100));
	assert_ended(box_run(box, command), VISO_REASON_TIMED_OUT, -1, SIGKILL);
	command = probe("spin", NULL);
	assert_ok(viso_command_set_cpu_time_ms(command, 50));
	assert_ended(box_run(box, command), VISO_REASON_CPU_TIME, -1, SIGKILL);
	char ready[16] = "";
	command = probe("trap", "15", NULL);
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	viso_process *process = box_spawn(box, command);
	int out = viso_process_take_stream(process, VISO_STDOUT);
	assert_int_equal(read(out, ready, sizeof(ready)), 6);
	assert_ok(viso_process_signal(process, SIGTERM));
	assert_ended(box_wait(process), VISO_REASON_EXITED, 55, 0);
	viso_process_unref(process);
	close(out);
}

/* What serves the command has a stack of its own, over which the command's start does not write. */
static void test_what_is_told_of_the_end(void **state)
{
	struct box *box = start(state);
	for (int i = 0; i < 3; i++) {
		viso_result *result = box_run(box, probe("cwd", NULL));
		assert_int_equal(viso_result_output_truncated(result, VISO_STDOUT), 0);
		assert_int_equal(viso_result_output_truncated(result, VISO_STDERR), 0);
		assert_in_range(viso_result_usage(result, VISO_USAGE_SYSTEM_US), 0, 1000000);
		assert_in_range(viso_result_usage(result, VISO_USAGE_MAJOR_FAULTS), 0, 10000);
		assert_in_range(viso_result_usage(result, VISO_USAGE_BLOCKS_IN), 0, 1000000);
		assert_in_range(viso_result_usage(result, VISO_USAGE_INVOLUNTARY_SWITCHES), 0, 10000);
		viso_result_unref(result);
	}
}

static void test_one_identity(void **state)
{
	struct box *box = start(state);
	char first[64];
	viso_process *a = box_spawn(box, probe("sleep", NULL)), *b = box_spawn(box, probe("sleep", NULL));
	snprintf(first, sizeof(first), "%s", uid_of(viso_process_pid(a)));
	assert_string_equal(first, uid_of(viso_process_pid(b)));
	assert_string_equal(outside_status(viso_process_pid(a), "CapEff", text, sizeof(text)), "0000000000000000");
	assert_string_equal(outside_status(viso_process_pid(a), "NoNewPrivs", text, sizeof(text)), "1");
	viso_process_unref(a);
	viso_process_unref(b);
}

/* Also under Landlock's scopes, since they are of one domain. */
static void test_commands_may_signal_each_other(void **state)
{
	struct box *box = start(state);
	char script[64];
	viso_process *victim = box_spawn(box, probe("sleep", NULL));
	/* The ids inside of a container are others. */
	/* The kernel gives it its name a moment after it has begun to execute. */
	await_that(!strcmp(outside_read(viso_process_pid(victim), "comm", text, sizeof(text)), "probe\n"));
	snprintf(script, sizeof(script), box->container ? "kill -TERM $(pidof probe)" : "kill -TERM %d",
		 viso_process_pid(victim));
	assert_ended(box_run(box, shell(script)), VISO_REASON_EXITED, 0, 0);
	assert_ended(box_wait(victim), VISO_REASON_SIGNALLED, -1, SIGTERM);
	viso_process_unref(victim);
}

static void test_what_is_left_goes_on(void **state)
{
	struct box *box = start(state);
	assert_prints(box, probe("background", "3", NULL), "left\n");
	await_count(box, 3);
	assert_prints(box, probe("background", "2", NULL), "left\n");
	await_count(box, 5);
	assert_ok(viso_sandbox_close(box->sandbox));
}

static void test_a_killed_command_takes_its_own_along(void **state)
{
	struct box *box = start(state);
	assert_prints(box, probe("background", "2", NULL), "left\n");
	viso_process *process = box_spawn(box, shell("probe background 5; exec probe sleep"));
	await_count(box, 2 + 5 + 1);
	assert_ok(viso_process_kill(process));
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 2);
	viso_process_unref(process);
	viso_command *command = shell("probe background 4; exec probe sleep");
	assert_ok(viso_command_set_timeout_ms(command, 300));
	assert_ended(box_run(box, command), VISO_REASON_TIMED_OUT, -1, SIGKILL);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 2);
}

static void test_kill_and_signal_all_commands(void **state)
{
	struct box *box = start(state);
	viso_process *a = box_spawn(box, probe("sleep", NULL)), *b = box_spawn(box, probe("sleep", NULL));
	assert_int_equal(viso_sandbox_signal(box->sandbox, SIGUSR1), 2);
	assert_ended(box_wait(a), VISO_REASON_SIGNALLED, -1, SIGUSR1);
	assert_ended(box_wait(b), VISO_REASON_SIGNALLED, -1, SIGUSR1);
	viso_process *c = box_spawn(box, probe("sleep", NULL));
	assert_int_equal(viso_sandbox_kill(box->sandbox), 1);
	assert_ended(box_wait(c), VISO_REASON_KILLED, -1, SIGKILL);
	viso_process_unref(a);
	viso_process_unref(b);
	viso_process_unref(c);
	assert_prints(box, probe("cwd", NULL), "/\n");
}

struct host {
	viso_isolation strength;
	unsigned mark;
	struct ready_pipe ready;
	bool limited;
};

static struct box *new_marked(struct host *host)
{
	mark_this_process(host->mark);
	struct box *box = box_new(host->strength, box_tree());
	if (geteuid() == 0) {
		assert_ok(box_set_processes_max(box, 100));
		assert_ok(box_set_memory_max(box, 64 << 20));
	}
	return box;
}

static struct box *open_marked(struct host *host)
{
	struct box *box = new_marked(host);
	assert_ok(viso_sandbox_start(box->sandbox));
	return box;
}

/* A start that reaches one of those who are dying yet dies with it. */
static struct box *open_after_deaths(struct host *host)
{
	enum { ATTEMPTS = 10 };
	for (int i = 1;; i++) {
		struct box *box = new_marked(host);
		int r = viso_sandbox_start(box->sandbox);
		if (r != -EPIPE || i == ATTEMPTS) {
			assert_ok(r);
			return box;
		}
		box_close(box);
	}
}

static void closes(void *argument)
{
	struct host *host = argument;
	pid_t pids[64];
	int fds = support_count_fds();
	struct box *box = open_marked(host);
	assert_prints(box, probe("background", "5", NULL), "left\n");
	viso_process *process = box_spawn(box, shell("probe background 3; exec probe sleep"));
	await_count(box, 9);
	int count = marked_processes(host->mark, NULL, getpid(), pids, 64);
	assert_ok(viso_sandbox_close(box->sandbox));
	assert_int_equal(marked_processes(host->mark, "probe", 0, NULL, 0), 0);
	assert_int_equal(marked_processes(host->mark, "viso-zygote", 0, NULL, 0), 0);
	assert_no_cgroups(pids, count);
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	viso_process_unref(process);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), -ESTALE);
	assert_int_equal(viso_sandbox_start(box->sandbox), -ESTALE);
	box_close(box);
	support_assert_nothing_left(fds + 2); /* the launcher's sockets stay */
}

static void test_close_ends_all(void **state)
{
	box_open(state);
	struct host host = {.strength = (viso_isolation)(intptr_t)*state, .mark = mark_new()};
	in_a_host(closes, &host);
	assert_no_marked(host.mark);
}

static void releases(void *argument)
{
	struct host *host = argument;
	struct box *box = open_marked(host);
	assert_prints(box, probe("background", "5", NULL), "left\n");
	assert_prints(box, probe("run-away", "2", NULL), "left\n");
	box_close(box);
	assert_int_equal(marked_processes(host->mark, "probe", 0, NULL, 0), 0);
	assert_int_equal(marked_processes(host->mark, "viso-zygote", 0, NULL, 0), 0);
}

static void test_the_last_reference_ends_all(void **state)
{
	box_open(state);
	struct host host = {.strength = (viso_isolation)(intptr_t)*state, .mark = mark_new()};
	in_a_host(releases, &host);
	assert_no_marked(host.mark);
}

static void waits_for_death(void *argument)
{
	struct host *host = argument;
	struct box *box = open_marked(host);
	assert_prints(box, probe("background", "5", NULL), "left\n");
	box_spawn(box, shell("probe background 3; exec probe sleep"));
	await_count(box, 9);
	ready_tell(&host->ready, "ready");
	for (;;)
		pause();
}

static void stop(unsigned mark, const char *name)
{
	pid_t named[64];
	int count = marked_processes(mark, name, 0, named, 64);
	assert_true(count > 0);
	for (int i = 0; i < count; i++)
		assert_int_equal(kill(named[i], SIGSTOP), 0);
}

static void assert_nothing_outlives(void **state, const char *stopped)
{
	pid_t pids[64];
	char line[64];
	box_open(state);
	struct host host = {.strength = (viso_isolation)(intptr_t)*state, .mark = mark_new()};
	ready_init(&host.ready);
	pid_t pid = host_start(waits_for_death, &host);
	assert_true(ready_wait(&host.ready, line, sizeof(line)));
	int count = marked_processes(host.mark, NULL, 0, pids, 64);
	assert_true(count > 9);
	if (stopped)
		stop(host.mark, stopped);
	host_kill(pid);
	assert_no_marked(host.mark);
	assert_no_cgroups(pids, count);
	ready_close(&host.ready);
}

static void test_nothing_outlives_a_killed_host(void **state)
{
	assert_nothing_outlives(state, NULL);
}

/* Nobody would let go on what somebody has stopped. */
static void test_nothing_stopped_outlives_it(void **state)
{
	assert_nothing_outlives(state, "viso-worker");
	assert_nothing_outlives(state, "viso-launcher");
}

/* One that serves it may have lived long enough to tell how the command ended. */
static void assert_lost_or_killed(viso_process *process)
{
	viso_result *result = NULL;
	int r = viso_process_wait(process, 10000, &result);
	if (r < 0)
		assert_fails(r, EPIPE, VISO_STAGE_LAUNCHER, "instance");
	else
		assert_int_equal(viso_result_reason(result), VISO_REASON_SIGNALLED);
}

static void kills_one_of_ours(struct host *host, const char *name)
{
	pid_t pids[64], all[64];
	struct box *box = open_marked(host);
	assert_prints(box, probe("background", "5", NULL), "left\n");
	viso_process *process = box_spawn(box, shell("probe background 3; exec probe sleep"));
	await_count(box, 9);
	int count = marked_processes(host->mark, NULL, getpid(), all, 64);
	int named = marked_processes(host->mark, name, getpid(), pids, 64);
	assert_true(named >= 1);
	for (int i = 0; i < named; i++)
		kill(pids[i], SIGKILL);
	assert_lost_or_killed(process);
	await_that(marked_processes(host->mark, "probe", 0, NULL, 0) == 0);
	viso_command *command = probe("cwd", NULL);
	assert_fails(viso_sandbox_run(box->sandbox, command, NULL), EPIPE, VISO_STAGE_LAUNCHER, "instance");
	viso_command_unref(command);
	viso_process_unref(process);
	box_close(box);
	assert_no_cgroups(all, count);
	if (strcmp(name, "viso-launcher") == 0)
		await_that(marked_processes(host->mark, NULL, getpid(), NULL, 0) == 0);
	box = open_after_deaths(host);
	assert_prints(box, probe("cwd", NULL), "/\n");
	box_close(box);
}

static void kills_workers(void *host)
{
	kills_one_of_ours(host, "viso-worker");
}

static void kills_zygote(void *host)
{
	kills_one_of_ours(host, "viso-zygote");
}

static void kills_launcher(void *host)
{
	kills_one_of_ours(host, "viso-launcher");
}

static void test_killed_from_outside(void **state)
{
	void (*const hosts[])(void *) = {kills_workers, kills_zygote, kills_launcher};
	box_open(state);
	for (int i = 0; i < 3; i++) {
		struct host host = {.strength = (viso_isolation)(intptr_t)*state, .mark = mark_new()};
		in_a_host(hosts[i], &host);
		assert_no_marked(host.mark);
	}
}

static void forks(void *argument)
{
	struct host *host = argument;
	struct box *box = open_marked(host);
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	assert_prints(box, probe("background", "2", NULL), "left\n");
	pid_t pid = fork();
	if (pid == 0) {
		/* A copy of a handle ends nothing, and what it has open keeps nothing. */
		bool gone = viso_sandbox_start(box->sandbox) == -ECHILD &&
			    viso_sandbox_pids(box->sandbox, NULL, 0) == -ECHILD;
		pid_t second = fork();
		if (second == 0) {
			viso_jail_unref(box->jail);
			viso_container_unref(box->container);
			_exit(!gone);
		}
		int status = 1;
		waitpid(second, &status, 0);
		(void)!write(ready[1], status ? "n" : "y", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 2);
	assert_prints(box, probe("cwd", NULL), "/\n");
	box_close(box);
	assert_int_equal(marked_processes(host->mark, "probe", 0, NULL, 0), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_forks_of_the_host(void **state)
{
	box_open(state);
	struct host host = {.strength = (viso_isolation)(intptr_t)*state, .mark = mark_new()};
	in_a_host(forks, &host);
	assert_no_marked(host.mark);
}

static void test_limits_are_those_of_all(void **state)
{
	skip_without(geteuid() == 0, "a pids controller for the caller");
	struct box *box = box_open(state);
	assert_ok(box_set_processes_max(box, 12));
	assert_ok(box_set_memory_max(box, 48 << 20));
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_prints(box, probe("background", "5", NULL), "left\n");
	await_count(box, 5);
	assert_prints(box, probe("fork", "20", NULL), "6 EAGAIN\n");
	/* There is room for one command, once the last one is gone. */
	await_count(box, 5 + 6);
	assert_ended(box_run(box, probe("eat", "100000000", NULL)), VISO_REASON_OUT_OF_MEMORY, -1, SIGKILL);
	assert_prints(box, probe("eat", "10000000", NULL), "eaten\n");
}

static void test_settings_are_frozen(void **state)
{
	struct box *box = start(state);
	assert_fails(box->jail ? viso_jail_set_network(box->jail, VISO_NETWORK_HOST)
			       : viso_container_set_network(box->container, VISO_NETWORK_HOST),
		     EBUSY, VISO_STAGE_ARGUMENT, "set_network");
}

static void test_other_strengths_have_none(void **state)
{
	struct box *box = box_open(state);
	assert_fails(viso_sandbox_start(box->sandbox), EOPNOTSUPP, VISO_STAGE_ARGUMENT, "viso_sandbox_start");
	assert_prints(box, probe("cwd", NULL), "/\n");
}

static void test_arguments(void **state)
{
	viso_jail *jail = viso_jail_new();
	assert_fails(viso_sandbox_start(NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_start");
	assert_fails(viso_sandbox_start(viso_jail_sandbox(jail)), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_start");
	viso_jail_unref(jail);
}

static void *run_and_start(void *data)
{
	struct box *box = data;
	for (int i = 0; i < 10; i++) {
		assert_ok(viso_sandbox_start(box->sandbox));
		assert_prints(box, probe("cwd", NULL), "/\n");
	}
	return NULL;
}

static void test_many_threads(void **state)
{
	struct box *box = box_open(state);
	pthread_t threads[6];
	for (int i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_and_start, box), 0);
	for (int i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 0);
}

/* A process with this number, which must be free, that has one child: its pid; -1 where the caller must not choose. */
static pid_t make_bystander(pid_t pid, pid_t *out_child)
{
	int ends[2];
	struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
	assert_int_equal(pipe(ends), 0);
	pid_t made = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (made == 0) {
		pid_t child = fork();
		if (child > 0 && write(ends[1], &child, sizeof(child)) != sizeof(child))
			_exit(1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	close(ends[1]);
	if (made > 0)
		assert_int_equal(read(ends[0], out_child, sizeof(*out_child)), sizeof(*out_child));
	close(ends[0]);
	return made;
}

/* What has been killed never is. */
static bool is_asleep(pid_t pid)
{
	return !strcmp(outside_status(pid, "State", text, sizeof(text)), "S (sleeping)");
}

/* Those who hold an instance begin to once they have said that it is there. */
static bool has_children_reaped(pid_t pid)
{
	unsigned long long ignored = strtoull(outside_status(pid, "SigIgn", text, sizeof(text)), NULL, 16);
	return ignored >> (SIGCHLD - 1) & 1;
}

static void host_of_a_reused_pid(void *mark)
{
	pid_t zygote, child;
	mark_this_process(*(unsigned *)mark);
	struct box *box = box_new(VISO_ISOLATION_JAIL, box_tree());
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_int_equal(marked_processes(*(unsigned *)mark, "viso-zygote", 0, &zygote, 1), 1);
	int holder = atoi(outside_status(zygote, "PPid", text, sizeof(text)));
	await_that(has_children_reaped(holder));
	assert_int_equal(kill(holder, SIGSTOP), 0);
	assert_int_equal(kill(zygote, SIGKILL), 0);
	await_that(kill(zygote, 0) < 0);
	pid_t bystander = make_bystander(zygote, &child);
	assert_int_equal(kill(holder, SIGCONT), 0);
	if (bystander > 0) {
		await_that(is_asleep(child));
		box_close(box);
		usleep(50000);
		await_that(is_asleep(child));
		kill(child, SIGKILL);
		host_kill(bystander);
	}
}

/* The kernel reaps the zygote, whose number is anybody's then. */
static void test_who_gets_the_pid_of_an_instance_is_left_alone(void **state)
{
	unsigned mark = mark_new();
	box_open(state);
	skip_without(geteuid() == 0, "root, to choose pids");
	in_a_host(host_of_a_reused_pid, &mark);
	assert_no_marked(mark);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_commands_run_in_it_as_ever),
		AT_EACH_STRENGTH(test_what_is_told_of_the_end),
		AT_EACH_STRENGTH(test_one_identity),
		AT_EACH_STRENGTH(test_commands_may_signal_each_other),
		AT_EACH_STRENGTH(test_what_is_left_goes_on),
		AT_EACH_STRENGTH(test_a_killed_command_takes_its_own_along),
		AT_EACH_STRENGTH(test_kill_and_signal_all_commands),
		AT_EACH_STRENGTH(test_close_ends_all),
		AT_EACH_STRENGTH(test_the_last_reference_ends_all),
		AT_EACH_STRENGTH(test_nothing_outlives_a_killed_host),
		AT_EACH_STRENGTH(test_nothing_stopped_outlives_it),
		AT_EACH_STRENGTH(test_killed_from_outside),
		AT_JAIL(test_who_gets_the_pid_of_an_instance_is_left_alone),
		AT_EACH_STRENGTH(test_forks_of_the_host),
		AT_EACH_STRENGTH(test_limits_are_those_of_all),
		AT_EACH_STRENGTH(test_settings_are_frozen),
		AT_EACH_STRENGTH(test_many_threads),
		AT_GUEST(test_other_strengths_have_none),
		cmocka_unit_test(test_arguments),
	};
	return cmocka_run_group_tests_name("instance", tests, NULL, box_group_teardown);
}
