/* SPDX-License-Identifier: MIT */
/* The streams of commands by viso-agent: pipes, files, bounds, terminals. */
#include "agent_support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE = 8 << 20 };

static viso_command *piped(const char *text)
{
	viso_command *command = script(text);
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_PIPE));
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	return command;
}

static void test_large_both_ways(void **state)
{
	struct pretended *guest = pretended_open();
	viso_process *process = spawn(guest, piped("cat"));
	int to = viso_process_take_stream(process, VISO_STDIN);
	int from = viso_process_take_stream(process, VISO_STDOUT);
	pid_t writer = fork();
	if (writer == 0) {
		/* Of the fork only the numbers are used. */
		unsigned block[1024];
		for (unsigned i = 0; i < LARGE / sizeof(block); i++) {
			for (unsigned k = 0; k < 1024; k++)
				block[k] = i * 1024 + k;
			for (size_t done = 0; done < sizeof(block);)
				done += (size_t)write(to, (char *)block + done, sizeof(block) - done);
		}
		_exit(0);
	}
	close(to);
	FILE *file = fdopen(from, "r");
	unsigned value, count = 0;
	while (fread(&value, sizeof(value), 1, file) == 1)
		assert_int_equal(value, count++);
	assert_int_equal(count, LARGE / sizeof(value));
	fclose(file);
	end_agent(writer);
	assert_end(finish(process), VISO_REASON_EXITED, 0, NULL);
	pretended_close(guest);
}

/* Who does not read holds up nobody but himself. */
static void test_stuck_reader(void **state)
{
	struct pretended *guest = pretended_open();
	viso_process *stuck = spawn(guest, piped("yes"));
	viso_process *deaf = spawn(guest, piped("sleep 1000"));
	int to = viso_process_take_stream(deaf, VISO_STDIN);
	fcntl(to, F_SETFL, O_NONBLOCK);
	static char block[65536];
	size_t written = 0;
	/* Until nothing has been taken for a while, but for what the pipe to the library holds. */
	for (int quiet = 0; quiet < 20 || written <= 65536;) {
		ssize_t n = write(to, block, sizeof(block));
		written += n > 0 ? (size_t)n : 0;
		quiet = n > 0 ? 0 : quiet + 1;
		usleep(10000);
	}
	assert_true(written < 4 * AGENT_WINDOW);
	for (int i = 0; i < 5; i++)
		assert_end(run(guest, script("head -c 300000 /dev/zero | wc -c")), VISO_REASON_EXITED, 0, "300000\n");
	close(to);
	assert_ok(viso_process_kill(stuck));
	assert_ok(viso_process_kill(deaf));
	assert_end(finish(stuck), VISO_REASON_KILLED, SIGKILL, NULL);
	assert_end(finish(deaf), VISO_REASON_KILLED, SIGKILL, NULL);
	pretended_close(guest);
}

/* What had been written before the end can be read after it. */
static void test_read_after_the_end(void **state)
{
	struct pretended *guest = pretended_open();
	viso_process *process = spawn(guest, piped("head -c 150000 /dev/zero; exit 4"));
	int from = viso_process_take_stream(process, VISO_STDOUT);
	assert_end(finish(process), VISO_REASON_EXITED, 4, NULL);
	static char buffer[65536];
	size_t size = 0;
	ssize_t n;
	while ((n = read(from, buffer, sizeof(buffer))) > 0)
		size += (size_t)n;
	assert_int_equal(size, 150000);
	close(from);
	pretended_close(guest);
}

static void test_closed_ends(void **state)
{
	char text[16];
	struct pretended *guest = pretended_open();
	viso_process *process = spawn(guest, piped("exec yes"));
	int from = viso_process_take_stream(process, VISO_STDOUT);
	assert_int_equal(read(from, text, 2), 2);
	close(from);
	assert_end(finish(process), VISO_REASON_SIGNALLED, SIGPIPE, NULL);
	/* The program closes its input. */
	process = spawn(guest, piped("exec <&-; echo closed; sleep 1000"));
	from = viso_process_take_stream(process, VISO_STDOUT);
	int to = viso_process_take_stream(process, VISO_STDIN);
	assert_int_equal(read(from, text, 7), 7);
	struct pollfd fd = {.fd = to};
	assert_int_equal(poll(&fd, 1, 10000), 1);
	assert_true(fd.revents & POLLERR);
	close(to);
	close(from);
	viso_process_unref(process);
	pretended_close(guest);
}

