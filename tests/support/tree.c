/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"

char *tree_path(const char *directory, const char *name)
{
	char *path = NULL;
	assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
	return path;
}

void tree_copy(const char *from, const char *directory, const char *name)
{
	char *path = tree_path(directory, name);
	struct stat st;
	int source = open(from, O_RDONLY | O_CLOEXEC);
	int target = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (source < 0 || target < 0)
		print_error("%s -> %s: %m\n", from, path);
	assert_true(source >= 0 && target >= 0 && fstat(source, &st) == 0);
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = sendfile(target, source, NULL, (size_t)left);
		assert_true(n > 0);
		left -= n;
	}
	assert_int_equal(fchmod(target, 0755), 0);
	close(source);
	close(target);
	free(path);
}

void tree_write(const char *directory, const char *name, const char *text, unsigned mode)
{
	char *path = tree_path(directory, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	free(path);
}

void tree_directory(const char *directory, const char *name, unsigned mode)
{
	char *path = tree_path(directory, name);
	assert_int_equal(mkdir(path, mode), 0);
	assert_int_equal(chmod(path, mode), 0);
	free(path);
}

void tree_link(const char *to, const char *directory, const char *name)
{
	char *path = tree_path(directory, name);
	assert_int_equal(symlink(to, path), 0);
	free(path);
}

char *box_new_tree(void)
{
	static const char *const directories[] = {"bin", "dev", "etc", "proc", "sys", "usr", "work"};
	static const char *const applets[] = {"sh",       "cat",      "ls",   "mount", "id",   "ip",    "stat",
					      "readlink", "hostname", "grep", "wc",    "sort", "touch", "true",
					      "dd",       "head",     "test", "mkdir", "echo", "tr"};
	char *tree = support_temporary_directory();
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		tree_directory(tree, directories[i], 0755);
	tree_directory(tree, "tmp", 01777);
	tree_copy(PROBE_PATH, tree, "bin/probe");
	tree_copy("/bin/busybox", tree, "bin/busybox");
	for (size_t i = 0; i < sizeof(applets) / sizeof(applets[0]); i++) {
		char *name = tree_path("bin", applets[i]);
		tree_link("busybox", tree, name);
		free(name);
	}
	tree_write(tree, "etc/passwd", "root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n", 0644);
	return tree;
}

static char *shared_tree;

const char *box_tree(void)
{
	if (!shared_tree)
		shared_tree = box_new_tree();
	return shared_tree;
}

int box_group_teardown(void **state)
{
	if (shared_tree)
		support_remove_tree(shared_tree);
	free(shared_tree);
	shared_tree = NULL;
	return 0;
}
