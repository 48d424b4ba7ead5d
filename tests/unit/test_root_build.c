/* SPDX-License-Identifier: MIT */
/* The public calls: what may be called when, what is built, and that nothing is left. */
#include "test_root_support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "root/root.h"

static void test_null_handles_are_refused(void **state)
{
	int fd;
	assert_null(viso_root_unref(NULL));
	assert_null(viso_root_ref(NULL));
	assert_int_equal(viso_root_add_program(NULL, "bash"), -EINVAL);
	assert_int_equal(viso_root_add_file(NULL, "/etc/passwd", NULL), -EINVAL);
	assert_int_equal(viso_root_add_directory(NULL, "/etc", NULL), -EINVAL);
	assert_int_equal(viso_root_add_data(NULL, "/x", "", 0, 0644), -EINVAL);
	assert_int_equal(viso_root_use_directory(NULL, "/"), -EINVAL);
	assert_int_equal(viso_root_set_path(NULL, "/x"), -EINVAL);
	assert_int_equal(viso_root_build(NULL), -EINVAL);
	assert_null(viso_root_path(NULL));
	assert_int_equal(root_open(NULL, &fd), -EINVAL);
}

static void test_bad_arguments_are_refused(void **state)
{
	viso_root *root = viso_root_new();
	assert_non_null(root);
	assert_fails(viso_root_add_program(root, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_add_program");
	assert_fails(viso_root_add_program(root, ""), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_program(root, "bin/bash"), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_file(root, NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_file(root, "etc/passwd", NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_file(root, "/etc/passwd", "x"), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_file(root, "/etc/passwd", "/"), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_file(root, "/etc/passwd", "/x/../y"), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_file(root, "/etc/passwd", "/.."), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_file(root, "/etc/../etc/passwd", NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_file(root, "/etc", NULL), EINVAL, VISO_STAGE_ROOT, "/etc");
	assert_fails(viso_root_add_file(root, "/dev/null", NULL), EINVAL, VISO_STAGE_ROOT, "/dev/null");
	assert_fails(viso_root_add_file(root, "/no/such", NULL), ENOENT, VISO_STAGE_ROOT, "/no/such");
	assert_fails(viso_root_add_file(root, "/etc/passwd/x", "/x"), ENOENT, VISO_STAGE_ROOT, "/etc/passwd/x");
	assert_fails(viso_root_add_directory(root, "/etc/passwd", NULL), ENOTDIR, VISO_STAGE_ROOT, "/etc/passwd");
	assert_fails(viso_root_add_directory(root, "/no/such", NULL), ENOENT, VISO_STAGE_ROOT, "/no/such");
	assert_fails(viso_root_add_data(root, NULL, "", 0, 0), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_data(root, "/x", NULL, 1, 0), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_data(root, "/x", "", SIZE_MAX, 0), ENOMEM, VISO_STAGE_MEMORY, "");
	assert_fails(viso_root_use_directory(root, "x"), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_use_directory(root, "/no/such"), ENOENT, VISO_STAGE_ROOT, "/no/such");
	assert_fails(viso_root_use_directory(root, "/etc/passwd"), ENOTDIR, VISO_STAGE_ROOT, "/etc/passwd");
	assert_fails(viso_root_set_path(root, "x"), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_set_path(root, "/etc"), ENOTEMPTY, VISO_STAGE_ROOT, "/etc");
	assert_fails(viso_root_set_path(root, "/etc/passwd"), ENOTDIR, VISO_STAGE_ROOT, "/etc/passwd");
	assert_fails(viso_root_set_path(root, "/no/such/parent"), ENOENT, VISO_STAGE_ROOT, "/no/such");
	assert_null(viso_root_path(root));
	assert_int_equal(viso_error_number(), EINVAL);
	viso_root_unref(root);
}

static void test_long_names_are_refused(void **state)
{
	char name[PATH_MAX + 10];
	viso_root *root = viso_root_new();
	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[NAME_MAX + 2] = '\0';
	assert_int_equal(viso_root_add_data(root, name, "", 0, 0644), -ENAMETOOLONG);
	for (size_t i = 0; i < sizeof(name); i += 2)
		memcpy(name + i, "/x", 2);
	name[PATH_MAX] = '\0';
	assert_int_equal(viso_root_add_data(root, name, "", 0, 0644), -ENAMETOOLONG);
	assert_int_equal(viso_root_add_program(root, name), -ENOENT);
	/* As deep as a path can be. */
	name[PATH_MAX - 2] = '\0';
	assert_ok(viso_root_add_data(root, name, "deep", 4, 0644));
	assert_ok(viso_root_build(root));
	assert_true(root_has_file(viso_root_path(root), name));
	viso_root_unref(root);
}

static void test_order_of_calls(void **state)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_data(root, "/x", "x", 1, 0644));
	assert_fails(viso_root_use_directory(root, root_scratch), EBUSY, VISO_STAGE_ARGUMENT,
		     "viso_root_use_directory");
	assert_ok(viso_root_build(root));
	assert_ok(viso_root_build(root));
	assert_int_equal(viso_root_add_data(root, "/y", "x", 1, 0644), -EBUSY);
	assert_int_equal(viso_root_add_file(root, "/etc/passwd", NULL), -EBUSY);
	assert_int_equal(viso_root_add_directory(root, "/etc", NULL), -EBUSY);
	assert_int_equal(viso_root_add_program(root, "bash"), -EBUSY);
	assert_int_equal(viso_root_set_path(root, "/tmp/x"), -EBUSY);
	assert_int_equal(viso_root_use_directory(root, root_scratch), -EBUSY);
	viso_root_unref(root);

	root = viso_root_new();
	char *path = root_path_of("%s/named", root_scratch);
	assert_ok(viso_root_set_path(root, path));
	assert_int_equal(viso_root_use_directory(root, root_scratch), -EBUSY);
	viso_root_unref(root);
	assert_int_equal(access(path, F_OK), -1);
	free(path);
}

static void test_existing_directory_is_used_as_it_is(void **state)
{
	char *path = root_path_of("%s/mine", root_scratch);
	assert_int_equal(mkdir(path, 0750), 0);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_use_directory(root, path));
	assert_int_equal(viso_root_use_directory(root, path), -EBUSY);
	assert_int_equal(viso_root_add_data(root, "/x", "x", 1, 0644), -EBUSY);
	assert_int_equal(viso_root_set_path(root, path), -EBUSY);
	assert_ok(viso_root_build(root));
	assert_string_equal(viso_root_path(root), path);
	int fd = -1;
	assert_ok(root_open(root, &fd));
	struct stat inside, outside;
	assert_int_equal(fstat(fd, &inside), 0);
	assert_int_equal(stat(path, &outside), 0);
	assert_int_equal(inside.st_ino, outside.st_ino);
	close(fd);
	viso_root_unref(root);
	assert_int_equal(stat(path, &outside), 0);
	assert_int_equal(outside.st_mode & 07777, 0750);
	assert_int_equal(rmdir(path), 0); /* still empty */
	free(path);
}

static void test_skeleton(void **state)
{
	struct stat st;
	viso_root *root = viso_root_new();
	assert_ok(viso_root_build(root));
	const char *path = viso_root_path(root);
	const struct {
		const char *name;
		mode_t mode;
	} directories[] = {{"/", 0755},    {"/dev", 0755}, {"/proc", 0755},
			   {"/sys", 0755}, {"/tmp", 0755}, {"/etc", 0755}};
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		assert_int_equal(root_lstat(path, directories[i].name, &st), 0);
		assert_int_equal(st.st_mode, S_IFDIR | directories[i].mode);
	}
	int fd = root_open_inside(path, "/etc/passwd", O_RDONLY);
	char text[512] = "";
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_non_null(strstr(text, "root:x:0:0:"));
	assert_non_null(strstr(text, "user:x:1000:1000:"));
	assert_true(root_has_file(path, "/etc/group"));
	if (geteuid() == 0 && root_lstat(path, "/dev/full", &st) == 0) {
		assert_int_equal(st.st_mode, S_IFCHR | 0666);
		assert_int_equal(st.st_rdev, makedev(1, 7));
	}
	viso_root_unref(root);
}

static void test_own_directory_is_closed_to_others(void **state)
{
	struct stat st;
	viso_root *root = viso_root_new();
	assert_ok(viso_root_build(root));
	char *path = strdup(viso_root_path(root));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	*strrchr(path, '/') = '\0';
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	viso_root_unref(root);
	assert_int_equal(access(path, F_OK), -1);
	free(path);
}

static void test_users_that_were_added_stay(void **state)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_data(root, "/etc/passwd", "mine", 4, 0600));
	assert_ok(viso_root_build(root));
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), "/etc/passwd", &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(st.st_mode & 07777, 0600);
	viso_root_unref(root);
}

