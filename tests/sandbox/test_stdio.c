/* SPDX-License-Identifier: MIT */
/* Where the standard streams lead. */
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int text_file(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void assert_holds(int fd, const char *expected)
{
	char text[256] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	assert_string_equal(text, expected);
}

static viso_command *plain(const char *verb)
{
	viso_command *command = viso_command_new("/bin/probe");
	assert_ok(viso_command_add_arg(command, verb));
	return command;
}

static void test_null(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = plain("cat");
	for (int i = 0; i < 3; i++)
		assert_ok(viso_command_set_stdio(command, (viso_stream)i, VISO_STDIO_NULL));
	assert_ended(box_run(box, command), VISO_REASON_EXITED, 0, 0);
	command = plain("print");
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_NULL));
	assert_ok(viso_command_capture_stream(command, VISO_STDERR, 100));
	viso_result *result = box_run(box, command);
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "");
	assert_string_equal(viso_result_output(result, VISO_STDERR, NULL), "err\n");
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
}

static void test_fd(void **state)
{
	struct box *box = box_open(state);
	int in = text_file("from a file"), out = text_file(""), err = text_file("");
	viso_command *command = plain("cat");
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDIN, in));
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDOUT, out));
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDERR, err));
	close(in);
	assert_ended(box_run(box, command), VISO_REASON_EXITED, 0, 0);
	assert_holds(out, "from a file");

	command = plain("print");
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDOUT, out));
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDERR, err));
	assert_int_equal(ftruncate(out, 0), 0);
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	assert_ended(box_run(box, command), VISO_REASON_EXITED, 0, 0);
	assert_holds(out, "out\n");
	assert_holds(err, "err\n");
	close(out);
	close(err);
}

static void test_same_fd_three_times(void **state)
{
	struct box *box = box_open(state);
	int fd = text_file("");
	viso_command *command = plain("print");
	for (int i = 0; i < 3; i++)
		assert_ok(viso_command_set_stdio_fd(command, (viso_stream)i, fd));
	assert_ended(box_run(box, command), VISO_REASON_EXITED, 0, 0);
	assert_holds(fd, "out\nerr\n");
	close(fd);
}

static void test_standard_error_to_standard_output(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = plain("print");
	assert_ok(viso_command_capture(command, 100));
	assert_ok(viso_command_set_stdio(command, VISO_STDERR, VISO_STDIO_STDOUT));
	assert_prints(box, command, "out\nerr\n");

	int fd = text_file("");
	command = plain("print");
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDOUT, fd));
	assert_ok(viso_command_set_stdio(command, VISO_STDERR, VISO_STDIO_STDOUT));
	assert_ended(box_run(box, command), VISO_REASON_EXITED, 0, 0);
	assert_holds(fd, "out\nerr\n");
	close(fd);

	command = plain("print");
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_NULL));
	assert_ok(viso_command_set_stdio(command, VISO_STDERR, VISO_STDIO_STDOUT));
	assert_ended(box_run(box, command), VISO_REASON_EXITED, 0, 0);
}

static void test_input(void **state)
{
	struct box *box = box_open(state);
	static const char data[] = "with\0NUL";
	viso_command *command = plain("cat");
	assert_ok(viso_command_capture(command, 100));
	assert_ok(viso_command_set_input(command, data, sizeof(data)));
	for (int i = 0; i < 2; i++) {
		/* Each run reads it from the beginning. */
		viso_result *result = box_run(box, viso_command_ref(command));
		size_t size;
		const char *output = viso_result_output(result, VISO_STDOUT, &size);
		assert_int_equal(size, sizeof(data));
		assert_memory_equal(output, data, size);
		assert_ended(result, VISO_REASON_EXITED, 0, 0);
	}
	assert_ok(viso_command_set_input(command, NULL, 0));
	assert_prints(box, command, "");
}

static void test_large_input(void **state)
{
	struct box *box = box_open(state);
	const size_t size = 3 << 20;
	char *data = malloc(size);
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 2654435761u >> 24);
	viso_command *command = plain("cat");
	assert_ok(viso_command_set_input(command, data, size));
	assert_ok(viso_command_capture(command, size));
	viso_result *result = box_run(box, command);
	size_t got;
	const char *output = viso_result_output(result, VISO_STDOUT, &got);
	assert_int_equal(got, size);
	assert_memory_equal(output, data, size);
	assert_int_equal(viso_result_output_truncated(result, VISO_STDOUT), 0);
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
	free(data);
}

