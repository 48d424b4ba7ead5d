/* SPDX-License-Identifier: MIT */
/* Commands by viso-agent: what they are given, and how they end. */
#include "agent_support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_greeting(void **state)
{
	uint64_t figures[AGENT_STATISTIC_COUNT];
	char *mounts = NULL;
	struct pretended *guest = pretended_open();
	assert_int_equal(agent_features(guest->agent), geteuid() == 0 ? AGENT_IS_ROOT : 0);
	assert_ok(agent_ping(guest->agent, 5000));
	assert_ok(agent_statistics(guest->agent, 5000, figures));
	assert_true(figures[AGENT_STATISTIC_MEMORY_TOTAL] > figures[AGENT_STATISTIC_MEMORY_AVAILABLE]);
	assert_true(figures[AGENT_STATISTIC_MEMORY_AVAILABLE] > 0);
	assert_true(figures[AGENT_STATISTIC_PROCESSES] > 0 && figures[AGENT_STATISTIC_TIME_NS] > 0);
	assert_int_equal(figures[AGENT_STATISTIC_COMMANDS], 0);
	assert_ok(agent_mounts(guest->agent, 5000, &mounts));
	assert_non_null(strstr(mounts, " /proc "));
	free(mounts);
	assert_true(agent_silence_ms(guest->agent) >= 0);
	pretended_close(guest);
}

/* It is no init: the machine is not its own. */
static void test_not_in_charge(void **state)
{
	struct pretended *guest = pretended_open();
	assert_fails(agent_shut_down(guest->agent, AGENT_POWER_OFF, 5000), EPERM, VISO_STAGE_GUEST, "shutdown");
	assert_fails(agent_set_time(guest->agent, 5000), EPERM, VISO_STAGE_GUEST, "time");
	assert_fails(agent_add_entropy(guest->agent, 5000), EPERM, VISO_STAGE_GUEST, "entropy");
	assert_fails(agent_freeze(guest->agent, false, 5000), EPERM, VISO_STAGE_GUEST, "freeze");
	assert_fails(agent_set_hostname(guest->agent, "x", 5000), EPERM, VISO_STAGE_GUEST, "hostname");
	pretended_close(guest);
}

static void test_ends(void **state)
{
	struct pretended *guest = pretended_open();
	assert_end(run(guest, script("echo out; echo err >&2; exit 3")), VISO_REASON_EXITED, 3, "out\n");
	assert_end(run(guest, script("kill -SEGV $$")), VISO_REASON_SIGNALLED, SIGSEGV, "");
	assert_end(run(guest, script("true")), VISO_REASON_EXITED, 0, "");
	viso_result *result = run(guest, script("echo err >&2"));
	assert_string_equal(viso_result_output(result, VISO_STDERR, NULL), "err\n");
	assert_true(viso_result_usage(result, VISO_USAGE_WALL_US) > 0);
	assert_true(viso_result_usage(result, VISO_USAGE_MEMORY_PEAK) > 0);
	assert_end(result, VISO_REASON_EXITED, 0, "");
	pretended_close(guest);
}

static void test_settings(void **state)
{
	struct pretended *guest = pretended_open();
	viso_command *command = script("echo \"$A|$HOME|$0\"; pwd; ulimit -n; umask; id -u; cat");
	assert_ok(viso_command_add_arg(command, "zero"));
	assert_ok(viso_command_set_env(command, "A", "b c"));
	assert_ok(viso_command_set_cwd(command, "/usr"));
	assert_ok(viso_command_set_rlimit(command, VISO_RLIMIT_OPEN_FILES, 77));
	assert_ok(viso_command_set_input(command, "typed\n", 6));
	char expected[200];
	snprintf(expected, sizeof(expected), "b c|/|zero\n/usr\n77\n0022\n%u\ntyped\n",
		 geteuid() == 0 ? 1000 : (unsigned)geteuid());
	assert_end(run(guest, command), VISO_REASON_EXITED, 0, expected);
	pretended_close(guest);
}

static void test_identity(void **state)
{
	static const unsigned groups[] = {7, 9};
	skip_without(geteuid() == 0, "root");
	struct pretended *guest = pretended_open();
	viso_command *command = script("id -u; id -g; id -G");
	assert_ok(viso_command_set_user(command, 4321, 1234));
	assert_ok(viso_command_set_groups(command, groups, 2));
	assert_end(run(guest, command), VISO_REASON_EXITED, 0, "4321\n1234\n1234 7 9\n");
	pretended_close(guest);
}