static void test_bounds_of_captures(void **state)
{
	struct pretended *guest = pretended_open();
	viso_command *command = script("head -c 1000000 /dev/zero; echo x >&2");
	assert_ok(viso_command_capture(command, 5000));
	viso_result *result = run(guest, command);
	size_t size;
	viso_result_output(result, VISO_STDOUT, &size);
	assert_int_equal(size, 5000);
	assert_int_equal(viso_result_output_truncated(result, VISO_STDOUT), 1);
	assert_int_equal(viso_result_output_truncated(result, VISO_STDERR), 0);
	assert_end(result, VISO_REASON_EXITED, 0, NULL);
	/* A flood ends with its time. */
	command = script("exec yes");
	assert_ok(viso_command_capture(command, 1000));
	assert_ok(viso_command_set_timeout_ms(command, 1000));
	result = run(guest, command);
	viso_result_output(result, VISO_STDOUT, &size);
	assert_int_equal(size, 1000);
	assert_end(result, VISO_REASON_TIMED_OUT, SIGKILL, NULL);
	pretended_close(guest);
}

static void test_files_and_sockets(void **state)
{
	int ends[2];
	char text[32] = "";
	struct pretended *guest = pretended_open();
	int file = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	viso_command *command = script("cat; echo error >&2");
	assert_int_equal(write(ends[0], "by socket", 9), 9);
	shutdown(ends[0], SHUT_WR);
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDIN, ends[1]));
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDOUT, file));
	assert_ok(viso_command_set_stdio(command, VISO_STDERR, VISO_STDIO_STDOUT));
	assert_end(run(guest, command), VISO_REASON_EXITED, 0, "");
	assert_int_equal(pread(file, text, sizeof(text), 0), 15);
	assert_string_equal(text, "by socketerror\n");
	for (int i = 0; i < 2; i++)
		close(ends[i]);
	close(file);
	command = script("true");
	int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDOUT, directory));
	close(directory);
	viso_result *result;
	assert_fails(viso_sandbox_run(&guest->sandbox, command, &result), EISDIR, VISO_STAGE_STDIO, "fd 1");
	viso_command_unref(command);
	pretended_close(guest);
}

static char shown[8192];

static const char *read_until(int terminal, const char *until)
{
	size_t size = 0;
	ssize_t n;
	shown[0] = '\0';
	while (size < sizeof(shown) - 1 && !strstr(shown, until) &&
	       (n = read(terminal, shown + size, sizeof(shown) - 1 - size)) > 0) {
		size += (size_t)n;
		shown[size] = '\0';
	}
	return shown;
}

static viso_process *spawn_terminal(struct pretended *guest, const char *text, int *out_terminal)
{
	viso_command *command = script(text);
	assert_ok(viso_command_set_terminal(command, 80, 25));
	viso_process *process = spawn(guest, command);
	*out_terminal = viso_process_take_terminal(process);
	assert_ok(*out_terminal);
	return process;
}

static void test_terminal(void **state)
{
	int terminal;
	struct pretended *guest = pretended_open();
	viso_process *process =
		spawn_terminal(guest,
			       "trap 'stty size; exit 5' WINCH; tty | cut -c 1-9; stty size; read a; echo \"<$a>\"; "
			       "while :; do sleep 0.1; done",
			       &terminal);
	assert_non_null(strstr(read_until(terminal, "25 80\r\n"), "/dev/pts/"));
	assert_int_equal(write(terminal, "type\n", 5), 5);
	/* The guest's line discipline echoes, and no other. */
	assert_string_equal(read_until(terminal, ">\r\n"), "type\r\n<type>\r\n");
	assert_ok(viso_process_resize_terminal(process, 132, 43));
	assert_string_equal(read_until(terminal, "\n"), "43 132\r\n");
	assert_string_equal(read_until(terminal, "\n"), "");
	assert_end(finish(process), VISO_REASON_EXITED, 5, NULL);
	close(terminal);
	/* Interrupted by what is typed, and hung up by closing. */
	process = spawn_terminal(guest, "echo on; exec sleep 1000", &terminal);
	read_until(terminal, "on\r\n");
	assert_int_equal(write(terminal, "\003", 1), 1);
	assert_end(finish(process), VISO_REASON_SIGNALLED, SIGINT, NULL);
	close(terminal);
	process = spawn_terminal(guest, "echo on; exec sleep 1000", &terminal);
	read_until(terminal, "on\r\n");
	close(terminal);
	assert_end(finish(process), VISO_REASON_SIGNALLED, SIGHUP, NULL);
	pretended_close(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large_both_ways),    cmocka_unit_test(test_stuck_reader),
		cmocka_unit_test(test_read_after_the_end), cmocka_unit_test(test_closed_ends),
		cmocka_unit_test(test_bounds_of_captures), cmocka_unit_test(test_files_and_sockets),
		cmocka_unit_test(test_terminal),
	};
	support_time_limit(50);
	return cmocka_run_group_tests_name("agent-streams", tests, NULL, NULL);
}
