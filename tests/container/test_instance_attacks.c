/* SPDX-License-Identifier: MIT */
/* Attacks on what enters a running container, from inside of it. */
#include "box.h"
#include "outside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char text[8192];

static struct box *start(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_sandbox_start(box->sandbox));
	return box;
}

/* As strong as a program in a container can be. */
static struct box *start_strong(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_add_capability(box->container, "sys_ptrace"));
	assert_ok(viso_container_add_capability(box->container, "kill"));
	assert_ok(viso_container_add_capability(box->container, "dac_override"));
	assert_ok(viso_sandbox_start(box->sandbox));
	return box;
}

/* Root of the container; an ordinary user has one id there only. */
static viso_command *strong(viso_command *command)
{
	if (geteuid() == 0)
		assert_ok(viso_command_set_user(command, 0, 0));
	return command;
}

/*
 * The joining process is never to be had, nor the init (CVE-2016-9962): neither its memory nor its fds nor its root.
 * The same ways lead into any other process.
 */
static void test_nobody_gets_into_the_joining_process(void **state)
{
	struct box *box = start_strong(state);
	viso_process *victim = box_spawn(box, strong(probe("sleep", NULL)));
	viso_process *spy = box_spawn(box, strong(probe("spy", "3000", NULL)));
	for (int i = 0; i < 200; i++)
		assert_ended(box_run(box, strong(probe("exit", "0", NULL))), VISO_REASON_EXITED, 0, 0);
	viso_result *result = box_wait(spy);
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "seen init entered 0 others yes\n");
	viso_result_unref(result);
	viso_process_unref(spy);
	viso_process_unref(victim);
}

/* What a command executes is never a file of the host that can be written (CVE-2019-5736): the launcher is sealed. */
static void test_the_launcher_cannot_be_overwritten(void **state)
{
	struct box *box = start_strong(state);
	assert_ended(box_run(box, strong(shell("printf '#!/proc/self/exe\\n' >/tmp/evil; chmod 755 /tmp/evil; "
					       "cp /bin/probe /tmp/victim"))),
		     VISO_REASON_EXITED, 0, 0);
	/* The attack works on a program that is a file. */
	viso_process *running = box_spawn(box, strong(shell("exec /tmp/victim sleep")));
	viso_process *attack = box_spawn(box, strong(shell("probe overwrite 15000 victim & "
							   "until ls -l /proc/$!/fd 2>&1 | grep -q victim; do :; done; "
							   "kill -9 $(pidof victim); wait")));
	viso_result *result = box_wait(attack);
	assert_memory_equal(viso_result_output(result, VISO_STDOUT, NULL), "found written ", 14);
	assert_string_not_equal(viso_result_output(result, VISO_STDOUT, NULL), "found written 0\n");
	viso_result_unref(result);
	viso_process_unref(attack);
	viso_process_unref(running);

	attack = box_spawn(box, strong(probe("overwrite", "3000", NULL)));
	for (int i = 0; i < 50; i++) {
		viso_command *command = strong(viso_command_new("/tmp/evil"));
		assert_ok(viso_command_set_timeout_ms(command, 2000));
		viso_result *ended = NULL;
		if (viso_sandbox_run(box->sandbox, command, &ended) == 0)
			viso_result_unref(ended);
		viso_command_unref(command);
	}
	result = box_wait(attack);
	assert_non_null(strstr(viso_result_output(result, VISO_STDOUT, NULL), "written 0\n"));
	viso_result_unref(result);
	viso_process_unref(attack);
	assert_prints(box, probe("cwd", NULL), "/\n");
}

/* No directory fd of the host leads out, as working directory or program (CVE-2024-21626). */
static void test_no_fd_leads_out(void **state)
{
	box_open(state);
	int leaked[8];
	for (int i = 0; i < 8; i++) /* deliberately without O_CLOEXEC */
		assert_true((leaked[i] = open("/", O_RDONLY | O_DIRECTORY)) >= 0);
	struct box *box = start(state);
	assert_ended(box_run(box, shell("ln -s /proc/self/fd/7/../../../../.. /tmp/link")), VISO_REASON_EXITED, 0, 0);
	for (int fd = 3; fd < 64; fd++) {
		char path[64];
		viso_process *process;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		viso_command *command = probe("cwd", NULL);
		assert_ok(viso_command_set_cwd(command, path));
		assert_int_equal(viso_sandbox_spawn(box->sandbox, command, &process), -ENOENT);
		viso_command_unref(command);
		snprintf(path, sizeof(path), "/proc/self/fd/%d/bin/busybox", fd);
		command = viso_command_new(path);
		assert_int_equal(viso_sandbox_spawn(box->sandbox, command, &process), -ENOENT);
		viso_command_unref(command);
	}
	viso_command *command = probe("cwd", NULL);
	viso_process *process;
	assert_ok(viso_command_set_cwd(command, "/tmp/link"));
	assert_int_equal(viso_sandbox_spawn(box->sandbox, command, &process), -ENOENT);
	viso_command_unref(command);
	assert_prints(box, probe("fds", NULL), "0 1 2 \n");
	for (int i = 0; i < 8; i++)
		close(leaked[i]);
}