static void test_looked_up(void **state)
{
	struct pretended *guest = pretended_open();
	viso_command *command = viso_command_new("echo");
	assert_ok(viso_command_add_arg(command, "found"));
	assert_ok(viso_command_capture(command, 100));
	assert_end(run(guest, command), VISO_REASON_EXITED, 0, "found\n");
	pretended_close(guest);
}

static void test_failed_starts(void **state)
{
	viso_process *process;
	viso_result *result;
	struct pretended *guest = pretended_open();
	viso_command *command = viso_command_new("/no/such/program");
	assert_fails(viso_sandbox_spawn(&guest->sandbox, command, &process), ENOENT, VISO_STAGE_EXEC, "/no/such");
	assert_fails(viso_sandbox_run(&guest->sandbox, command, &result), ENOENT, VISO_STAGE_EXEC, "/no/such");
	viso_command_unref(command);
	command = viso_command_new("/etc/passwd");
	assert_fails(viso_sandbox_run(&guest->sandbox, command, &result), EACCES, VISO_STAGE_EXEC, "/etc/passwd");
	viso_command_unref(command);
	command = script("true");
	assert_ok(viso_command_set_cwd(command, "/no/such/directory"));
	assert_fails(viso_sandbox_run(&guest->sandbox, command, &result), ENOENT, VISO_STAGE_CWD, "/no/such");
	assert_ok(viso_command_set_cwd(command, "/"));
	assert_ok(viso_command_add_fd(command, 0, 5));
	assert_fails(viso_sandbox_run(&guest->sandbox, command, &result), EOPNOTSUPP, VISO_STAGE_STDIO, "fds");
	viso_command_unref(command);
	command = script("true");
	assert_ok(viso_command_set_nice(command, 5));
	assert_fails(viso_sandbox_run(&guest->sandbox, command, &result), EOPNOTSUPP, VISO_STAGE_COMMAND, "attributes");
	viso_command_unref(command);
	assert_end(run(guest, script("echo still")), VISO_REASON_EXITED, 0, "still\n");
	pretended_close(guest);
}

/* More arguments than fit into a frame. */
static void test_long_arguments(void **state)
{
	struct pretended *guest = pretended_open();
	viso_command *command = script("echo $# ${#3}");
	char argument[30000];
	memset(argument, 'x', sizeof(argument) - 1);
	argument[sizeof(argument) - 1] = '\0';
	for (int i = 0; i < 41; i++)
		assert_ok(viso_command_add_arg(command, argument));
	assert_end(run(guest, command), VISO_REASON_EXITED, 0, "40 29999\n");
	pretended_close(guest);
}

static void test_signals(void **state)
{
	char line[16];
	struct pretended *guest = pretended_open();
	viso_command *command = script("trap 'echo got; exit 7' USR1; echo ready; while :; do sleep 0.1; done");
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	viso_process *process = spawn(guest, command);
	int fd = viso_process_take_stream(process, VISO_STDOUT);
	assert_int_equal(read(fd, line, sizeof(line)), 6);
	assert_ok(viso_process_signal(process, SIGUSR1));
	assert_end(finish(process), VISO_REASON_EXITED, 7, NULL);
	assert_int_equal(read(fd, line, sizeof(line)), 4);
	assert_int_equal(read(fd, line, sizeof(line)), 0);
	close(fd);
	pretended_close(guest);
}

/* Waits until a pid is gone or a zombie. */
static void assert_gone(int pid)
{
	for (int i = 0; i < 3000; i++) {
		char path[64], text[256] = "";
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		FILE *file = fopen(path, "re");
		char *line = file ? fgets(text, sizeof(text), file) : NULL;
		if (file)
			fclose(file);
		if (!line || strstr(text, ") Z"))
			return;
		usleep(10000);
	}
	fail_msg("process %d is still there", pid);
}

static const char runaways[] = "setsid sh -c 'sleep 1000 & echo $!; setsid sleep 1000 & echo $!; exit 0'; "
			       "sh -c 'sleep 1000 & echo $!; trap \"\" TERM; sleep 1000'";

static void read_pids(int fd, int out[3])
{
	FILE *file = fdopen(fd, "r");
	for (int i = 0; i < 3; i++)
		assert_int_equal(fscanf(file, "%d", &out[i]), 1);
	fclose(file);
}

