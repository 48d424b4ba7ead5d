/* SPDX-License-Identifier: MIT */
/* Arguments, environment, program look-up and working directory arrive as they were given. */
#include "box.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* That the output is these strings, each with its NUL. */
static void assert_prints_strings(struct box *box, viso_command *command, const char *const *expected)
{
	viso_result *result = box_run(box, command);
	size_t size, at = 0;
	const char *output = viso_result_output(result, VISO_STDOUT, &size);
	for (; *expected; expected++) {
		assert_true(at < size);
		assert_string_equal(output + at, *expected);
		at += strlen(*expected) + 1;
	}
	assert_int_equal(at, size);
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
}

static void test_arguments_of_odd_bytes(void **state)
{
	struct box *box = box_open(state);
	static const char *const odd[] = {"",         " ",       "a b",   "line\nbreak",  "$(reboot) `id` ;&|",
					  "'\"\\",    "--",      "-x=y",  "\xff\xfe\x80", "\x01\x1b[31m\x7f",
					  "\xc3\xa9", "*?[a-z]", "../..", "%s%n%d",       NULL};
	viso_command *command = probe("args", NULL);
	for (int i = 0; odd[i]; i++)
		assert_ok(viso_command_add_arg(command, odd[i]));
	assert_prints_strings(box, command, odd);
}

static void test_a_hundred_thousand_arguments(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("count", NULL);
	size_t bytes = strlen("/bin/probe") + 1 + strlen("count") + 1;
	char arg[16];
	for (int i = 2; i < 100000; i++) {
		bytes += (size_t)snprintf(arg, sizeof(arg), "%d", i) + 1;
		assert_ok(viso_command_add_arg(command, arg));
	}
	char expected[32];
	snprintf(expected, sizeof(expected), "100000 %zu\n", bytes);
	assert_prints(box, command, expected);
}

static void test_one_long_argument(void **state)
{
	struct box *box = box_open(state);
	/* The kernel takes 128 KiB in one string (execve(2)). */
	char *arg = malloc(200000);
	memset(arg, 'x', 199999);
	arg[100000] = '\0';
	viso_command *command = probe("count", arg, NULL);
	assert_prints(box, command, "3 100018\n");
	arg[100000] = 'x';
	arg[199999] = '\0';
	assert_start_fails(box, probe("count", arg, NULL), E2BIG, VISO_STAGE_EXEC, "/bin/probe");
	free(arg);
	assert_prints(box, probe("count", NULL), "2 17\n");
}

static void test_a_command_runs_again(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("args", "one", NULL);
	static const char *const one[] = {"one", NULL}, *const both[] = {"one", "two", NULL};
	assert_prints_strings(box, viso_command_ref(command), one);
	assert_ok(viso_command_add_arg(command, "two"));
	assert_prints_strings(box, viso_command_ref(command), both);
	assert_prints_strings(box, command, both);
}

static void test_environment_is_clean(void **state)
{
	struct box *box = box_open(state);
	static const char *const clean[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
					    "HOME=/", "LANG=C.UTF-8", NULL};
	setenv("LD_PRELOAD_SECRET", "host", 1);
	assert_prints_strings(box, probe("env", NULL), clean);
	unsetenv("LD_PRELOAD_SECRET");
}

static void test_environment_as_set(void **state)
{
	struct box *box = box_open(state);
	static const char *const expected[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
					       "HOME=/",
					       "A=2",
					       "FROM_HOST=here",
					       "EMPTY=",
					       "LINES=a\nb=c",
					       NULL};
	setenv("FROM_HOST", "here", 1);
	unsetenv("LANG");
	viso_command *command = probe("env", NULL);
	assert_ok(viso_command_set_env(command, "A", "1"));
	assert_ok(viso_command_set_env(command, "A", "2"));
	assert_ok(viso_command_set_env(command, "FROM_HOST", NULL));
	assert_ok(viso_command_set_env(command, "LANG", NULL));
	assert_ok(viso_command_set_env(command, "NOT_THERE", NULL));
	assert_ok(viso_command_set_env(command, "EMPTY", ""));
	assert_ok(viso_command_set_env(command, "LINES", "a\nb=c"));
	assert_prints_strings(box, command, expected);
	unsetenv("FROM_HOST");
}

