/* SPDX-License-Identifier: MIT */
/* What the process that serves a contained guest can do to others of the host, by what it has in common with them. */
#include "contained_support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STDIN = 0 };

static long call_fcntl(const struct victim *victim, long fd, long command, long argument)
{
	return remote_call(victim->pid, &victim->regs, victim->text, SYS_fcntl, fd, command, argument);
}

/* Locks and leases of a file of the host's, and flags of an open one. `expected` is whether they can be had. */
static void attack(const struct victim *victim, const char *path, int host, bool expected)
{
	const struct flock lock = {.l_type = F_RDLCK};
	put_string(victim, path);
	long fd = remote_call(victim->pid, &victim->regs, victim->text, SYS_openat, AT_FDCWD, (long)victim->stack,
			      O_RDONLY);
	assert_true(fd >= 0);
	assert_true(call_fcntl(victim, fd, F_GETFL, 0) >= 0);
	assert_int_equal(remote_call(victim->pid, &victim->regs, victim->text, SYS_flock, fd, LOCK_EX | LOCK_NB, 0) ==
				 0,
			 expected);
	put_bytes(victim, &lock, sizeof(lock));
	assert_int_equal(call_fcntl(victim, fd, F_SETLK, (long)victim->stack) == 0, expected);
	assert_int_equal(call_fcntl(victim, fd, F_OFD_SETLK, (long)victim->stack) == 0, expected);
	assert_int_equal(call_fcntl(victim, fd, F_SETLEASE, F_RDLCK) == 0, expected);
	assert_int_equal(call_fcntl(victim, STDIN, F_SETFL, O_NONBLOCK | O_APPEND) == 0, expected);
	assert_int_equal((fcntl(host, F_GETFL) & (O_NONBLOCK | O_APPEND)) != 0, expected);
	assert_int_equal(fcntl(host, F_SETFL, 0), 0);
}

static pid_t unguarded_process(int input)
{
	pid_t pid = fork();
	if (pid == 0) {
		dup2(input, STDIN);
		for (;;)
			syscall(SYS_pause);
	}
	assert_true(pid > 0);
	return pid;
}

/* The limit of processes of its control group, or of one around that; 0 for none. */
static int processes_max(pid_t pid)
{
	char *command;
	assert_true(asprintf(&command,
			     "p=$(sed -n 's/^[0-9]*:pids://p' /proc/%d/cgroup); m=/sys/fs/cgroup/pids; "
			     "test -n \"$p\" || { p=$(sed -n 's/^0:://p' /proc/%d/cgroup); m=/sys/fs/cgroup; }; "
			     "while test -n \"$p\"; do v=$(cat $m$p/pids.max 2>/dev/null); "
			     "test \"$v\" = max || test -z \"$v\" || { echo $v; break; }; p=${p%%/*}; done",
			     pid, pid) > 0);
	char *output = host_output(command);
	int max = atoi(output);
	free(command);
	free(output);
	return max;
}

static void test_what_is_shared_stays_as_it_is(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	skip_without(geteuid() == 0, "root, for ptrace(2) of the contained process");
	char fruit[300], *input = make_file(fixture->base, "harm-input", "");
	snprintf(fruit, sizeof(fruit), "%s/fruit", fixture->root_path);
	int host = open(input, O_RDONLY | O_CLOEXEC);
	assert_true(host >= 0);

	/* The attack works where there is no defence. */
	pid_t unguarded = unguarded_process(host);
	struct victim victim = seize_in(unguarded, SYS_pause);
	attack(&victim, fruit, host, true);
	kill(unguarded, SIGKILL);
	waitpid(unguarded, NULL, 0);

	viso_guest *guest = contained(fixture);
	viso_command *command = new_command("/probe", "sleep", "60000", NULL);
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDIN, host));
	viso_process *process;
	assert_ok(viso_sandbox_spawn(viso_guest_sandbox(guest), command, &process));
	viso_command_unref(command);
	pid_t server = find_server(input);
	assert_true(server > 0);
	victim = seize(server);
	attack(&victim, "/guest/fruit", host, false);
	release_victim(&victim);
	int threads = processes_max(server);
	assert_ok(viso_process_kill(process));
	viso_process_unref(process);
	viso_guest_unref(guest);
	close(host);
	free(input);
	assert_in_range(threads, 1, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_shared_stays_as_it_is),
	};
	return cmocka_run_group_tests_name("harm by contained guests", tests, fixture_setup, fixture_teardown);
}