static void test_files_directories_and_links(void **state)
{
	struct stat st;
	char *tree = root_path_of("%s/tree", root_scratch);
	assert_int_equal(
		root_shell("mkdir -p '%s/a/empty' '%s/readonly' && cd '%s' && echo one >a/one && chmod 4751 a/one && "
			   "ln -s ../a/one a/link && ln -s nowhere a/dangling && ln -s a cycle && mkfifo a/fifo && "
			   "touch readonly/file && chmod 2550 readonly && touch -d 2001-02-03 a/one",
			   tree, tree, tree),
		0);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_directory(root, tree, "/data/tree"));
	assert_ok(viso_root_add_file(root, "/etc/passwd", "//data///copy/./passwd"));
	char *link = root_path_of("%s/a/link", tree);
	assert_ok(viso_root_add_file(root, link, "/data/followed"));
	assert_ok(viso_root_build(root));
	const char *path = viso_root_path(root);

	assert_int_equal(root_lstat(path, "/data/tree/a/one", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0751);
	assert_int_equal(st.st_mtime / 86400, 11356);
	assert_int_equal(root_lstat(path, "/data/tree/a/link", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(root_lstat(path, "/data/tree/a/dangling", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(root_lstat(path, "/data/tree/cycle", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(root_lstat(path, "/data/tree/a/empty", &st), 0);
	assert_int_equal(root_lstat(path, "/data/tree/a/fifo", &st), -1);
	assert_int_equal(root_lstat(path, "/data/tree/readonly", &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0550);
	assert_int_equal(root_lstat(path, "/data/followed", &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_true(root_same_file(path, "/data/copy/passwd", "/etc/passwd"));
	viso_root_unref(root);
	assert_int_equal(root_shell("chmod -R u+w '%s'", tree), 0);
	free(link);
	free(tree);
}

static void test_strange_names_are_ordinary(void **state)
{
	static const char *const names[] = {
		"with space", "new\nline", "quote'\"`$(touch x)", "back\\slash", "-rf", "\xff\xfe", "...", "%s%n"};
	viso_root *root = viso_root_new();
	char *tree = root_path_of("%s/tree", root_scratch);
	assert_int_equal(mkdir(tree, 0755), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = root_path_of("%s/%s", tree, names[i]);
		char *target = root_path_of("/other/%s/%s", names[i], names[i]);
		root_write_text(path, names[i], 0644);
		assert_ok(viso_root_add_file(root, path, target));
		free(path);
		free(target);
	}
	assert_ok(viso_root_add_directory(root, tree, "/strange"));
	assert_ok(viso_root_build(root));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *host = root_path_of("%s/%s", tree, names[i]);
		char *target = root_path_of("/other/%s/%s", names[i], names[i]);
		assert_true(root_same_file(viso_root_path(root), target, host));
		free(target);
		target = root_path_of("/strange/%s", names[i]);
		assert_true(root_same_file(viso_root_path(root), target, host));
		free(target);
		free(host);
	}
	viso_root_unref(root);
	free(tree);
}

static void test_conflicts(void **state)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_file(root, "/etc/passwd", "/x"));
	assert_ok(viso_root_add_file(root, "/etc/passwd", "/x"));
	assert_fails(viso_root_add_file(root, "/etc/group", "/x"), EEXIST, VISO_STAGE_ROOT, "/x");
	assert_fails(viso_root_add_data(root, "/x", "x", 1, 0644), EEXIST, VISO_STAGE_ROOT, "/x");
	assert_fails(viso_root_add_data(root, "/x/y", "x", 1, 0644), EEXIST, VISO_STAGE_ROOT, "/x");
	assert_fails(viso_root_add_directory(root, root_scratch, "/x"), EEXIST, VISO_STAGE_ROOT, "/x");
	assert_ok(viso_root_add_data(root, "/d/y", "x", 1, 0644));
	assert_ok(viso_root_add_data(root, "/d/y", "x", 1, 0644));
	assert_fails(viso_root_add_data(root, "/d/y", "y", 1, 0644), EEXIST, VISO_STAGE_ROOT, "/d/y");
	assert_fails(viso_root_add_data(root, "/d/y", "x", 1, 0600), EEXIST, VISO_STAGE_ROOT, "/d/y");
	assert_fails(viso_root_add_data(root, "/d", "x", 1, 0600), EEXIST, VISO_STAGE_ROOT, "/d");
	assert_ok(viso_root_add_directory(root, root_scratch, "/d"));
	assert_ok(viso_root_build(root));
	viso_root_unref(root);
}

static void test_failed_call_adds_nothing(void **state)
{
	char *tree = root_path_of("%s/tree", root_scratch);
	assert_int_equal(root_shell("mkdir -p '%s/a' && touch '%s/a/1' '%s/b'", tree, tree, tree), 0);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_data(root, "/t/b", "x", 1, 0644));
	assert_int_equal(viso_root_add_directory(root, tree, "/t"), -EEXIST);
	assert_int_equal(viso_root_add_data(root, "/t/b/c", "x", 1, 0644), -EEXIST);
	assert_ok(viso_root_build(root));
	assert_false(root_has_file(viso_root_path(root), "/t/a/1"));
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), "/t/a", &st), -1);
	viso_root_unref(root);
	free(tree);
}

static void test_links_of_the_root_are_followed_inside_it(void **state)
{
	/* A tree with a link that leads out of it: what is put behind it lands in the root all the same. */
	char *tree = root_path_of("%s/tree", root_scratch);
	char *outside = root_path_of("%s/outside", root_scratch);
	assert_int_equal(root_shell("mkdir '%s' '%s' && ln -s '%s' '%s/out' && ln -s ../../../.. '%s/up'", tree,
				    outside, outside, tree, tree),
			 0);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_directory(root, tree, "/t"));
	assert_ok(viso_root_add_data(root, "/t/out/file", "x", 1, 0644));
	assert_ok(viso_root_add_data(root, "/t/up/top", "x", 1, 0644));
	assert_ok(viso_root_build(root));
	char *inside = root_path_of("%s/file", outside);
	assert_true(root_has_file(viso_root_path(root), inside));
	assert_true(root_has_file(viso_root_path(root), "/t/out/file"));
	assert_true(root_has_file(viso_root_path(root), "/top"));
	assert_int_equal(access(inside, F_OK), -1);
	viso_root_unref(root);
	free(inside);
	free(outside);
	free(tree);
}

static void test_file_in_a_merged_directory(void **state)
{
	char text[64];
	skip_without(readlink("/bin", text, sizeof(text)) > 0, "a host with /bin merged into /usr");
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_data(root, "/bin/hello", "#!/bin/sh\n", 10, 0755));
	assert_ok(viso_root_add_program(root, "/bin/sh"));
	assert_ok(viso_root_build(root));
	assert_true(root_has_file(viso_root_path(root), "/bin/hello"));
	assert_true(root_has_file(viso_root_path(root), "/usr/bin/hello"));
	assert_true(root_has_file(viso_root_path(root), "/bin/sh"));
	viso_root_unref(root);
}

