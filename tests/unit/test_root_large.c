/* SPDX-License-Identifier: MIT */
/* A hundred thousand files in one directory: what grows with the square of their number does not end in time. */
#include "test_root_support.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 100000 };

static void make_files(const char *path)
{
	char name[32];
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		int fd = openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert_true(fd >= 0);
		close(fd);
	}
	close(directory);
}

static void test_many_files_in_a_directory(void **state)
{
	char *scratch = support_temporary_directory(), *tree = root_path_of("%s/tree", scratch);
	assert_int_equal(mkdir(tree, 0755), 0);
	make_files(tree);
	support_set_temporary(scratch);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_directory(root, tree, "/many"));
	assert_ok(viso_root_build(root));
	char *many = root_path_of("%s/many", viso_root_path(root));
	DIR *dir = opendir(many);
	int count = -2;
	while (readdir(dir))
		count++;
	closedir(dir);
	assert_int_equal(count, FILES);
	viso_root_unref(root);
	support_set_temporary(NULL);
	support_remove_tree(scratch);
	free(many);
	free(tree);
	free(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_files_in_a_directory)};
	return cmocka_run_group_tests_name("root_large", tests, NULL, NULL);
}
