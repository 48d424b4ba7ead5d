/* SPDX-License-Identifier: MIT */
/* Hosts with odd ideas about signals, streams, fds and limits: commands run as ever, and nothing leaks. */
#include "box.h"
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct odd {
	viso_isolation strength;
};

static struct box *open_odd(void *argument)
{
	return box_new(((struct odd *)argument)->strength, box_tree());
}

static void run_in_a_host(void **state, void (*function)(void *))
{
	struct odd odd = {.strength = box_open(state)->strength};
	in_a_host(function, &odd);
}

static void assert_works(struct box *box)
{
	assert_prints(box, probe("fds", NULL), "0 1 2 \n");
	assert_prints(box, probe("inherited", NULL), "umask 022\n");
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_ok(viso_process_signal(process, SIGTERM));
	assert_ended(box_wait(process), VISO_REASON_SIGNALLED, -1, SIGTERM);
	viso_process_unref(process);
}

static void ignores_children(void *odd)
{
	signal(SIGCHLD, SIG_IGN);
	struct box *box = open_odd(odd);
	assert_works(box);
	assert_true(signal(SIGCHLD, SIG_DFL) == SIG_IGN);
	box_close(box);
}

static void test_ignored_sigchld(void **state)
{
	run_in_a_host(state, ignores_children);
}

static void reaps_all(void *odd)
{
	struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
	sigaction(SIGCHLD, &action, NULL);
	struct box *box = open_odd(odd);
	assert_works(box);
	box_close(box);
}

static void test_children_that_leave_no_zombie(void **state)
{
	run_in_a_host(state, reaps_all);
}

static void blocks_signals(void *odd)
{
	sigset_t all, now;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int i = 1; i < 65; i++)
		if (i != SIGKILL && i != SIGSTOP && i != SIGABRT && i != 32 && i != 33)
			signal(i, SIG_IGN);
	umask(0);
	struct box *box = open_odd(odd);
	assert_works(box);
	sigprocmask(SIG_SETMASK, NULL, &now);
	assert_int_equal(sigismember(&now, SIGTERM), 1);
	assert_int_equal(umask(022), 0);
	box_close(box);
}

static void test_blocked_and_ignored_signals(void **state)
{
	run_in_a_host(state, blocks_signals);
}

static void has_many_fds(void *odd)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 2000;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < 500; i++)
		assert_true(open("/", O_RDONLY | O_DIRECTORY) >= 0);
	assert_true(dup2(3, 1900) == 1900);
	struct box *box = open_odd(odd);
	assert_works(box);
	/* Above the soft limit, where a loop up to the limit would not look. */
	for (int fd = 40; fd < 60; fd++)
		close(fd);
	limit.rlim_cur = 70;
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_works(box);
	box_close(box);
}

static void test_many_fds_without_close_on_exec(void **state)
{
	run_in_a_host(state, has_many_fds);
}

/* The same before the launcher was started. */
static void has_fds_above_its_limit(void *odd)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = 100; fd < 200; fd++)
		assert_int_equal(dup2(STDERR_FILENO, fd), fd);
	limit.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &limit);
	struct box *box = open_odd(odd);
	assert_works(box);
	box_close(box);
}

static void test_fds_above_the_limit(void **state)
{
	run_in_a_host(state, has_fds_above_its_limit);
}

/* Whatever the limit is, it works or says why not. */
static void has_hardly_any_fds(void *argument)
{
	struct odd *odd = argument;
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	bool worked = false;
	for (rlim_t n = 4; n <= 64; n++) {
		struct box *box = open_odd(odd);
		viso_command *command = probe("exit", "2", NULL);
		viso_result *result = NULL;
		limit.rlim_cur = n;
		setrlimit(RLIMIT_NOFILE, &limit);
		int r = viso_sandbox_run(box->sandbox, command, &result);
		if (r < 0 && r != -EMFILE)
			print_error("limit %d: %d %s\n", (int)n, r, viso_error_message());
		assert_true(r == 0 || r == -EMFILE);
		if (r == 0)
			check_ended(result, VISO_REASON_EXITED, 2, 0);
		worked = r == 0;
		limit.rlim_cur = 1000;
		setrlimit(RLIMIT_NOFILE, &limit);
		viso_result_unref(result);
		viso_command_unref(command);
		box_close(box);
	}
	assert_true(worked);
	/* The program has the host's limit, as it was when the launcher started. */
	struct box *box = open_odd(odd);
	viso_result *result = box_run(box, probe("rlimit", "7", NULL));
	assert_true(atoi(viso_result_output(result, VISO_STDOUT, NULL)) < 64);
	viso_result_unref(result);
	box_close(box);
}