static void test_foreign_layout_takes_programs_of_the_host(void **state)
{
	/* A base tree that is not merged into /usr, and a program of a host that is. */
	char *tree = root_path_of("%s/tree", root_scratch);
	assert_int_equal(root_shell("mkdir -p '%s/bin' '%s/lib' '%s/lib64' '%s/usr/bin'", tree, tree, tree, tree), 0);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_directory(root, tree, "/"));
	assert_ok(viso_root_add_program(root, "/bin/bash"));
	assert_ok(viso_root_build(root));
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), "/bin", &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_true(root_has_file(viso_root_path(root), "/bin/bash"));
	if (geteuid() == 0)
		assert_int_equal(root_chroot_run(viso_root_path(root), NULL,
						 (const char *[]){"/bin/bash", "-c", "exit 7", NULL}),
				 7);
	viso_root_unref(root);
	free(tree);
}

static void test_named_directory_is_kept(void **state)
{
	char *path = root_path_of("%s/named", root_scratch);
	char *slashes = root_path_of("%s///", path);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_data(root, "/x", "x", 1, 0644));
	assert_ok(viso_root_set_path(root, slashes));
	assert_ok(viso_root_build(root));
	assert_string_equal(viso_root_path(root), path);
	viso_root_unref(root);
	assert_true(root_has_file(path, "/x"));

	root = viso_root_new();
	assert_ok(viso_root_set_path(root, path));
	assert_fails(viso_root_build(root), ENOTEMPTY, VISO_STAGE_ROOT, path);
	assert_true(root_has_file(path, "/x"));
	char *link = root_path_of("%s/link", root_scratch);
	assert_int_equal(symlink(root_scratch, link), 0);
	assert_int_equal(viso_root_set_path(root, link), -ENOTDIR);
	viso_root_unref(root);
	support_remove_tree(path);
	free(link);
	free(slashes);
	free(path);
}

