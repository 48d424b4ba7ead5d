/* SPDX-License-Identifier: MIT */
/* Open files, pipes and sockets that are handed in by number, and nothing beside them. */
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS_MAX = 32 };

static int text_file(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void test_a_file(void **state)
{
	struct box *box = box_open(state);
	int fd = text_file("from a file");
	viso_command *command = probe("cat", "3", NULL);
	assert_ok(viso_command_add_fd(command, fd, 3));
	close(fd);
	assert_prints(box, command, "from a file");
}

static void test_a_pipe(void **state)
{
	struct box *box = box_open(state);
	int ends[2];
	char text[64] = "";
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	viso_command *command = probe("write", "5", "1023", NULL);
	assert_ok(viso_command_add_fd(command, ends[1], 1023));
	close(ends[1]);
	assert_ended(box_run(box, viso_command_ref(command)), VISO_REASON_EXITED, 0, 0);
	assert_ended(box_run(box, command), VISO_REASON_EXITED, 0, 0);
	assert_int_equal(read(ends[0], text, sizeof(text)), 10);
	assert_string_equal(text, "abcdeabcde");
	/* With the command its copy is gone, and with the program its own. */
	assert_int_equal(read(ends[0], text, sizeof(text)), 0);
	close(ends[0]);
}

static void test_a_socket(void **state)
{
	struct box *box = box_open(state);
	int ends[2];
	char text[64] = "";
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	viso_command *command = shell("read line <&3; echo \"$LISTEN_FDS $line\" >&3");
	assert_ok(viso_command_add_fd(command, ends[1], 3));
	assert_ok(viso_command_set_env(command, "LISTEN_FDS", "1"));
	close(ends[1]);
	viso_process *process = box_spawn(box, command);
	assert_int_equal(write(ends[0], "hello\n", 6), 6);
	assert_int_equal(read(ends[0], text, sizeof(text)), 8);
	assert_string_equal(text, "1 hello\n");
	assert_ended(box_wait(process), VISO_REASON_EXITED, 0, 0);
	viso_process_unref(process);
	close(ends[0]);
}

/* What chance gave the launcher as numbers must not matter: here every low one is asked for, in both directions. */
static void all_in_order(struct box *box, bool upwards)
{
	char script[1024] = "for fd in", expected[1024] = "";
	viso_command *command = viso_command_new("/bin/sh");
	assert_ok(viso_command_capture(command, 4096));
	for (int i = 0; i < FDS_MAX; i++) {
		char text[16];
		int number = upwards ? 3 + i : 2 + FDS_MAX - i;
		snprintf(text, sizeof(text), "file %d", number);
		int fd = text_file(text);
		assert_ok(viso_command_add_fd(command, fd, number));
		close(fd);
		sprintf(script + strlen(script), " %d", number);
		sprintf(expected + strlen(expected), "%s\n", text);
	}
	/* The shell knows numbers of one digit only. */
	strcat(script, "; do probe cat $fd; echo; done");
	assert_ok(viso_command_add_arg(command, "-c"));
	assert_ok(viso_command_add_arg(command, script));
	assert_prints(box, command, expected);
}

static void test_as_many_as_there_may_be(void **state)
{
	struct box *box = box_open(state);
	all_in_order(box, true);
	all_in_order(box, false);
}

static void test_nothing_else_comes_along(void **state)
{
	struct box *box = box_open(state);
	int fd = text_file("x");
	int high = fcntl(fd, F_DUPFD, 700); /* without close-on-exec */
	viso_command *command = probe("fds", NULL);
	assert_ok(viso_command_add_fd(command, fd, 9));
	assert_ok(viso_command_add_fd(command, fd, 500));
	assert_ok(viso_command_add_fd(command, fd, 4));
	assert_prints(box, command, "0 1 2 4 9 500 \n");
	assert_prints(box, probe("fds", NULL), "0 1 2 \n");
	close(high);
	close(fd);
}

static void test_limits_of_open_files(void **state)
{
	struct box *box = box_open(state);
	int fd = text_file("x");
	struct rlimit limit;
	char expected[64];
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	viso_command *command = probe("rlimit", "7", NULL);
	assert_ok(viso_command_add_fd(command, fd, 1000));
	if (box->strength != VISO_ISOLATION_GUEST) {
		snprintf(expected, sizeof(expected), "%lld %lld\n", (long long)limit.rlim_cur,
			 (long long)limit.rlim_max);
		assert_prints(box, command, expected);
	} else {
		viso_command_unref(command);
	}
	/* An open fd above the limit stays open (setrlimit(2)). */
	command = probe("cat", "1000", NULL);
	assert_ok(viso_command_add_fd(command, fd, 1000));
	assert_ok(viso_command_set_rlimit(command, VISO_RLIMIT_OPEN_FILES, 20));
	assert_prints(box, command, "x");
	close(fd);
}

static void test_directories_are_refused(void **state)
{
	struct box *box = box_open(state);
	int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), path = open("/etc/passwd", O_PATH | O_CLOEXEC);
	viso_command *command = probe("fds", NULL);
	assert_ok(viso_command_add_fd(command, directory, 7));
	assert_start_fails(box, viso_command_ref(command), EISDIR, VISO_STAGE_STDIO, "fd 7");
	assert_ok(viso_command_add_fd(command, path, 7));
	assert_start_fails(box, command, EISDIR, VISO_STAGE_STDIO, "fd 7");
	close(directory);
	close(path);
}