static void one_limit_each(void *argument)
{
	struct odd *odd = argument;
	for (int n = 4; n <= 64; n += 3) {
		struct rlimit limit;
		struct box *box = open_odd(odd);
		viso_command *command = probe("exit", "2", NULL);
		pid_t pid = fork();
		if (pid == 0) {
			/* A launcher of its own, started under the limit. */
			box = open_odd(odd);
			viso_command *mine = probe("exit", "2", NULL);
			getrlimit(RLIMIT_NOFILE, &limit);
			limit.rlim_cur = (rlim_t)n;
			setrlimit(RLIMIT_NOFILE, &limit);
			int r = viso_sandbox_run(box->sandbox, mine, NULL);
			if (r < 0 && r != -EMFILE)
				print_error("limit %d: %d %s\n", n, r, viso_error_message());
			assert_true(r == 0 || r == -EMFILE);
			assert_true(r == 0 || n < 40);
			_exit(0);
		}
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		viso_command_unref(command);
		box_close(box);
	}
}

static void test_hardly_any_fds(void **state)
{
	run_in_a_host(state, has_hardly_any_fds);
}

static void test_low_limits_of_fds(void **state)
{
	run_in_a_host(state, one_limit_each);
}

static void has_no_streams(void *odd)
{
	int stderr_copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
	for (int closed = 1; closed < 8; closed++) {
		int saved[3];
		for (int i = 0; i < 3; i++) {
			saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 50);
			if (closed & 1 << i)
				close(i);
		}
		struct box *box = open_odd(odd);
		/* Nothing of the library may stand where the standard streams are expected. */
		viso_command *command = viso_command_new("/bin/probe");
		assert_ok(viso_command_add_arg(command, "cat"));
		if (!(closed & 1))
			assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
		viso_result *result = NULL;
		int r = viso_sandbox_run(box->sandbox, command, &result);
		viso_process *process = NULL;
		int s = viso_sandbox_spawn(box->sandbox, command, &process);
		viso_process *second = NULL;
		int t = viso_sandbox_spawn(box->sandbox, command, &second);
		for (int i = 0; i < 3; i++) {
			if (closed & 1 << i)
				assert_int_equal(fcntl(i, F_GETFD), -1);
			dup2(saved[i], i);
			close(saved[i]);
		}
		if (r < 0 || s < 0 || t < 0)
			dprintf(stderr_copy, "# closed %d: %d %d %d %s\n", closed, r, s, t, viso_error_message());
		assert_int_equal(r, 0);
		assert_int_equal(s, 0);
		assert_int_equal(t, 0);
		/* cat found the end of its input at once. */
		assert_ended(result, VISO_REASON_EXITED, 0, 0);
		assert_ended(box_wait(process), VISO_REASON_EXITED, 0, 0);
		assert_ended(box_wait(second), VISO_REASON_EXITED, 0, 0);
		viso_process_unref(process);
		viso_process_unref(second);
		viso_command_unref(command);
		box_close(box);
	}
}

static void test_closed_standard_streams(void **state)
{
	run_in_a_host(state, has_no_streams);
}