static void test_environment_removed(void **state)
{
	struct box *box = box_open(state);
	static const char *const nothing[] = {NULL}, *const one[] = {"X=y", NULL};
	viso_command *command = probe("env", NULL);
	assert_ok(viso_command_clear_env(command));
	assert_prints_strings(box, viso_command_ref(command), nothing);
	assert_ok(viso_command_set_env(command, "X", "y"));
	assert_prints_strings(box, command, one);
}

static viso_command *named(const char *name, const char *path)
{
	viso_command *command = viso_command_new(name);
	assert_non_null(command);
	assert_ok(viso_command_capture(command, 4096));
	assert_ok(viso_command_add_arg(command, "argv0"));
	if (path)
		assert_ok(viso_command_set_env(command, "PATH", path));
	return command;
}

static void test_programs_are_found_by_path(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, named("probe", NULL), "probe\n");
	assert_prints(box, named("probe", "/nowhere:/etc/passwd:/bin"), "probe\n");
	/* An empty entry is the working directory. */
	viso_command *command = named("probe", "/nowhere::/usr");
	assert_ok(viso_command_set_cwd(command, "/bin"));
	assert_prints(box, command, "probe\n");
	command = named("./probe", NULL);
	assert_ok(viso_command_set_cwd(command, "/bin"));
	assert_prints(box, command, "./probe\n");
	assert_prints(box, named("/usr/../bin//probe", NULL), "/usr/../bin//probe\n");
	/* Without PATH the default one holds. */
	command = named("probe", NULL);
	assert_ok(viso_command_clear_env(command));
	assert_prints(box, command, "probe\n");
	assert_start_fails(box, named("probe", "/nowhere:/usr"), ENOENT, VISO_STAGE_EXEC, "probe");
}

static void test_working_directory(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, probe("cwd", NULL), "/\n");
	viso_command *command = probe("cwd", NULL);
	assert_ok(viso_command_set_cwd(command, "/work"));
	assert_prints(box, viso_command_ref(command), "/work\n");
	/* There is nothing above the root. */
	assert_ok(viso_command_set_cwd(command, "/work/../../../../bin"));
	assert_prints(box, viso_command_ref(command), "/bin\n");
	assert_fails(viso_command_set_cwd(command, "work"), EINVAL, VISO_STAGE_ARGUMENT, "viso_command_set_cwd");
	assert_prints(box, command, "/bin\n");
}

static void test_working_directory_is_missing(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("cwd", NULL);
	assert_ok(viso_command_set_cwd(command, "/not/there"));
	assert_start_fails(box, viso_command_ref(command), ENOENT, VISO_STAGE_CWD, "/not/there");
	assert_ok(viso_command_set_cwd(command, "/etc/passwd"));
	assert_start_fails(box, command, ENOTDIR, VISO_STAGE_CWD, "/etc/passwd");
}

static void test_nothing_else_is_inherited(void **state)
{
	struct box *box = box_open(state);
	viso_result *result = box_run(box, probe("inherited", NULL));
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "umask 022\n");
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
	assert_prints(box, probe("fds", NULL), "0 1 2 \n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_ALL_STRENGTHS(test_arguments_of_odd_bytes),    AT_ALL_STRENGTHS(test_a_hundred_thousand_arguments),
		AT_ALL_STRENGTHS(test_one_long_argument),         AT_ALL_STRENGTHS(test_a_command_runs_again),
		AT_ALL_STRENGTHS(test_environment_is_clean),      AT_ALL_STRENGTHS(test_environment_as_set),
		AT_ALL_STRENGTHS(test_environment_removed),       AT_ALL_STRENGTHS(test_programs_are_found_by_path),
		AT_ALL_STRENGTHS(test_working_directory),         AT_ALL_STRENGTHS(test_working_directory_is_missing),
		AT_ALL_STRENGTHS(test_nothing_else_is_inherited),
	};
	return cmocka_run_group_tests_name("arguments", tests, NULL, box_group_teardown);
}