static void test_arguments(void **state)
{
	int fds = support_count_fds();
	int fd = text_file("x");
	viso_command *command = viso_command_new("x");
	assert_fails(viso_command_add_fd(NULL, fd, 3), EINVAL, VISO_STAGE_ARGUMENT, "viso_command_add_fd");
	assert_fails(viso_command_add_fd(command, fd, 2), EINVAL, VISO_STAGE_ARGUMENT, "viso_command_add_fd");
	assert_fails(viso_command_add_fd(command, fd, 1024), EINVAL, VISO_STAGE_ARGUMENT, "viso_command_add_fd");
	assert_fails(viso_command_add_fd(command, fd, -1), EINVAL, VISO_STAGE_ARGUMENT, "viso_command_add_fd");
	assert_fails(viso_command_add_fd(command, -1, 3), EBADF, VISO_STAGE_STDIO, "viso_command_add_fd");
	for (int i = 0; i < FDS_MAX; i++)
		assert_ok(viso_command_add_fd(command, fd, 3 + i));
	assert_fails(viso_command_add_fd(command, fd, 3 + FDS_MAX), EMFILE, VISO_STAGE_COMMAND, "viso_command_add_fd");
	assert_ok(viso_command_add_fd(command, fd, 3)); /* replaces */
	assert_int_equal(support_count_fds(), fds + 1 + FDS_MAX);
	viso_command_unref(command);
	close(fd);
	assert_int_equal(support_count_fds(), fds);
}

static void test_the_last_one_counts(void **state)
{
	struct box *box = box_open(state);
	int first = text_file("first"), second = text_file("second");
	viso_command *command = probe("cat", "12", NULL);
	assert_ok(viso_command_add_fd(command, first, 12));
	assert_ok(viso_command_add_fd(command, second, 12));
	assert_prints(box, command, "second");
	close(first);
	close(second);
}

static void test_nothing_is_left(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, probe("cwd", NULL), "/\n"); /* the launcher's sockets stay */
	int fds = support_count_fds(), fd = text_file("x");
	viso_command *command = probe("exit", "0", NULL);
	for (int i = 0; i < FDS_MAX; i++)
		assert_ok(viso_command_add_fd(command, fd, 3 + 7 * i));
	for (int i = 0; i < 20; i++)
		assert_ended(box_run(box, viso_command_ref(command)), VISO_REASON_EXITED, 0, 0);
	assert_ok(viso_command_set_cwd(command, "/not/there"));
	for (int i = 0; i < 20; i++)
		assert_start_fails(box, viso_command_ref(command), ENOENT, VISO_STAGE_CWD, "/not/there");
	viso_command_unref(command);
	close(fd);
	support_assert_nothing_left(fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_ALL_STRENGTHS(test_a_file),
		AT_ALL_STRENGTHS(test_a_pipe),
		AT_ALL_STRENGTHS(test_a_socket),
		AT_EACH_STRENGTH(test_as_many_as_there_may_be),
		AT_EACH_STRENGTH(test_nothing_else_comes_along),
		AT_ALL_STRENGTHS(test_limits_of_open_files),
		AT_ALL_STRENGTHS(test_directories_are_refused),
		cmocka_unit_test(test_arguments),
		AT_ALL_STRENGTHS(test_the_last_one_counts),
		AT_ALL_STRENGTHS(test_nothing_is_left),
	};
	return cmocka_run_group_tests_name("fds", tests, NULL, box_group_teardown);
}
