/* SPDX-License-Identifier: MIT */
/* viso_command: what is set is what is kept, every refusal, and the paths at which a program is looked for. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <signal.h>
#include <virtiso.h>

#include "command/command.h"

static viso_command *command;

static int set_up(void **state)
{
	command = viso_command_new("/bin/program");
	return command ? 0 : -1;
}

static int tear_down(void **state)
{
	command = viso_command_unref(command);
	return 0;
}

static void test_new_refuses_no_program(void **state)
{
	viso_error_clear();
	assert_null(viso_command_new(NULL));
	assert_int_equal(viso_error_number(), EINVAL);
	viso_error_clear();
	assert_null(viso_command_new(""));
	assert_int_equal(viso_error_number(), EINVAL);
	assert_int_equal(viso_error_stage(), VISO_STAGE_ARGUMENT);
}

static void test_defaults(void **state)
{
	assert_int_equal(command->argv.count, 1);
	assert_string_equal(command->argv.items[0], "/bin/program");
	assert_int_equal(command->env.count, 3);
	assert_string_equal(command_get_env(command, "PATH"),
			    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	assert_string_equal(command_get_env(command, "HOME"), "/");
	assert_string_equal(command_get_env(command, "LANG"), "C.UTF-8");
	assert_string_equal(command->cwd, "/");
	assert_false(command->has_user);
	assert_int_equal(command->group_count, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(command->stdio[i].kind, STDIO_INHERIT);
		assert_int_equal(command->stdio[i].fd, -1);
	}
	for (int i = 0; i < COMMAND_RLIMITS; i++)
		assert_int_equal(command->has_rlimit[i], i == VISO_RLIMIT_CORE);
	assert_int_equal(command->rlimit[VISO_RLIMIT_CORE], 0);
	assert_int_equal(command->timeout_ms, 0);
	assert_int_equal(command->cpu_time_ms, 0);
}

static void test_references(void **state)
{
	assert_ptr_equal(viso_command_ref(command), command);
	assert_null(viso_command_unref(command));
	assert_ok(viso_command_add_arg(command, "still there"));
	assert_null(viso_command_ref(NULL));
	assert_null(viso_command_unref(NULL));
}

static void test_arguments_are_kept_in_order_and_unchanged(void **state)
{
	static const char *const args[] = {"", " ", "two words", "line\nline", "\xff\x80\x01", "--", "$HOME `x` 'y'"};
	char changing[] = "before";
	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
		assert_ok(viso_command_add_arg(command, args[i]));
	assert_ok(viso_command_add_arg(command, changing));
	memcpy(changing, "after!", 6);
	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
		assert_string_equal(command->argv.items[i + 1], args[i]);
	assert_string_equal(command->argv.items[8], "before");
	assert_null(command->argv.items[9]);
	assert_fails(viso_command_add_arg(command, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_command_add_arg");
}

static void test_a_hundred_thousand_arguments(void **state)
{
	char text[32];
	for (int i = 1; i <= 100000; i++) {
		snprintf(text, sizeof(text), "argument %d", i);
		assert_ok(viso_command_add_arg(command, text));
	}
	assert_int_equal(command->argv.count, 100001);
	assert_string_equal(command->argv.items[100000], "argument 100000");
	assert_null(command->argv.items[100001]);
}

static void test_arguments_have_limits(void **state)
{
	const size_t limit = 2 << 20;
	char *longest = malloc(limit + 1);
	assert_non_null(longest);
	memset(longest, 'x', limit);
	longest[limit] = '\0';
	assert_fails(viso_command_add_arg(command, longest), E2BIG, VISO_STAGE_COMMAND, "/bin/program");
	assert_int_equal(command->argv.count, 1);
	/* Just so long that all arguments with their NULs fill the limit. */
	longest[limit - sizeof("/bin/program") - 1] = '\0';
	assert_ok(viso_command_add_arg(command, longest));
	assert_fails(viso_command_add_arg(command, ""), E2BIG, VISO_STAGE_COMMAND, "/bin/program");
	assert_int_equal(command->argv.count, 2);
	free(longest);
}

static void test_arguments_have_a_greatest_number(void **state)
{
	for (int i = 1; i < 1 << 20; i++)
		if (viso_command_add_arg(command, "") < 0)
			fail_msg("argument %d: %s", i, viso_error_message());
	assert_fails(viso_command_add_arg(command, ""), E2BIG, VISO_STAGE_COMMAND, "/bin/program");
	assert_int_equal(command->argv.count, 1 << 20);
}