static void test_named_directory_after_a_failure(void **state)
{
	struct stat st;
	char *path = root_path_of("%s/named", root_scratch);
	char *source = root_path_of("%s/source", root_scratch);
	for (int existed = 0; existed < 2; existed++) {
		root_write_text(source, "x", 0644);
		if (existed)
			assert_int_equal(mkdir(path, 0710), 0);
		viso_root *root = viso_root_new();
		assert_ok(viso_root_set_path(root, path));
		assert_ok(viso_root_add_data(root, "/a/b/c", "x", 1, 0644));
		assert_ok(viso_root_add_file(root, source, "/z/source"));
		assert_int_equal(unlink(source), 0);
		assert_fails(viso_root_build(root), ENOENT, VISO_STAGE_ROOT, source);
		assert_int_equal(stat(path, &st), existed ? 0 : -1);
		if (existed) {
			assert_int_equal(st.st_mode & 07777, 0710);
			assert_int_equal(rmdir(path), 0);
		}
		/* What was missing is there again: a second try works. */
		root_write_text(source, "x", 0644);
		assert_ok(viso_root_build(root));
		viso_root_unref(root);
		support_remove_tree(path);
	}
	free(source);
	free(path);
}

static void test_named_directory_is_looked_at_again(void **state)
{
	char *path = root_path_of("%s/named", root_scratch);
	char *file = root_path_of("%s/file", path);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_set_path(root, path));
	assert_int_equal(mkdir(path, 0755), 0);
	root_write_text(file, "mine", 0644);
	assert_fails(viso_root_build(root), ENOTEMPTY, VISO_STAGE_ROOT, path);
	assert_int_equal(access(file, F_OK), 0);
	/* And a link that was planted meanwhile leads nowhere. */
	support_remove_tree(path);
	char *victim = root_path_of("%s/victim", root_scratch);
	assert_int_equal(mkdir(victim, 0755), 0);
	assert_int_equal(symlink(victim, path), 0);
	assert_fails(viso_root_build(root), ENOENT, VISO_STAGE_ROOT, path);
	assert_int_equal(rmdir(victim), 0);
	viso_root_unref(root);
	unlink(path);
	free(victim);
	free(file);
	free(path);
}