static const char *status(viso_process *process, const char *key, char *out, size_t size)
{
	return outside_status(viso_process_pid(process), key, out, size);
}

/* As in a container that was started for it alone. */
static void test_commands_are_confined(void **state)
{
	static const char *const keys[] = {"CapEff", "CapPrm",     "CapInh",  "CapBnd",
					   "CapAmb", "NoNewPrivs", "Seccomp", "Groups"};
	struct box *box = box_open(state);
	viso_process *alone = box_spawn(box, probe("sleep", NULL));
	assert_ok(viso_sandbox_start(box->sandbox));
	viso_process *inside = box_spawn(box, probe("sleep", NULL));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char other[256];
		assert_string_equal(status(inside, keys[i], text, sizeof(text)),
				    status(alone, keys[i], other, sizeof(other)));
	}
	assert_string_equal(status(inside, "CapBnd", text, sizeof(text)), "0000000000000000");
	assert_string_equal(status(inside, "NoNewPrivs", text, sizeof(text)), "1");
	viso_process_unref(alone);
	viso_process_unref(inside);
}

static void test_one_set_of_namespaces(void **state)
{
	static const char *const names[] = {"ns/user", "ns/mnt", "ns/pid", "ns/ipc", "ns/uts", "ns/cgroup", "ns/net"};
	struct box *box = start(state);
	skip_without(geteuid() == 0, "root, to look at the namespaces of others");
	viso_process *a = box_spawn(box, probe("sleep", NULL)), *b = box_spawn(box, probe("sleep", NULL));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char one[64], other[64], host[64];
		outside_link(viso_process_pid(a), names[i], one, sizeof(one));
		assert_string_equal(one, outside_link(viso_process_pid(b), names[i], other, sizeof(other)));
		assert_string_not_equal(one, outside_link(getpid(), names[i], host, sizeof(host)));
	}
	viso_process_unref(a);
	viso_process_unref(b);
}

static void await_count(struct box *box, int count)
{
	await_that(viso_sandbox_pids(box->sandbox, NULL, 0) == count);
}

/* Double forks and sessions of their own hide nothing from a kill; what others started is spared. */
static void test_nothing_hides_from_a_kill(void **state)
{
	struct box *box = start(state);
	assert_prints(box, probe("background", "2", NULL), "left\n");
	viso_process *process = box_spawn(box, shell("probe run-away 3; probe run-away 3; (setsid probe sleep &) ; "
						     "exec probe sleep"));
	/* The chains may have come to their end before. */
	for (int i = 0; i < 200 && viso_sandbox_pids(box->sandbox, NULL, 0) < 2 + 6 + 1; i++)
		support_pause();
	assert_ok(viso_process_kill(process));
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 2);
	viso_process_unref(process);
	viso_command *command = shell("probe run-away 3; while :; do (setsid probe sleep &) ; sleep 0.01; done");
	assert_ok(viso_command_set_timeout_ms(command, 500));
	assert_ended(box_run(box, command), VISO_REASON_TIMED_OUT, -1, SIGKILL);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 2);
}

/* Nor does a process whose first thread has ended, whatever it looks like; nor what that has started. */
static void test_threads_without_the_first(void **state)
{
	struct box *box = start(state);
	static const char headless[] = "(probe headless &); (probe headless &); exec probe headless";
	viso_process *process = box_spawn(box, shell(headless));
	await_count(box, 3);
	assert_ok(viso_process_kill(process));
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 0);
	viso_process_unref(process);
	viso_command *command = shell(headless);
	assert_ok(viso_command_set_timeout_ms(command, 500));
	assert_ended(box_run(box, command), VISO_REASON_TIMED_OUT, -1, SIGKILL);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 0);
}

/* As it is called inside. */
static const char *inner_pid(viso_process *process, char *out, size_t size)
{
	const char *last = strrchr(status(process, "NSpid", out, size), '\t');
	return last ? last + 1 : out;
}

/* What is traced is for its tracer to be reaped first (wait(2)): no command keeps another one from its end by that. */
static void test_an_end_that_is_held_back(void **state)
{
	char pid[64];
	struct box *box = start(state);
	viso_command *command = probe("sleep", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 3000));
	viso_process *victim = box_spawn(box, command);
	viso_process *tracer = box_spawn(box, probe("trace", inner_pid(victim, pid, sizeof(pid)), NULL));
	viso_result *result = NULL;
	assert_ok(viso_process_wait(victim, 60000, &result));
	assert_ended(result, VISO_REASON_TIMED_OUT, -1, SIGKILL);
	viso_process_unref(victim);
	if (viso_process_kill(tracer) == 0)
		viso_result_unref(box_wait(tracer));
	viso_process_unref(tracer);
	assert_prints(box, probe("cwd", NULL), "/\n");
}

