/* SPDX-License-Identifier: MIT */
#include "tools_support.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *tools_find_kernel(void)
{
	char *pattern, *path;
	glob_t found;
	skip_without(getenv("VISO_TEST_KERNELS"), "a kernel to boot (see tests/rig)");
	assert_true(asprintf(&pattern, "%s/boot/vmlinuz-*", getenv("VISO_TEST_KERNELS")) > 0);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	path = strdup(found.gl_pathv[0]);
	globfree(&found);
	free(pattern);
	return path;
}

viso_result *tools_run(viso_sandbox *sandbox, const char *program, const char *option, const char *text)
{
	viso_result *result = NULL;
	viso_command *command = viso_command_new(program);
	assert_ok(viso_command_add_arg(command, option));
	assert_ok(viso_command_add_arg(command, text));
	assert_ok(viso_command_capture(command, 1 << 20));
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_sandbox_run(sandbox, command, &result));
	viso_command_unref(command);
	return result;
}

void assert_output(viso_result *result, int code, const char *output)
{
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), output);
	assert_int_equal(viso_result_reason(result), VISO_REASON_EXITED);
	assert_int_equal(viso_result_exit_code(result), code);
	viso_result_unref(result);
}
