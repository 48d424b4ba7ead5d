/* SPDX-License-Identifier: MIT */
/* Checkpoints, where criu can make them; and that nothing is left where it cannot. */
#include "box.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tree.h"

static int count_files(const char *directory)
{
	int count = 0;
	DIR *list = opendir(directory);
	assert_non_null(list);
	for (struct dirent *entry; (entry = readdir(list));)
		count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(list);
	return count;
}

static void close_directory(char *directory)
{
	support_remove_tree(directory);
	free(directory);
}

/* Ends the test as skipped with criu's own reason. */
static void skip_without_criu(void)
{
	char reason[512] = "criu: ", line[256];
	FILE *check = popen("criu check 2>&1", "re");
	assert_non_null(check);
	while (fgets(line, sizeof(line), check))
		if (strstr(line, "Error") || strstr(line, "not found"))
			snprintf(reason, sizeof(reason), "a criu that works here: %.*s", (int)strcspn(line, "\n"),
				 line);
	skip_without(pclose(check) == 0, reason);
}

static void test_dump(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	skip_without_criu();
	char *directory = support_temporary_directory();
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_prints(box, shell("setsid sleep 1000 >/dev/null 2>&1 </dev/null & exit 0"), "");
	assert_ok(viso_container_checkpoint(box->container, directory));
	assert_true(count_files(directory) > 0);
	close_directory(directory);
}

/* Where criu is missing, or cannot do it, the container goes on as if nothing had been. */
static void test_failure_leaves_nothing(void **state)
{
	struct box *box = box_open(state);
	char *directory = support_temporary_directory();
	assert_ok(viso_sandbox_start(box->sandbox));
	int r = viso_container_checkpoint(box->container, directory);
	if (r == 0) {
		close_directory(directory);
		skip_without(r < 0, "a criu that does not work");
	}
	assert_int_equal(r, -EOPNOTSUPP);
	assert_int_equal(viso_error_stage(), VISO_STAGE_CHECKPOINT);
	assert_string_equal(viso_error_object(), "criu");
	assert_int_equal(count_files(directory), 0);
	assert_prints(box, shell("echo on"), "on\n");
	close_directory(directory);
}

static void test_running_command(void **state)
{
	struct box *box = box_open(state);
	char *directory = support_temporary_directory();
	assert_ok(viso_sandbox_start(box->sandbox));
	viso_process *process = box_spawn(box, shell("exec probe sleep"));
	assert_fails(viso_container_checkpoint(box->container, directory), EBUSY, VISO_STAGE_CHECKPOINT, "command");
	assert_ok(viso_process_kill(process));
	viso_process_unref(process);
	close_directory(directory);
}

static void test_arguments(void **state)
{
	struct box *box = box_open(state);
	char *directory = support_temporary_directory();
	assert_fails(viso_container_checkpoint(NULL, directory), EINVAL, VISO_STAGE_ARGUMENT, "checkpoint");
	assert_fails(viso_container_checkpoint(box->container, NULL), EINVAL, VISO_STAGE_ARGUMENT, "checkpoint");
	assert_fails(viso_container_checkpoint(box->container, directory), EINVAL, VISO_STAGE_ARGUMENT, "checkpoint");
	assert_fails(viso_container_restore(NULL, directory), EINVAL, VISO_STAGE_ARGUMENT, "restore");
	assert_fails(viso_container_restore(box->container, NULL), EINVAL, VISO_STAGE_ARGUMENT, "restore");
	assert_fails(viso_container_restore(box->container, directory), EOPNOTSUPP, VISO_STAGE_CHECKPOINT, "restore");
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_fails(viso_container_restore(box->container, directory), EBUSY, VISO_STAGE_ARGUMENT, "restore");
	assert_fails(viso_container_checkpoint(box->container, "/nowhere"), ENOENT, VISO_STAGE_CHECKPOINT, "/nowhere");
	tree_write(directory, "file", "", 0644);
	assert_fails(viso_container_checkpoint(box->container, directory), ENOTEMPTY, VISO_STAGE_CHECKPOINT, directory);
	assert_int_equal(count_files(directory), 1);
	close_directory(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_dump),
		AT_CONTAINER(test_failure_leaves_nothing),
		AT_CONTAINER(test_running_command),
		AT_CONTAINER(test_arguments),
	};
	return cmocka_run_group_tests_name("checkpoints", tests, NULL, box_group_teardown);
}
