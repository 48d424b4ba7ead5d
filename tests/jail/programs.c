/* SPDX-License-Identifier: MIT */
#include "programs.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The uid and gid of "user" in the root's /etc/passwd. */
enum { USER = 1000, OUTPUT_MAX = 65536, SECONDS_MAX = 60 };

static struct box *open_jail;

static bool is_program(const char *name)
{
	static const char *const directories[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
						  "/usr/bin",        "/sbin",          "/bin"};
	char path[4096];
	if (name[0] == '/')
		return access(name, X_OK) == 0;
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directories[i], name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

void skip_without_program(const char *name)
{
	skip_without(is_program(name), name);
}

void add_open_directory(viso_root *root, const char *target)
{
	char *directory = support_temporary_directory();
	assert_int_equal(chmod(directory, 01777), 0);
	assert_ok(viso_root_add_directory(root, directory, target));
	support_remove_tree(directory);
	free(directory);
}

static struct box *new_jail(void)
{
	struct box *box = calloc(1, sizeof(*box));
	assert_non_null(box);
	box->strength = VISO_ISOLATION_JAIL;
	box->root = viso_root_new();
	box->jail = viso_jail_new();
	assert_non_null(box->root);
	assert_non_null(box->jail);
	assert_ok(viso_jail_set_root(box->jail, box->root));
	box->sandbox = viso_jail_sandbox(box->jail);
	return box;
}

struct box *jail_of(const char *first, ...)
{
	va_list names;
	skip_without_strength(VISO_ISOLATION_JAIL);
	va_start(names, first);
	for (const char *name = first; name; name = va_arg(names, const char *))
		skip_without_program(name);
	va_end(names);
	support_time_limit(SECONDS_MAX);
	open_jail = new_jail();
	va_start(names, first);
	for (const char *name = first; name; name = va_arg(names, const char *))
		assert_ok(viso_root_add_program(open_jail->root, name));
	va_end(names);
	add_open_directory(open_jail->root, "/work");
	return open_jail;
}

void skip_without_null_device(struct box *box)
{
	char path[4096];
	assert_ok(viso_root_build(box->root));
	snprintf(path, sizeof(path), "%s/dev/null", viso_root_path(box->root));
	skip_without(access(path, W_OK) == 0, "device nodes, for ordinary users");
}

int programs_teardown(void **state)
{
	box_close(open_jail);
	open_jail = NULL;
	support_time_limit(0);
	return 0;
}

viso_command *command_of(const char *const *argv)
{
	viso_command *command = viso_command_new(argv[0]);
	assert_non_null(command);
	for (int i = 1; argv[i]; i++)
		assert_ok(viso_command_add_arg(command, argv[i]));
	if (geteuid() == 0)
		assert_ok(viso_command_set_user(command, USER, USER));
	assert_ok(viso_command_set_cwd(command, "/work"));
	assert_ok(viso_command_set_env(command, "HOME", "/work"));
	assert_ok(viso_command_set_env(command, "TMPDIR", "/work"));
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(command, OUTPUT_MAX));
	return command;
}

void assert_output(struct box *box, viso_command *command, const char *pattern)
{
	viso_result *result = box_run(box, command);
	const char *output = viso_result_output(result, VISO_STDOUT, NULL);
	bool matches = fnmatch(pattern, output, 0) == 0;
	if (!matches)
		print_error("expected '%s', stdout: '%s', stderr: '%s'\n", pattern, output,
			    viso_result_output(result, VISO_STDERR, NULL));
	check_ended(result, VISO_REASON_EXITED, 0, 0);
	assert_true(matches);
	viso_result_unref(result);
}