/* A program that stops what attends it gets no more time by that, and hides nothing. */
static void test_a_stopped_attendant(void **state)
{
	struct box *box = start(state);
	viso_command *command = strong(shell("(setsid probe sleep &); kill -STOP $PPID; probe sleep"));
	assert_ok(viso_command_set_timeout_ms(command, 500));
	assert_ended(box_run(box, command), VISO_REASON_TIMED_OUT, -1, SIGKILL);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 0);
	assert_prints(box, probe("cwd", NULL), "/\n");
}

/* A start that is stopped before its program is there does not keep the host, however often. */
static void test_stopped_starts(void **state)
{
	struct box *box = start(state);
	viso_process *stopper = box_spawn(box, probe("stop", "60000", NULL));
	for (int i = 0; i < 4; i++) {
		viso_process *process = box_spawn(box, probe("sleep", NULL));
		int r = viso_process_kill(process);
		assert_true(r == 0 || r == -ESRCH);
		viso_result_unref(box_wait(process));
		viso_process_unref(process);
	}
	assert_ok(viso_process_kill(stopper));
	viso_result_unref(box_wait(stopper));
	viso_process_unref(stopper);
	assert_prints(box, probe("cwd", NULL), "/\n");
}

/* Nor one that kills it: that is its own end. Those that hold the instance are not to be named inside. */
static void test_a_killed_attendant(void **state)
{
	struct box *box = start(state);
	assert_ended(box_run(box, strong(shell("kill -KILL $PPID; probe sleep"))), VISO_REASON_SIGNALLED, -1, SIGKILL);
	viso_process *victim = box_spawn(box, strong(probe("sleep", NULL)));
	assert_ended(box_run(box, strong(shell("kill -KILL 1; kill -TERM 1; kill -KILL -1; probe sleep"))),
		     VISO_REASON_SIGNALLED, -1, SIGKILL);
	assert_ended(box_wait(victim), VISO_REASON_SIGNALLED, -1, SIGKILL);
	viso_process_unref(victim);
	assert_prints(box, probe("cwd", NULL), "/\n");
}

/* Whatever /proc has become in the container, nothing of ours reads it. */
static void test_what_is_mounted_over_proc(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_add_capability(box->container, "sys_admin"));
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_ended(box_run(box, strong(shell("mount -t tmpfs none /proc && mount -t tmpfs none /dev/pts"))),
		     VISO_REASON_EXITED, 0, 0);
	assert_prints(box, probe("cwd", NULL), "/\n");
	viso_process *process = box_spawn(box, shell("probe run-away 2; exec probe sleep"));
	await_count(box, 3);
	assert_ok(viso_process_kill(process));
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	viso_process_unref(process);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 0);
	viso_command *command = probe("own-terminal", NULL);
	assert_ok(viso_command_set_terminal(command, 80, 25));
	process = box_spawn(box, command);
	int terminal = viso_process_take_terminal(process);
	char line[128] = "";
	/* A terminal gives what comes, not lines. */
	for (size_t size = 0; !strchr(line, '\n'); size = strlen(line))
		assert_true(read(terminal, line + size, sizeof(line) - 1 - size) > 0);
	assert_string_equal(line, "tty tty tty 80x25 own controlling foreground\r\n");
	close(terminal);
	viso_process_unref(process);
}

/* A zombie for each would fill the limit of processes. */
static void test_orphans_are_reaped(void **state)
{
	struct box *box = start(state);
	assert_ended(box_run(box, shell("i=0; while [ $i -lt 50 ]; do (sleep 0.1 &) ; i=$((i+1)); done")),
		     VISO_REASON_EXITED, 0, 0);
	/* In the end there are init, an attendant, and a shell that forks nothing. */
	assert_prints(box, shell("while set -- /proc/[0-9]*; [ $# -ne 3 ]; do :; done; echo reaped"), "reaped\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_nobody_gets_into_the_joining_process),
		AT_CONTAINER(test_the_launcher_cannot_be_overwritten),
		AT_CONTAINER(test_no_fd_leads_out),
		AT_CONTAINER(test_commands_are_confined),
		AT_CONTAINER(test_one_set_of_namespaces),
		AT_CONTAINER(test_nothing_hides_from_a_kill),
		AT_CONTAINER(test_threads_without_the_first),
		AT_CONTAINER(test_an_end_that_is_held_back),
		AT_CONTAINER(test_a_stopped_attendant),
		AT_CONTAINER(test_stopped_starts),
		AT_CONTAINER(test_a_killed_attendant),
		AT_CONTAINER(test_what_is_mounted_over_proc),
		AT_CONTAINER(test_orphans_are_reaped),
	};
	return cmocka_run_group_tests_name("attacks on an instance", tests, NULL, box_group_teardown);
}