static void test_kill_reaches_all(void **state)
{
	int pids[3];
	struct pretended *guest = pretended_open();
	viso_command *command = script(runaways);
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	viso_process *process = spawn(guest, command);
	read_pids(viso_process_take_stream(process, VISO_STDOUT), pids);
	assert_ok(viso_process_kill(process));
	assert_end(finish(process), VISO_REASON_KILLED, SIGKILL, NULL);
	for (int i = 0; i < 3; i++)
		assert_gone(pids[i]);
	pretended_close(guest);
}

static void test_time_limits(void **state)
{
	struct pretended *guest = pretended_open();
	viso_command *command = script(runaways);
	assert_ok(viso_command_set_timeout_ms(command, 300));
	assert_end(run(guest, command), VISO_REASON_TIMED_OUT, SIGKILL, NULL);
	command = script("while :; do :; done");
	assert_ok(viso_command_set_cpu_time_ms(command, 200));
	assert_end(run(guest, command), VISO_REASON_CPU_TIME, SIGKILL, "");
	pretended_close(guest);
}

static void test_background_goes_on(void **state)
{
	struct pretended *guest = pretended_open();
	viso_result *result = run(guest, script("sleep 1000 >/dev/null 2>&1 & echo $!"));
	int pid = atoi(viso_result_output(result, VISO_STDOUT, NULL));
	assert_end(result, VISO_REASON_EXITED, 0, NULL);
	/* It holds the pipes open: the end of the command does not wait for it. */
	result = run(guest, script("sleep 1000 & echo $!"));
	int other = atoi(viso_result_output(result, VISO_STDOUT, NULL));
	assert_end(result, VISO_REASON_EXITED, 0, NULL);
	assert_int_equal(kill(pid, 0), 0);
	char text[64];
	snprintf(text, sizeof(text), "kill %d %d", pid, other);
	assert_end(run(guest, script(text)), VISO_REASON_EXITED, 0, "");
	assert_gone(pid);
	assert_gone(other);
	pretended_close(guest);
}

static void test_many_at_once(void **state)
{
	enum { COUNT = 60 };
	viso_process *processes[COUNT];
	struct pretended *guest = pretended_open();
	for (int i = 0; i < COUNT; i++) {
		char text[64];
		snprintf(text, sizeof(text), "sleep 0.2; echo %d; exit %d", i, i);
		processes[i] = spawn(guest, script(text));
	}
	for (int i = 0; i < COUNT; i++) {
		char text[16];
		snprintf(text, sizeof(text), "%d\n", i);
		assert_end(finish(processes[i]), VISO_REASON_EXITED, i, text);
	}
	pretended_close(guest);
}

static void test_close_kills(void **state)
{
	struct pretended *guest = pretended_open();
	viso_process *process = spawn(guest, script("sleep 1000"));
	assert_int_equal(viso_sandbox_kill(&guest->sandbox), 1);
	assert_end(finish(process), VISO_REASON_KILLED, SIGKILL, NULL);
	process = spawn(guest, script("sleep 1000"));
	viso_process_unref(process);
	process = spawn(guest, script("sleep 1000"));
	assert_ok(viso_sandbox_close(&guest->sandbox));
	assert_end(finish(process), VISO_REASON_KILLED, SIGKILL, NULL);
	pretended_close(guest);
}

static void test_death_of_the_agent(void **state)
{
	viso_result *result = NULL;
	struct pretended *guest = pretended_open();
	viso_command *command = script("echo $$; sleep 1000");
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	viso_process *process = spawn(guest, command);
	char text[16] = "";
	int fd = viso_process_take_stream(process, VISO_STDOUT);
	assert_true(read(fd, text, sizeof(text) - 1) > 1);
	close(fd);
	kill(guest->pid, SIGKILL);
	assert_end(finish(process), VISO_REASON_GUEST_FAULT, 0, NULL);
	assert_gone(atoi(text));
	command = script("true");
	assert_fails(viso_sandbox_run(&guest->sandbox, command, &result), EPIPE, VISO_STAGE_GUEST, "/bin/sh");
	viso_command_unref(command);
	assert_fails(agent_ping(guest->agent, 1000), EPIPE, VISO_STAGE_GUEST, "ping");
	pretended_close(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greeting),
		cmocka_unit_test(test_not_in_charge),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_looked_up),
		cmocka_unit_test(test_failed_starts),
		cmocka_unit_test(test_long_arguments),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_kill_reaches_all),
		cmocka_unit_test(test_time_limits),
		cmocka_unit_test(test_background_goes_on),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_close_kills),
		cmocka_unit_test(test_death_of_the_agent),
	};
	support_time_limit(50);
	return cmocka_run_group_tests_name("agent-commands", tests, NULL, NULL);
}