static void read_all(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t n;
	while (used + 1 < size && (n = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
}

static void test_pipes(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = plain("cat");
	for (int i = 0; i < 3; i++)
		assert_ok(viso_command_set_stdio(command, (viso_stream)i, VISO_STDIO_PIPE));
	assert_fails(viso_sandbox_run(box->sandbox, command, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_run");
	viso_process *process = box_spawn(box, command);
	int in = viso_process_take_stream(process, VISO_STDIN);
	int out = viso_process_take_stream(process, VISO_STDOUT);
	int err = viso_process_take_stream(process, VISO_STDERR);
	assert_true(in > 2 && out > 2 && err > 2);
	assert_true(fcntl(in, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(out, F_GETFD) & FD_CLOEXEC);
	assert_fails(viso_process_take_stream(process, VISO_STDIN), EBADF, VISO_STAGE_STDIO,
		     "viso_process_take_stream");

	char text[64];
	assert_int_equal(write(in, "ping", 4), 4);
	assert_int_equal(read(out, text, sizeof(text)), 4);
	assert_int_equal(write(in, "pong", 4), 4);
	assert_int_equal(read(out, text, sizeof(text)), 4);
	close(in); /* the program sees the end of its input: nobody else holds the pipe */
	read_all(out, text, sizeof(text));
	assert_string_equal(text, "");
	assert_ended(box_wait(process), VISO_REASON_EXITED, 0, 0);
	viso_process_unref(process);
	close(out);
	close(err);
}

static void test_pipes_that_nobody_takes(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = plain("cat");
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_PIPE));
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	viso_process *process = box_spawn(box, command);
	assert_fails(viso_process_take_stream(process, VISO_STDERR), EBADF, VISO_STAGE_STDIO,
		     "viso_process_take_stream");
	assert_fails(viso_process_take_stream(process, (viso_stream)3), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_process_take_stream");
	viso_process_unref(process);
	support_assert_nothing_left(box->fds);
}

static void test_inherited_streams(void **state)
{
	struct box *box = box_open(state);
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), fd = text_file("");
	fflush(NULL);
	dup2(fd, STDERR_FILENO);
	viso_command *command = plain("print");
	assert_ok(viso_command_capture_stream(command, VISO_STDOUT, 100));
	viso_result *result = NULL;
	int r = viso_sandbox_run(box->sandbox, command, &result);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_ok(r);
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "out\n");
	assert_string_equal(viso_result_output(result, VISO_STDERR, NULL), "");
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
	assert_holds(fd, "err\n");
	viso_command_unref(command);
	close(fd);
}

static void test_directories_are_refused(void **state)
{
	struct box *box = box_open(state);
	static const int flags[] = {O_RDONLY, O_PATH};
	for (int i = 0; i < 2; i++) {
		int fd = open("/", flags[i] | O_DIRECTORY | O_CLOEXEC);
		viso_command *command = plain("exit");
		assert_ok(viso_command_set_stdio_fd(command, VISO_STDIN, fd));
		assert_start_fails(box, command, EISDIR, VISO_STAGE_STDIO, "stdin");
		command = plain("exit");
		assert_ok(viso_command_set_stdio_fd(command, VISO_STDERR, fd));
		assert_start_fails(box, command, EISDIR, VISO_STAGE_STDIO, "stderr");
		close(fd);
	}
	int fd = open("/etc/passwd", O_PATH | O_CLOEXEC);
	viso_command *command = plain("exit");
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDIN, fd));
	assert_start_fails(box, command, EISDIR, VISO_STAGE_STDIO, "stdin");
	close(fd);
}

static void test_bad_arguments(void **state)
{
	viso_command *command = viso_command_new("x");
	assert_fails(viso_command_set_stdio_fd(command, VISO_STDIN, 54321), EBADF, VISO_STAGE_STDIO, "set_stdio_fd");
	assert_fails(viso_command_set_stdio_fd(command, VISO_STDIN, -1), EBADF, VISO_STAGE_STDIO, "set_stdio_fd");
	assert_fails(viso_command_set_stdio(command, (viso_stream)3, VISO_STDIO_NULL), EINVAL, VISO_STAGE_ARGUMENT,
		     "stdio");
	assert_fails(viso_command_set_stdio(command, (viso_stream)-1, VISO_STDIO_NULL), EINVAL, VISO_STAGE_ARGUMENT,
		     "stdio");
	assert_fails(viso_command_set_stdio(command, VISO_STDIN, (viso_stdio)4), EINVAL, VISO_STAGE_ARGUMENT, "stdio");
	assert_fails(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_STDOUT), EINVAL, VISO_STAGE_ARGUMENT,
		     "stdio");
	assert_fails(viso_command_set_input(command, NULL, 1), EINVAL, VISO_STAGE_ARGUMENT, "viso_command_set_input");
	assert_fails(viso_command_capture_stream(command, VISO_STDIN, 1), EINVAL, VISO_STAGE_ARGUMENT, "capture");
	assert_fails(viso_command_capture(command, (1u << 30) + 1), EINVAL, VISO_STAGE_ARGUMENT, "capture");
	viso_command_unref(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_ALL_STRENGTHS(test_null),
		AT_ALL_STRENGTHS(test_fd),
		AT_ALL_STRENGTHS(test_same_fd_three_times),
		AT_ALL_STRENGTHS(test_standard_error_to_standard_output),
		AT_ALL_STRENGTHS(test_input),
		AT_ALL_STRENGTHS(test_large_input),
		AT_ALL_STRENGTHS(test_pipes),
		AT_ALL_STRENGTHS(test_pipes_that_nobody_takes),
		AT_ALL_STRENGTHS(test_inherited_streams),
		AT_EACH_STRENGTH(test_directories_are_refused),
		cmocka_unit_test(test_bad_arguments),
	};
	return cmocka_run_group_tests_name("stdio", tests, NULL, box_group_teardown);
}