static void test_environment_is_set_and_replaced(void **state)
{
	assert_ok(viso_command_set_env(command, "AB", "one"));
	assert_ok(viso_command_set_env(command, "A", "two"));
	assert_ok(viso_command_set_env(command, "AB", "a=b=c"));
	assert_ok(viso_command_set_env(command, "EMPTY", ""));
	assert_int_equal(command->env.count, 6);
	assert_string_equal(command_get_env(command, "AB"), "a=b=c");
	assert_string_equal(command_get_env(command, "A"), "two");
	assert_string_equal(command_get_env(command, "EMPTY"), "");
	assert_null(command_get_env(command, "EMPT"));
	assert_null(command->env.items[6]);
	assert_ok(viso_command_clear_env(command));
	assert_int_equal(command->env.count, 0);
	assert_null(command_get_env(command, "PATH"));
	assert_ok(viso_command_set_env(command, "A", "again"));
	assert_string_equal(command->env.items[0], "A=again");
}

static void test_environment_is_taken_from_the_host_by_name(void **state)
{
	setenv("VISO_TEST", "of the host", 1);
	assert_ok(viso_command_set_env(command, "VISO_TEST", NULL));
	unsetenv("VISO_TEST");
	assert_string_equal(command_get_env(command, "VISO_TEST"), "of the host");
	assert_ok(viso_command_set_env(command, "VISO_TEST", NULL));
	assert_null(command_get_env(command, "VISO_TEST"));
	assert_ok(viso_command_set_env(command, "VISO_TEST", NULL));
	assert_int_equal(command->env.count, 3);
}

static void test_environment_refuses_bad_names_and_too_much(void **state)
{
	static const char *const names[] = {NULL, "", "=", "A=B", "A="};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_fails(viso_command_set_env(command, names[i], "x"), EINVAL, VISO_STAGE_ARGUMENT,
			     "viso_command_set_env");
	char *longest = malloc((2 << 20) + 1);
	assert_non_null(longest);
	memset(longest, 'x', 2 << 20);
	longest[2 << 20] = '\0';
	assert_fails(viso_command_set_env(command, "LONG", longest), E2BIG, VISO_STAGE_COMMAND, "LONG");
	assert_fails(viso_command_set_env(command, longest, "x"), E2BIG, VISO_STAGE_COMMAND, "xxx");
	free(longest);
	assert_int_equal(command->env.count, 3);
}