static void test_replaced_root_is_noticed(void **state)
{
	char *path = root_path_of("%s/named", root_scratch);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_set_path(root, path));
	assert_ok(viso_root_build(root));
	int fd = -1;
	assert_ok(root_open(root, &fd));
	close(fd);
	char *moved = root_path_of("%s/moved", root_scratch);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_fails(root_open(root, &fd), ENOENT, VISO_STAGE_ROOT, path);
	viso_root_unref(root);
	free(moved);
	free(path);
}

static void test_sources_are_not_followed_when_they_change(void **state)
{
	char *source = root_path_of("%s/source", root_scratch);
	root_write_text(source, "x", 0644);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_file(root, source, "/x"));
	assert_int_equal(unlink(source), 0);
	assert_int_equal(symlink("/etc/passwd", source), 0);
	assert_fails(viso_root_build(root), ENOENT, VISO_STAGE_ROOT, source);
	assert_int_equal(unlink(source), 0);
	assert_int_equal(mkfifo(source, 0644), 0);
	assert_fails(viso_root_build(root), ENOENT, VISO_STAGE_ROOT, source);
	viso_root_unref(root);
	free(source);
}

static void test_sparse_and_virtual_files(void **state)
{
	char *sparse = root_path_of("%s/sparse", root_scratch);
	int fd = open(sparse, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	const off_t size = (off_t)1 << 40;
	if (pwrite(fd, "begin", 5, 0) != 5 || pwrite(fd, "middle", 6, size / 2) != 6 || ftruncate(fd, size) < 0) {
		close(fd);
		free(sparse);
		skip_without(false, "a file system with files of a terabyte");
	}
	close(fd);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_file(root, sparse, "/sparse"));
	assert_ok(viso_root_add_file(root, "/proc/version", "/version"));
	assert_ok(viso_root_build(root));
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), "/sparse", &st), 0);
	assert_int_equal(st.st_size, size);
	assert_true(st.st_blocks < 2048);
	char text[8] = "";
	fd = root_open_inside(viso_root_path(root), "/sparse", O_RDONLY);
	assert_int_equal(pread(fd, text, 6, size / 2), 6);
	close(fd);
	assert_string_equal(text, "middle");
	assert_int_equal(root_lstat(viso_root_path(root), "/version", &st), 0);
	assert_true(st.st_size > 10);
	viso_root_unref(root);
	free(sparse);
}