static void pipes_without_streams(void *odd)
{
	int saved[3];
	for (int i = 0; i < 3; i++) {
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 50);
		close(i);
	}
	struct box *box = open_odd(odd);
	viso_command *command = viso_command_new("/bin/probe");
	int r = viso_command_add_arg(command, "cat") | viso_command_set_input(command, "input", 5) |
		viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE);
	viso_process *process = NULL;
	r |= viso_sandbox_spawn(box->sandbox, command, &process);
	int out = viso_process_take_stream(process, VISO_STDOUT);
	for (int i = 0; i < 3; i++) {
		dup2(saved[i], i);
		close(saved[i]);
	}
	assert_int_equal(r, 0);
	assert_true(out > 2);
	char text[16] = "";
	assert_int_equal(read(out, text, sizeof(text)), 5);
	assert_string_equal(text, "input");
	assert_ended(box_wait(process), VISO_REASON_EXITED, 0, 0);
	viso_process_unref(process);
	viso_command_unref(command);
	box_close(box);
	close(out);
}

static void test_pipes_without_standard_streams(void **state)
{
	run_in_a_host(state, pipes_without_streams);
}

/* A host that becomes a daemon after the library's first start closes all fds, and uses their numbers. */
static void closes_all_fds(void *odd)
{
	struct box *box = open_odd(odd);
	assert_works(box);
	int error = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 200);
	for (int fd = 3; fd < 200; fd++)
		close(fd);
	enum { FILES = 30 };
	int files[FILES], peers[FILES];
	for (int i = 0; i < FILES; i++) {
		if (i % 2) {
			int ends[2];
			assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
			files[i] = ends[0];
			peers[i] = fcntl(ends[1], F_DUPFD, 100);
			close(ends[1]);
		} else {
			files[i] = memfd_create("host", 0);
			peers[i] = -1;
		}
	}
	assert_works(box);
	assert_works(box);
	box_close(box);
	for (int i = 0; i < FILES; i++) {
		struct stat st;
		char byte;
		assert_int_equal(fstat(files[i], &st), 0); /* it was not closed either */
		if (peers[i] < 0) {
			assert_int_equal(st.st_size, 0);
		} else {
			assert_int_equal(recv(peers[i], &byte, 1, 0), -1);
			assert_int_equal(errno, EAGAIN);
		}
	}
	close(error);
}

static void test_fds_closed_behind_the_library(void **state)
{
	run_in_a_host(state, closes_all_fds);
}

enum { FDS_ON_THE_WAY_MAX = 100, UNCOLLECTED = 70 };

/* Each result is on its way with two fds, and unix(7) limits how many of an ordinary user's may be. */
static void collects_late(void *odd)
{
	struct rlimit limit = {FDS_ON_THE_WAY_MAX, FDS_ON_THE_WAY_MAX};
	viso_process *processes[UNCOLLECTED];
	int lost = 0;
	struct box *box = open_odd(odd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < UNCOLLECTED; i++)
		processes[i] = box_spawn(box, shell("probe sleep 2500; echo out; echo err >&2"));
	usleep(4000000);
	for (int i = 0; i < UNCOLLECTED; i++) {
		viso_result *result = NULL;
		int r = viso_process_wait(processes[i], -1, &result);
		if (r < 0 && ++lost)
			assert_int_equal(r, -EMFILE); /* not as if the launcher had been killed */
		else
			assert_ended(result, VISO_REASON_EXITED, 0, 0);
		viso_process_unref(processes[i]);
	}
	assert_true(lost < UNCOLLECTED / 2);
	box_close(box);
}

static void test_more_results_than_fds_on_the_way(void **state)
{
	skip_without(geteuid() != 0, "an ordinary user, whose fds on the way are limited");
	run_in_a_host(state, collects_late);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_ignored_sigchld),
		AT_EACH_STRENGTH(test_children_that_leave_no_zombie),
		AT_EACH_STRENGTH(test_blocked_and_ignored_signals),
		AT_EACH_STRENGTH(test_many_fds_without_close_on_exec),
		AT_EACH_STRENGTH(test_fds_above_the_limit),
		AT_EACH_STRENGTH(test_hardly_any_fds),
		AT_EACH_STRENGTH(test_low_limits_of_fds),
		AT_EACH_STRENGTH(test_closed_standard_streams),
		AT_EACH_STRENGTH(test_pipes_without_standard_streams),
		AT_EACH_STRENGTH(test_fds_closed_behind_the_library),
		AT_CONTAINER(test_more_results_than_fds_on_the_way),
	};
	return cmocka_run_group_tests_name("odd hosts", tests, NULL, box_group_teardown);
}