static void test_directory(void **state)
{
	static const char *const bad[] = {NULL, "", ".", "tmp", "./tmp", "../tmp"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(viso_command_set_cwd(command, bad[i]), EINVAL, VISO_STAGE_ARGUMENT,
			     "viso_command_set_cwd");
	assert_string_equal(command->cwd, "/");
	assert_ok(viso_command_set_cwd(command, "/a b/\n"));
	assert_ok(viso_command_set_cwd(command, "/tmp"));
	assert_string_equal(command->cwd, "/tmp");
}

static void test_user_and_groups(void **state)
{
	const unsigned none = (unsigned)-1;
	unsigned groups[65] = {0};
	assert_fails(viso_command_set_user(command, none, 1), EINVAL, VISO_STAGE_ARGUMENT, "viso_command_set_user");
	assert_fails(viso_command_set_user(command, 1, none), EINVAL, VISO_STAGE_ARGUMENT, "viso_command_set_user");
	assert_false(command->has_user);
	assert_ok(viso_command_set_user(command, 0, 5));
	assert_true(command->has_user);
	assert_int_equal(command->uid, 0);
	assert_int_equal(command->gid, 5);

	for (unsigned i = 0; i < 65; i++)
		groups[i] = 100 + i;
	assert_ok(viso_command_set_groups(command, groups, 64));
	assert_int_equal(command->group_count, 64);
	assert_memory_equal(command->groups, groups, 64 * sizeof(*groups));
	assert_fails(viso_command_set_groups(command, groups, 65), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_command_set_groups");
	assert_fails(viso_command_set_groups(command, NULL, 1), EINVAL, VISO_STAGE_ARGUMENT, "viso_command_set_groups");
	assert_fails(viso_command_set_groups(command, groups, SIZE_MAX), EINVAL, VISO_STAGE_ARGUMENT, "set_groups");
	groups[1] = none;
	assert_fails(viso_command_set_groups(command, groups, 2), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_command_set_groups");
	assert_int_equal(command->group_count, 64);
	assert_ok(viso_command_set_groups(command, NULL, 0));
	assert_int_equal(command->group_count, 0);
}

static void test_streams_lead_where_they_are_told(void **state)
{
	static const enum stdio_kind kinds[] = {STDIO_INHERIT, STDIO_NULL, STDIO_PIPE, STDIO_STDOUT};
	for (int stream = 0; stream < 3; stream++)
		for (int mode = VISO_STDIO_INHERIT; mode <= VISO_STDIO_STDOUT; mode++) {
			int r = viso_command_set_stdio(command, (viso_stream)stream, (viso_stdio)mode);
			bool allowed = mode != VISO_STDIO_STDOUT || stream == VISO_STDERR;
			assert_int_equal(r, allowed ? 0 : -EINVAL);
			if (allowed)
				assert_int_equal(command->stdio[stream].kind, kinds[mode]);
		}
	static const int bad[] = {-1, 3, 0x7fffffff};
	for (int i = 0; i < 3; i++) {
		viso_stream stream = (viso_stream)bad[i];
		assert_fails(viso_command_set_stdio(command, stream, VISO_STDIO_NULL), EINVAL, VISO_STAGE_ARGUMENT,
			     "set_stdio");
		assert_fails(viso_command_set_stdio_fd(command, stream, 0), EINVAL, VISO_STAGE_ARGUMENT,
			     "set_stdio_fd");
		assert_fails(viso_command_capture_stream(command, stream, 1), EINVAL, VISO_STAGE_ARGUMENT,
			     "capture_stream");
	}
	assert_fails(viso_command_set_stdio(command, VISO_STDOUT, (viso_stdio)4), EINVAL, VISO_STAGE_ARGUMENT,
		     "set_stdio");
	assert_fails(viso_command_set_stdio(command, VISO_STDOUT, (viso_stdio)-1), EINVAL, VISO_STAGE_ARGUMENT,
		     "set_stdio");
}

static void test_a_stream_keeps_a_copy_of_an_fd(void **state)
{
	int fds = support_count_fds();
	int fd = open("/dev/null", O_RDWR);
	struct stat wanted, found;
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDOUT, fd));
	int copy = command->stdio[VISO_STDOUT].fd;
	assert_true(copy > 2 && copy != fd);
	assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(fd, &wanted), 0);
	close(fd);
	assert_int_equal(fstat(copy, &found), 0);
	assert_int_equal(found.st_rdev, wanted.st_rdev);
	/* The last setting counts, and gives back what the one before held. */
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDOUT, 0));
	assert_int_equal(support_count_fds(), fds + 1);
	assert_ok(viso_command_capture(command, 10));
	assert_int_equal(support_count_fds(), fds);
	assert_fails(viso_command_set_stdio_fd(command, VISO_STDIN, -1), EBADF, VISO_STAGE_STDIO, "set_stdio_fd");
	assert_fails(viso_command_set_stdio_fd(command, VISO_STDIN, 9999), EBADF, VISO_STAGE_STDIO, "set_stdio_fd");
	assert_int_equal(command->stdio[VISO_STDIN].kind, STDIO_INHERIT);
}