static void test_umask_does_not_matter(void **state)
{
	static const mode_t masks[] = {0, 077, 0777};
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		struct stat st;
		mode_t old = umask(masks[i]);
		viso_root *root = viso_root_new();
		int r = viso_root_add_data(root, "/a/file", "x", 1, 0640);
		if (r >= 0)
			r = viso_root_build(root);
		mode_t after = umask(old);
		assert_ok(r);
		assert_int_equal(after, masks[i]);
		assert_int_equal(root_lstat(viso_root_path(root), "/a", &st), 0);
		assert_int_equal(st.st_mode & 07777, 0755);
		assert_int_equal(root_lstat(viso_root_path(root), "/a/file", &st), 0);
		assert_int_equal(st.st_mode & 07777, 0640);
		viso_root_unref(root);
	}
}

static int add_unreadable(void *argument)
{
	viso_root *root = viso_root_new();
	char **paths = argument;
	bool good = viso_root_add_file(root, paths[0], "/x") == -EACCES && viso_error_number() == EACCES &&
		    strstr(viso_error_object(), paths[0]) && viso_root_add_program(root, paths[0]) == -EACCES &&
		    viso_root_add_directory(root, paths[1], "/y") == -EACCES &&
		    viso_root_add_directory(root, paths[2], "/z") == 0 && viso_root_build(root) == -EACCES &&
		    strstr(viso_error_object(), "secret");
	viso_root_unref(root);
	return good ? 0 : 1;
}

