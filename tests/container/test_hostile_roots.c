/* SPDX-License-Identifier: MIT */
/* Roots whose directories are not what they seem: an error of stage MOUNT, and nothing is mounted or changed elsewhere.
 */
#include "box.h"
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int entries(const char *path)
{
	int count = 0;
	DIR *dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static bool in_mountinfo(const char *path)
{
	char line[4096];
	bool found = false;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	while (fgets(line, sizeof(line), file))
		found |= strstr(line, path) != NULL;
	fclose(file);
	return found;
}

/* A root in which `name` was replaced; the start must fail with this error. */
static void assert_refused(viso_isolation strength, const char *name,
			   void (*replace)(const char *, const char *, const char *), int error)
{
	char *tree = box_new_tree(), *outside = support_temporary_directory();
	char *path = tree_path(tree, name);
	assert_int_equal(rmdir(path), 0);
	if (replace)
		replace(tree, name, outside);
	struct box *box = box_new(strength, tree);
	assert_start_fails(box, probe("exit", NULL), error, VISO_STAGE_MOUNT, name);
	assert_int_equal(entries(outside), 0);
	assert_false(in_mountinfo(outside));
	assert_false(in_mountinfo(tree));
	box_close(box);
	support_remove_tree(tree);
	support_remove_tree(outside);
	free(path);
	free(tree);
	free(outside);
}

static void by_absolute_link(const char *tree, const char *name, const char *outside)
{
	tree_link(outside, tree, name);
}

static void by_relative_link(const char *tree, const char *name, const char *outside)
{
	char target[4096];
	snprintf(target, sizeof(target), "../../../../../../../..%s", outside);
	tree_link(target, tree, name);
}

static void by_inner_link(const char *tree, const char *name, const char *outside)
{
	tree_link("work", tree, name);
}

static void by_file(const char *tree, const char *name, const char *outside)
{
	tree_write(tree, name, "", 0777);
}

static void by_fifo(const char *tree, const char *name, const char *outside)
{
	char *path = tree_path(tree, name);
	assert_int_equal(mkfifo(path, 0666), 0);
	free(path);
}

static void test_replaced_directories(void **state)
{
	static const char *const names[] = {"proc", "dev", "tmp"};
	viso_isolation strength = box_open(state)->strength;
	for (int i = 0; i < 3; i++) {
		assert_refused(strength, names[i], NULL, ENOENT);
		assert_refused(strength, names[i], by_absolute_link, ELOOP);
		assert_refused(strength, names[i], by_relative_link, ELOOP);
		assert_refused(strength, names[i], by_inner_link, ELOOP);
		assert_refused(strength, names[i], by_file, ENOTDIR);
		assert_refused(strength, names[i], by_fifo, ENOTDIR);
	}
}

static void test_directories_with_contents(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	char *tree = box_new_tree();
	/* What lies there is hidden, not used: above all not a link where a device is to be. */
	tree_link("/etc/passwd", tree, "dev/null");
	tree_write(tree, "tmp/old", "old", 0644);
	tree_link("/tmp", tree, "dev/shm");
	struct box *box = box_new(strength, tree);
	assert_prints(box, shell("ls -A /tmp; stat -c %F /dev/null /dev/shm"), "character special file\ndirectory\n");
	box_close(box);
	support_remove_tree(tree);
	free(tree);
}

static void test_root_that_is_gone(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	char *tree = box_new_tree();
	struct box *box = box_new(strength, tree);
	support_remove_tree(tree);
	viso_process *process = NULL;
	viso_command *command = probe("exit", NULL);
	assert_int_equal(viso_sandbox_spawn(box->sandbox, command, &process), -ENOENT);
	viso_command_unref(command);
	box_close(box);
	free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_replaced_directories),
		AT_CONTAINER(test_directories_with_contents),
		AT_EACH_STRENGTH(test_root_that_is_gone),
	};
	return cmocka_run_group_tests_name("hostile roots", tests, NULL, box_group_teardown);
}