static void test_input_is_copied_and_sealed(void **state)
{
	const size_t size = 3 << 20;
	int fds = support_count_fds();
	char *data = malloc(size), *back = malloc(size);
	assert_true(data && back);
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 7);
	assert_ok(viso_command_set_input(command, data, size));
	int fd = command->stdio[VISO_STDIN].fd;
	assert_int_equal(command->stdio[VISO_STDIN].kind, STDIO_INPUT);
	assert_int_equal(pread(fd, back, size, 0), size);
	assert_memory_equal(back, data, size);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	free(data);
	free(back);

	assert_ok(viso_command_set_input(command, NULL, 0));
	struct stat st;
	assert_int_equal(fstat(command->stdio[VISO_STDIN].fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_fails(viso_command_set_input(command, NULL, 1), EINVAL, VISO_STAGE_ARGUMENT, "viso_command_set_input");
	assert_int_equal(support_count_fds(), fds + 1);
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	assert_int_equal(support_count_fds(), fds);
}

static void test_a_host_without_free_fds_gets_emfile(void **state)
{
	int extra = dup(0); /* the limit must be above 3, the lowest number of a copy */
	int lowest = dup(0);
	close(lowest);
	struct rlimit old, tight;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	int copied = viso_command_set_stdio_fd(command, VISO_STDOUT, 0);
	int input = viso_command_set_input(command, "x", 1);
	setrlimit(RLIMIT_NOFILE, &old);
	close(extra);
	assert_int_equal(copied, -EMFILE);
	assert_int_equal(input, -EMFILE);
	assert_int_equal(viso_error_stage(), VISO_STAGE_STDIO);
	assert_int_equal(command->stdio[VISO_STDOUT].kind, STDIO_INHERIT);
}

static void test_capture_has_bounds(void **state)
{
	assert_ok(viso_command_capture(command, 1u << 30));
	assert_int_equal(command->stdio[VISO_STDERR].max, 1u << 30);
	assert_fails(viso_command_capture(command, (1u << 30) + 1), EINVAL, VISO_STAGE_ARGUMENT, "capture");
	assert_fails(viso_command_capture_stream(command, VISO_STDIN, 1), EINVAL, VISO_STAGE_ARGUMENT,
		     "capture_stream");
	assert_ok(viso_command_capture_stream(command, VISO_STDERR, 0));
	assert_int_equal(command->stdio[VISO_STDERR].kind, STDIO_CAPTURE);
	assert_int_equal(command->stdio[VISO_STDERR].max, 0);
	assert_int_equal(command->stdio[VISO_STDOUT].max, 1u << 30);
	assert_int_equal(command->stdio[VISO_STDIN].kind, STDIO_INHERIT);
}

static void test_limits(void **state)
{
	static const int numbers[] = {RLIMIT_AS,     RLIMIT_CORE,  RLIMIT_CPU,   RLIMIT_DATA,   RLIMIT_FSIZE,
				      RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_STACK, RLIMIT_MEMLOCK};
	for (int i = 0; i < COMMAND_RLIMITS; i++) {
		assert_int_equal(command_rlimit_number((viso_rlimit)i), numbers[i]);
		assert_ok(viso_command_set_rlimit(command, (viso_rlimit)i, i == 3 ? VISO_UNLIMITED : (uint64_t)i));
		assert_true(command->has_rlimit[i]);
	}
	assert_int_equal(command->rlimit[VISO_RLIMIT_DATA], RLIM_INFINITY);
	assert_fails(viso_command_set_rlimit(command, (viso_rlimit)COMMAND_RLIMITS, 1), EINVAL, VISO_STAGE_ARGUMENT,
		     "set_rlimit");
	assert_fails(viso_command_set_rlimit(command, (viso_rlimit)-1, 1), EINVAL, VISO_STAGE_ARGUMENT, "set_rlimit");
	assert_ok(viso_command_set_timeout_ms(command, UINT64_MAX));
	assert_ok(viso_command_set_cpu_time_ms(command, 1));
	assert_int_equal(command->timeout_ms, UINT64_MAX);
	assert_int_equal(command->cpu_time_ms, 1);
}

static void assert_candidates(const char *program, const char *path, const char *const *wanted)
{
	struct strings found = {0};
	viso_command *mine = viso_command_new(program);
	assert_non_null(mine);
	assert_ok(path ? viso_command_set_env(mine, "PATH", path) : viso_command_clear_env(mine));
	assert_int_equal(command_program_candidates(mine, &found), 0);
	size_t count = 0;
	for (; wanted[count]; count++) {
		assert_true(count < found.count);
		assert_string_equal(found.items[count], wanted[count]);
	}
	assert_int_equal(found.count, count);
	strings_clear(&found);
	viso_command_unref(mine);
}

static void test_programs_are_looked_up_as_execvp_does(void **state)
{
	assert_candidates("/bin/sh", "/a:/b", (const char *[]){"/bin/sh", NULL});
	assert_candidates("./sh", "/a:/b", (const char *[]){"./sh", NULL});
	assert_candidates("sh", "/a:/b", (const char *[]){"/a/sh", "/b/sh", NULL});
	assert_candidates("sh", "/a::/b:", (const char *[]){"/a/sh", "./sh", "/b/sh", "./sh", NULL});
	assert_candidates("sh", "", (const char *[]){"./sh", NULL});
	assert_candidates("sh", "rel ative", (const char *[]){"rel ative/sh", NULL});
	assert_candidates("sh", NULL,
			  (const char *[]){"/usr/local/sbin/sh", "/usr/local/bin/sh", "/usr/sbin/sh", "/usr/bin/sh",
					   "/sbin/sh", "/bin/sh", NULL});
}

/* Every call on an inherited handle, but those that release it. */
static int use_inherited(void)
{
	const unsigned group = 1;
	const int results[] = {
		viso_command_add_arg(command, "x"),
		viso_command_set_env(command, "A", "x"),
		viso_command_clear_env(command),
		viso_command_set_cwd(command, "/"),
		viso_command_set_user(command, 1, 1),
		viso_command_set_groups(command, &group, 1),
		viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL),
		viso_command_set_stdio_fd(command, VISO_STDIN, 0),
		viso_command_set_input(command, "x", 1),
		viso_command_capture(command, 1),
		viso_command_capture_stream(command, VISO_STDOUT, 1),
		viso_command_set_rlimit(command, VISO_RLIMIT_CORE, 1),
		viso_command_set_timeout_ms(command, 1),
		viso_command_set_cpu_time_ms(command, 1),
	};
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
		if (results[i] != -ECHILD)
			return (int)i + 1;
	if (viso_error_number() != ECHILD || viso_error_stage() != VISO_STAGE_ARGUMENT || !viso_error_message()[0])
		return 100;
	return viso_command_unref(viso_command_ref(command)) || viso_command_unref(command) ? 101 : 0;
}