static void test_unreadable_files(void **state)
{
	char *secret = root_path_of("%s/tree/secret", root_scratch);
	char *closed = root_path_of("%s/closed", root_scratch);
	char *tree = root_path_of("%s/tree", root_scratch);
	assert_int_equal(chmod(root_scratch, 0777), 0);
	assert_int_equal(mkdir(tree, 0755), 0);
	root_write_text(secret, "#!/bin/sh\n", 0111);
	assert_int_equal(mkdir(closed, 0), 0);
	char *paths[] = {secret, closed, tree};
	assert_int_equal(root_in_child(true, add_unreadable, paths), 0);
	free(secret);
	free(closed);
	free(tree);
}

static int fill_disk(void *argument)
{
	const char *directory = argument;
	char *path = root_path_of("%s/full", directory);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", path, "tmpfs", 0, "size=1m") < 0)
		return 77;
	support_set_temporary(path);
	viso_root *root = viso_root_new();
	if (viso_root_add_program(root, "/usr/bin/python3") < 0 && viso_root_add_program(root, "/bin/bash") < 0)
		return 2;
	if (viso_root_build(root) != -ENOSPC || viso_error_number() != ENOSPC ||
	    viso_error_stage() != VISO_STAGE_ROOT || !viso_error_object()[0])
		return 3;
	DIR *dir = opendir(path);
	int entries = 0;
	while (readdir(dir))
		entries++;
	closedir(dir);
	viso_root_unref(root);
	return entries == 2 ? 0 : 4;
}

static void test_full_disk(void **state)
{
	skip_without(geteuid() == 0, "root, to mount a small tmpfs");
	char *path = root_path_of("%s/full", root_scratch);
	assert_int_equal(mkdir(path, 0755), 0);
	int r = root_in_child(false, fill_disk, root_scratch);
	free(path);
	skip_without(r != 77, "a mount namespace with a tmpfs");
	assert_int_equal(r, 0);
}

static void test_missing_tmpdir(void **state)
{
	char *path = root_path_of("%s/missing", root_scratch);
	support_set_temporary(path);
	viso_root *root = viso_root_new();
	assert_fails(viso_root_build(root), ENOENT, VISO_STAGE_ROOT, path);
	viso_root_unref(root);
	support_set_temporary(root_scratch);
	free(path);
}

static int use_after_fork(void *argument)
{
	viso_root *root = argument;
	int fd;
	bool good = viso_root_add_data(root, "/y", "", 0, 0) == -ECHILD && viso_root_build(root) == -ECHILD &&
		    viso_root_set_path(root, "/tmp/y") == -ECHILD && viso_root_use_directory(root, "/") == -ECHILD &&
		    viso_root_add_program(root, "sh") == -ECHILD &&
		    viso_root_add_file(root, "/etc/passwd", NULL) == -ECHILD &&
		    viso_root_add_directory(root, "/etc", NULL) == -ECHILD && root_open(root, &fd) == -ECHILD &&
		    !viso_root_path(root) && viso_error_number() == ECHILD;
	viso_root_unref(root);
	return good ? 0 : 1;
}

static void test_handles_do_not_work_after_a_fork(void **state)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_data(root, "/x", "x", 1, 0644));
	assert_ok(viso_root_build(root));
	assert_int_equal(root_in_child(false, use_after_fork, root), 0);
	/* The child's release has freed memory only. */
	assert_true(root_has_file(viso_root_path(root), "/x"));
	viso_root_unref(root);
}

static int build_and_die(void *argument)
{
	viso_root *root = viso_root_new();
	if (viso_root_add_data(root, "/a/b/c/d", "x", 1, 0644) < 0 || viso_root_build(root) < 0)
		return 1;
	if (root_count_left(root_scratch) != 1)
		return 2;
	raise(SIGKILL);
	return 3;
}

static void test_killed_host_leaves_nothing(void **state)
{
	assert_int_equal(root_in_child(false, build_and_die, NULL), 255);
	/* The launcher notices and cleans up. */
	await_that(root_count_left(root_scratch) == 0);
}

static void *build_root(void *argument)
{
	return viso_root_build(argument) == 0 ? viso_root_ref(argument) : NULL;
}

