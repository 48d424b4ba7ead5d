/* SPDX-License-Identifier: MIT */
/* Standard streams of every kind. */
#include "guest_support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_capture_is_bounded(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	static const size_t bounds[] = {0, 1, 4096, 100000};
	for (size_t i = 0; i < 4; i++) {
		viso_command *command = new_command("/probe", "write", "50000", NULL);
		assert_ok(viso_command_capture(command, bounds[i]));
		viso_result *result = run_in(fixture->guest, command);
		size_t size, expected = bounds[i] < 50000 ? bounds[i] : 50000;
		const char *output = viso_result_output(result, VISO_STDOUT, &size);
		assert_int_equal(size, expected);
		assert_int_equal(strlen(output), expected);
		assert_int_equal(viso_result_output_truncated(result, VISO_STDOUT), bounds[i] < 50000);
		assert_int_equal(viso_result_output_truncated(result, VISO_STDERR), bounds[i] < 4);
		assert_exited(result, 0);
	}
}

static void test_given_input(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	enum { SIZE = 300000 };
	char *input = malloc(SIZE);
	for (int i = 0; i < SIZE; i++)
		input[i] = (char)(i * 7);
	viso_command *command = new_command("/probe", "copy", NULL);
	assert_ok(viso_command_set_input(command, input, SIZE));
	/* Twice at least: the input is there from its start for each run. */
	for (int i = 0; i < 2; i++) {
		viso_result *result = run_in(fixture->guest, viso_command_ref(command));
		size_t size;
		const char *output = viso_result_output(result, VISO_STDOUT, &size);
		assert_int_equal(size, SIZE);
		assert_memory_equal(output, input, SIZE);
		assert_exited(result, 0);
	}
	viso_command_unref(command);
	free(input);
}

static void test_pipes(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_command *command = new_command("/probe", "copy", NULL);
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_PIPE));
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	viso_process *process;
	assert_ok(viso_sandbox_spawn(viso_guest_sandbox(fixture->guest), command, &process));
	viso_command_unref(command);
	assert_int_equal(viso_process_pid(process), 0);
	int in = viso_process_take_stream(process, VISO_STDIN), out = viso_process_take_stream(process, VISO_STDOUT);
	assert_ok(in);
	assert_ok(out);
	assert_fails(viso_process_take_stream(process, VISO_STDERR), EBADF, VISO_STAGE_STDIO,
		     "viso_process_take_stream");
	char buffer[16];
	for (int i = 0; i < 100; i++) {
		assert_int_equal(write(in, "question", 8), 8);
		assert_int_equal(read(out, buffer, sizeof(buffer)), 8);
		assert_memory_equal(buffer, "question", 8);
	}
	assert_fails(viso_process_wait(process, 50, NULL), ETIMEDOUT, VISO_STAGE_PROCESS, "wait");
	close(in);
	viso_result *result;
	assert_ok(viso_process_wait(process, 20000, &result));
	assert_int_equal(read(out, buffer, sizeof(buffer)), 0);
	assert_exited(result, 0);
	close(out);
	viso_process_unref(process);
}

/* Much more than a pipe holds, to a slow reader. */
static void test_a_full_pipe(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_command *command = new_command("/probe", "write", "3000000", NULL);
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	viso_process *process;
	assert_ok(viso_sandbox_spawn(viso_guest_sandbox(fixture->guest), command, &process));
	viso_command_unref(command);
	int out = viso_process_take_stream(process, VISO_STDOUT);
	usleep(50000);
	static char buffer[65536];
	size_t total = 0;
	for (ssize_t n; (n = read(out, buffer, sizeof(buffer))) > 0;)
		total += (size_t)n;
	assert_int_equal(total, 3000000);
	viso_result *result;
	assert_ok(viso_process_wait(process, -1, &result));
	assert_exited(result, 0);
	close(out);
	viso_process_unref(process);
}

/* The host program must not get the SIGPIPE that the guest's write causes. */
static void test_a_broken_pipe(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	for (int kind = 0; kind < 2; kind++) {
		int ends[2];
		if (kind == 0)
			assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		else
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		close(ends[0]);
		viso_command *command = new_command("/probe", "write", "100", NULL);
		assert_ok(viso_command_set_stdio_fd(command, VISO_STDOUT, ends[1]));
		close(ends[1]);
		signal(SIGPIPE, SIG_DFL);
		assert_signalled(run_in(fixture->guest, command), SIGPIPE);
	}
}

static void test_given_fds(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	int ends[2];
	char buffer[16];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	viso_command *command = new_command("/probe", "copy", NULL);
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDIN, ends[1]));
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDOUT, ends[1]));
	close(ends[1]);
	assert_int_equal(write(ends[0], "socket", 6), 6);
	shutdown(ends[0], SHUT_WR);
	assert_exited(run_in(fixture->guest, command), 0);
	assert_int_equal(read(ends[0], buffer, sizeof(buffer)), 6);
	close(ends[0]);

	/* A regular file, up to a size. */
	char path[] = "/tmp/viso-test-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	command = new_command("/probe", "write", "10000", NULL);
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDOUT, fd));
	assert_ok(viso_command_set_rlimit(command, VISO_RLIMIT_FILE_SIZE, 5000));
	assert_signalled(run_in(fixture->guest, command), SIGXFSZ);
	assert_int_equal(lseek(fd, 0, SEEK_END), 5000);
	close(fd);
}

static void test_error_stream_to_output(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_command *command = new_command("/probe", "write", "3", NULL);
	assert_ok(viso_command_set_stdio(command, VISO_STDERR, VISO_STDIO_STDOUT));
	assert_output(run_in(fixture->guest, command), "xxxdone");
}

static void test_inherited_streams(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	int ends[2], saved = dup(1);
	char buffer[16] = {0};
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	viso_command *command = new_command("/probe", "write", "5", NULL);
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_INHERIT));
	dup2(ends[1], 1);
	viso_result *result = run_in(fixture->guest, command);
	dup2(saved, 1);
	assert_exited(result, 0);
	assert_int_equal(read(ends[0], buffer, sizeof(buffer)), 5);
	assert_string_equal(buffer, "xxxxx");
	/* The pipe is as it was: it blocks. */
	assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
	close(ends[0]);
	close(ends[1]);
	close(saved);
}

/* A terminal that nobody reads, or that was stopped by Ctrl-S, must not hold the host past the time. */
static void test_a_terminal_that_takes_nothing(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	skip_without(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0, "/dev/pts");
	int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	const int ends[] = {slave, master};
	for (int i = 0; i < 2; i++) {
		viso_command *command = new_command("/probe", "write", "10000000", NULL);
		assert_ok(viso_command_set_stdio_fd(command, VISO_STDOUT, ends[i]));
		assert_ok(viso_command_set_timeout_ms(command, 300));
		assert_reason(run_in(fixture->guest, command), VISO_REASON_TIMED_OUT);
		/* It blocks, as it did. */
		assert_int_equal(fcntl(ends[i], F_GETFL) & O_NONBLOCK, 0);
	}
	close(slave);
	close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capture_is_bounded),
		cmocka_unit_test(test_given_input),
		cmocka_unit_test(test_pipes),
		cmocka_unit_test(test_a_full_pipe),
		cmocka_unit_test(test_a_broken_pipe),
		cmocka_unit_test(test_given_fds),
		cmocka_unit_test(test_error_stream_to_output),
		cmocka_unit_test(test_inherited_streams),
		cmocka_unit_test(test_a_terminal_that_takes_nothing),
	};
	return cmocka_run_group_tests_name("guest streams", tests, fixture_setup, fixture_teardown);
}
