/* SPDX-License-Identifier: MIT */
/* Programs that cannot be executed: an error that names stage and object, and nothing left. */
#include "box.h"
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct box *box;
static char *tree;

static viso_command *program(const char *path)
{
	viso_command *command = viso_command_new(path);
	assert_non_null(command);
	assert_ok(viso_command_capture(command, 4096));
	return command;
}

static void begin(void **state)
{
	box = box_open(state);
	tree = box_new_tree();
}

static void use_tree(void)
{
	struct box *other = box_new(box->strength, tree);
	box = other;
}

static void end(void)
{
	box_close(box);
	support_remove_tree(tree);
	free(tree);
}

static void test_missing_program(void **state)
{
	begin(state);
	use_tree();
	assert_start_fails(box, program("/bin/nothing"), ENOENT, VISO_STAGE_EXEC, "/bin/nothing");
	assert_start_fails(box, program("nothing"), ENOENT, VISO_STAGE_EXEC, "nothing");
	assert_start_fails(box, program("/etc/passwd/x"), ENOENT, VISO_STAGE_EXEC, "/etc/passwd/x");
	/* A link that leads out of the root leads nowhere. */
	tree_link("/../../../../usr/bin/env", tree, "bin/out");
	assert_start_fails(box, program("/bin/out"), ENOENT, VISO_STAGE_EXEC, "/bin/out");
	tree_link("loop", tree, "bin/loop");
	assert_start_fails(box, program("/bin/loop"), ELOOP, VISO_STAGE_EXEC, "/bin/loop");
	end();
}

static void test_program_that_may_not_be_executed(void **state)
{
	begin(state);
	use_tree();
	tree_write(tree, "bin/plain", "#!/bin/sh\n", 0644);
	assert_start_fails(box, program("/bin/plain"), EACCES, VISO_STAGE_EXEC, "/bin/plain");
	assert_start_fails(box, program("plain"), EACCES, VISO_STAGE_EXEC, "/bin/plain");
	assert_start_fails(box, program("/bin"), EACCES, VISO_STAGE_EXEC, "/bin");
	end();
}

static void test_damaged_program(void **state)
{
	begin(state);
	use_tree();
	tree_write(tree, "bin/empty", "", 0755);
	tree_write(tree, "bin/text", "no magic number\n", 0755);
	tree_write(tree, "bin/elf", "\177ELF\2\1\1", 0755);
	char path[4096];
	assert_start_fails(box, program("/bin/empty"), ENOEXEC, VISO_STAGE_EXEC, "/bin/empty");
	assert_start_fails(box, program("/bin/text"), ENOEXEC, VISO_STAGE_EXEC, "/bin/text");
	assert_start_fails(box, program("/bin/elf"), ENOEXEC, VISO_STAGE_EXEC, "/bin/elf");
	/* Cut in its code: it starts and ends by a signal, at each strength alike. */
	tree_copy(PROBE_PATH, tree, "bin/cut");
	snprintf(path, sizeof(path), "%s/bin/cut", tree);
	assert_int_equal(truncate(path, 4096), 0);
	viso_result *result = NULL;
	viso_command *command = program("/bin/cut");
	int r = viso_sandbox_run(box->sandbox, command, &result);
	viso_command_unref(command);
	if (r == 0)
		assert_int_equal(viso_result_reason(result), VISO_REASON_SIGNALLED);
	else
		assert_int_equal(viso_error_stage(), VISO_STAGE_EXEC);
	viso_result_unref(result);
	end();
}

static void test_scripts(void **state)
{
	begin(state);
	use_tree();
	tree_write(tree, "bin/script", "#!/bin/probe args\nx", 0755);
	tree_write(tree, "bin/orphan", "#!/bin/no-interpreter\n", 0755);
	viso_result *result = box_run(box, program("/bin/script"));
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "/bin/script");
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
	assert_start_fails(box, program("/bin/orphan"), ENOENT, VISO_STAGE_EXEC, "/bin/orphan");
	end();
}

static void test_dynamic_program_without_its_loader(void **state)
{
	begin(state);
	use_tree();
	tree_copy("/bin/true", tree, "bin/dynamic");
	assert_start_fails(box, program("/bin/dynamic"), ENOENT, VISO_STAGE_EXEC, "/bin/dynamic");
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_missing_program),
		AT_EACH_STRENGTH(test_program_that_may_not_be_executed),
		AT_EACH_STRENGTH(test_damaged_program),
		AT_ALL_STRENGTHS(test_scripts),
		AT_EACH_STRENGTH(test_dynamic_program_without_its_loader),
	};
	return cmocka_run_group_tests_name("programs", tests, NULL, box_group_teardown);
}