static void test_after_a_fork_the_handle_is_the_parents(void **state)
{
	assert_ok(viso_command_set_input(command, "x", 1));
	pid_t pid = fork();
	if (pid == 0)
		_exit(use_inherited());
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(command->argv.count, 1);
}

static void test_nothing_is_left(void **state)
{
	int fds = support_count_fds();
	viso_command *mine = viso_command_new("x");
	assert_ok(viso_command_set_stdio_fd(mine, VISO_STDOUT, 0));
	assert_ok(viso_command_set_stdio_fd(mine, VISO_STDERR, 0));
	assert_ok(viso_command_set_input(mine, "x", 1));
	assert_int_equal(support_count_fds(), fds + 3);
	viso_command_unref(mine);
	assert_int_equal(support_count_fds(), fds);
}

/* In a child, whose limit may be lowered; without the library's care SIGXFSZ would end it. */
static void test_file_size_limit_of_the_host_is_an_error(void **state)
{
	static const char text[] = "0123456789";
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit limit = {.rlim_cur = 4, .rlim_max = RLIM_INFINITY};
		viso_command *mine = viso_command_new("true");
		setrlimit(RLIMIT_FSIZE, &limit);
		int r = viso_command_set_input(mine, text, sizeof(text));
		sigset_t pending;
		sigpending(&pending);
		_exit(r == -EFBIG && !sigismember(&pending, SIGXFSZ) ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define with_command(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_command(test_new_refuses_no_program),
		with_command(test_defaults),
		with_command(test_references),
		with_command(test_arguments_are_kept_in_order_and_unchanged),
		with_command(test_a_hundred_thousand_arguments),
		with_command(test_arguments_have_limits),
		with_command(test_arguments_have_a_greatest_number),
		with_command(test_environment_is_set_and_replaced),
		with_command(test_environment_is_taken_from_the_host_by_name),
		with_command(test_environment_refuses_bad_names_and_too_much),
		with_command(test_directory),
		with_command(test_user_and_groups),
		with_command(test_streams_lead_where_they_are_told),
		with_command(test_a_stream_keeps_a_copy_of_an_fd),
		with_command(test_input_is_copied_and_sealed),
		with_command(test_a_host_without_free_fds_gets_emfile),
		with_command(test_capture_has_bounds),
		with_command(test_limits),
		with_command(test_programs_are_looked_up_as_execvp_does),
		with_command(test_after_a_fork_the_handle_is_the_parents),
		with_command(test_file_size_limit_of_the_host_is_an_error),
		with_command(test_nothing_is_left),
	};
	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