static void test_threads_build_one_root(void **state)
{
	pthread_t threads[8];
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_program(root, "/bin/sh"));
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, build_root, root), 0);
	for (int i = 0; i < 8; i++) {
		void *result;
		pthread_join(threads[i], &result);
		assert_ptr_equal(result, root);
		viso_root_unref(root);
	}
	assert_int_equal(root_count_left(root_scratch), 1);
	viso_root_unref(root);
}

static void *build_roots(void *argument)
{
	for (int i = 0; i < 10; i++) {
		viso_root *root = viso_root_new();
		bool good = root && viso_root_add_program(root, "/bin/sh") == 0 && viso_root_build(root) == 0;
		viso_root_unref(root);
		if (!good)
			return argument;
	}
	return NULL;
}

static void test_threads_build_their_own_roots(void **state)
{
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, build_roots, threads), 0);
	for (int i = 0; i < 4; i++) {
		void *result;
		pthread_join(threads[i], &result);
		assert_null(result);
	}
	assert_int_equal(root_count_left(root_scratch), 0);
}

static void test_nothing_is_left_open(void **state)
{
	/* The first build may start the launcher, which stays. */
	build_roots(NULL);
	int fds = support_count_fds();
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_program(root, "/bin/bash"));
	assert_int_equal(support_count_fds(), fds);
	assert_ok(viso_root_build(root));
	assert_int_equal(support_count_fds(), fds);
	assert_int_equal(viso_root_add_program(root, "bash"), -EBUSY);
	viso_root_unref(root);
	root = viso_root_new();
	assert_int_equal(viso_root_add_program(root, "/etc/passwd"), -EACCES);
	assert_int_equal(viso_root_add_program(root, "no-such-program"), -ENOENT);
	viso_root_unref(root);
	assert_int_equal(support_count_fds(), fds);
}

static void test_success_leaves_the_error_alone(void **state)
{
	viso_error_clear();
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_program(root, "/bin/bash"));
	assert_ok(viso_root_add_directory(root, root_scratch, "/scratch"));
	if (access("/usr/bin/python3", X_OK) == 0)
		assert_ok(viso_root_add_program(root, "/usr/bin/python3"));
	assert_ok(viso_root_build(root));
	viso_root_unref(root);
	assert_int_equal(viso_error_number(), 0);
}

#define root_test(name) cmocka_unit_test_setup_teardown(name, root_set_up, root_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		root_test(test_null_handles_are_refused),
		root_test(test_bad_arguments_are_refused),
		root_test(test_long_names_are_refused),
		root_test(test_order_of_calls),
		root_test(test_existing_directory_is_used_as_it_is),
		root_test(test_skeleton),
		root_test(test_own_directory_is_closed_to_others),
		root_test(test_users_that_were_added_stay),
		root_test(test_files_directories_and_links),
		root_test(test_strange_names_are_ordinary),
		root_test(test_conflicts),
		root_test(test_failed_call_adds_nothing),
		root_test(test_links_of_the_root_are_followed_inside_it),
		root_test(test_file_in_a_merged_directory),
		root_test(test_foreign_layout_takes_programs_of_the_host),
		root_test(test_named_directory_is_kept),
		root_test(test_named_directory_after_a_failure),
		root_test(test_named_directory_is_looked_at_again),
		root_test(test_replaced_root_is_noticed),
		root_test(test_sources_are_not_followed_when_they_change),
		root_test(test_sparse_and_virtual_files),
		root_test(test_umask_does_not_matter),
		root_test(test_unreadable_files),
		root_test(test_full_disk),
		root_test(test_missing_tmpdir),
		root_test(test_handles_do_not_work_after_a_fork),
		root_test(test_killed_host_leaves_nothing),
		root_test(test_threads_build_one_root),
		root_test(test_threads_build_their_own_roots),
		root_test(test_nothing_is_left_open),
		root_test(test_success_leaves_the_error_alone),
	};
	return cmocka_run_group_tests_name("root_build", tests, NULL, NULL);
}
