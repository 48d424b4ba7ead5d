/* SPDX-License-Identifier: MIT */
/* What a program could inherit from its host, and does not: each thing is set in the host and looked for inside. */
#include "box.h"
#include "host.h"
#include "outside.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char text[8192];

static viso_isolation strength;

static void run_in_a_host(void **state, void (*function)(void *))
{
	strength = box_open(state)->strength;
	in_a_host(function, NULL);
}

static struct box *open_here(void)
{
	return box_new(strength, box_tree());
}

/* LD_PRELOAD and its like least of all. */
static void with_environment(void *argument)
{
	static const char *const names[] = {"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT",
					    "GCONV_PATH", "SECRET",          "BASH_ENV"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		setenv(names[i], "/of/the/host", 1);
	setenv("PATH", "/of/the/host", 1);
	struct box *box = open_here();
	viso_result *result = box_run(box, probe("env", NULL));
	size_t size;
	const char *env = viso_result_output(result, VISO_STDOUT, &size);
	static const char expected[] =
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\0HOME=/\0LANG=C.UTF-8";
	assert_int_equal(size, sizeof(expected));
	assert_memory_equal(env, expected, size);
	viso_result_unref(result);
	/* Not even by name, unless it is asked for. */
	viso_command *command = shell("echo $LD_PRELOAD $SECRET");
	assert_ok(viso_command_set_env(command, "SECRET", NULL));
	assert_prints(box, command, "/of/the/host\n");
	box_close(box);
}

static void test_environment(void **state)
{
	run_in_a_host(state, with_environment);
}

static void with_umask(void *argument)
{
	umask(0);
	assert_int_equal(chdir("/usr"), 0);
	struct box *box = open_here();
	assert_prints(box, probe("inherited", NULL), "umask 022\n");
	assert_prints(box, probe("cwd", NULL), "/\n");
	box_close(box);
}

static void test_umask_and_directory(void **state)
{
	run_in_a_host(state, with_umask);
}

static void with_signals(void *argument)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int i = 1; i < 32; i++)
		if (i != SIGKILL && i != SIGSTOP && i != SIGABRT)
			signal(i, SIG_IGN);
	struct box *box = open_here();
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_string_equal(outside_status(viso_process_pid(process), "SigBlk", text, sizeof(text)),
			    "0000000000000000");
	assert_string_equal(outside_status(viso_process_pid(process), "SigIgn", text, sizeof(text)),
			    "0000000000000000");
	viso_process_unref(process);
	box_close(box);
}

static void test_signals(void **state)
{
	run_in_a_host(state, with_signals);
}

static void write_score(const char *score)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, score, strlen(score)), strlen(score));
	close(fd);
}

/* A host that is spared by the OOM killer does not spare its programs; one that is not goes first together with them.
 */
static void with_score(void *argument)
{
	write_score(argument);
	struct box *box = open_here();
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_int_equal(atoi(outside_read(viso_process_pid(process), "oom_score_adj", text, sizeof(text))),
			 atoi(argument) < 0 ? 0 : atoi(argument));
	viso_process_unref(process);
	box_close(box);
}

static void test_oom_score(void **state)
{
	strength = box_open(state)->strength;
	in_a_host(with_score, (char[]){"300"});
	outside_status(getpid(), "CapEff", text, sizeof(text));
	skip_without(strtoull(text, NULL, 16) >> CAP_SYS_RESOURCE & 1, "CAP_SYS_RESOURCE, to lower the OOM score");
	in_a_host(with_score, (char[]){"-700"});
}

/* These stay: whoever is nice wants its programs to be. */
static void with_nice(void *argument)
{
	cpu_set_t cpus;
	assert_int_equal(setpriority(PRIO_PROCESS, 0, 7), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	int first = 0;
	while (!CPU_ISSET(first, &cpus))
		first++;
	CPU_ZERO(&cpus);
	CPU_SET(first, &cpus);
	assert_int_equal(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	struct box *box = open_here();
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	char expected[16];
	assert_int_equal(outside_stat(viso_process_pid(process), 19), 7);
	snprintf(expected, sizeof(expected), "%d", first);
	assert_string_equal(outside_status(viso_process_pid(process), "Cpus_allowed_list", text, sizeof(text)),
			    expected);
	viso_process_unref(process);
	box_close(box);
}

static void test_nice_and_affinity_stay(void **state)
{
	run_in_a_host(state, with_nice);
}

static void with_limits(void *argument)
{
	struct rlimit limit = {12345678, 23456789};
	assert_int_equal(setrlimit(RLIMIT_STACK, &limit), 0);
	struct box *box = open_here();
	assert_prints(box, probe("rlimit", "3", NULL), "12345678 23456789\n"); /* RLIMIT_STACK: the host's */
	assert_prints(box, probe("rlimit", "4", NULL), "0 0\n");               /* RLIMIT_CORE: none */
	viso_command *command = probe("rlimit", "3", NULL);
	assert_ok(viso_command_set_rlimit(command, VISO_RLIMIT_STACK, 1 << 20));
	assert_prints(box, command, "1048576 1048576\n");
	box_close(box);
}

static void test_limits(void **state)
{
	run_in_a_host(state, with_limits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_environment), AT_EACH_STRENGTH(test_umask_and_directory),
		AT_EACH_STRENGTH(test_signals),     AT_EACH_STRENGTH(test_oom_score),
		AT_EACH_STRENGTH(test_limits),      AT_EACH_STRENGTH(test_nice_and_affinity_stay),
	};
	return cmocka_run_group_tests_name("inheritance", tests, NULL, box_group_teardown);
}
