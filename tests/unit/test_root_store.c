/* SPDX-License-Identifier: MIT */
/* Roots that share the contents of their files by a store. */
#include "test_root_support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *scratch, *store;

static int set_up(void **state)
{
	scratch = support_temporary_directory();
	store = root_path_of("%s/store", scratch);
	assert_int_equal(
		root_shell(
			"cd %s && mkdir source && cd source && for i in $(seq 40); do head -c 9000 /dev/urandom >$i; "
			"done && cp 1 copy && touch empty && chmod 755 2 && touch -d 2001-02-03 *",
			scratch),
		0);
	return 0;
}

static int tear_down(void **state)
{
	support_remove_tree(scratch);
	free(scratch);
	free(store);
	return 0;
}

static viso_root *new_root(int number, bool named)
{
	viso_root *root = viso_root_new();
	char *path = root_path_of("%s/root%d", scratch, number), *source = root_path_of("%s/source", scratch);
	if (named)
		assert_ok(viso_root_set_path(root, path));
	assert_ok(viso_root_set_store(root, store));
	assert_ok(viso_root_add_directory(root, source, "/d"));
	assert_ok(viso_root_add_data(root, "/etc/motd", "hello\n", 6, 0640));
	free(path);
	free(source);
	return root;
}

static bool try_build(int number)
{
	viso_root *root = new_root(number, true);
	bool ok = viso_root_build(root) >= 0 && viso_root_verify(root, NULL) == 0;
	if (!ok)
		print_error("%s\n", viso_error_message());
	viso_root_unref(root);
	return ok && root_shell("cd %s && diff -r source root%d/d", scratch, number) == 0;
}

static void build(int number)
{
	assert_true(try_build(number));
}

static bool is_shared(const char *file, int a, int b)
{
	return root_shell("test %s/root%d/d/%s -ef %s/root%d/d/%s", scratch, a, file, scratch, b, file) == 0;
}

/* File systems that can share blocks do not need hard links. */
static bool have_links(void)
{
	return root_shell("cd %s && cp --reflink=always source/1 probe 2>/dev/null", scratch) != 0;
}

static void test_roots_share(void **state)
{
	skip_without(have_links(), "a file system without reflinks");
	for (int i = 0; i < 4; i++)
		build(i);
	assert_true(is_shared("1", 0, 3) && is_shared("2", 1, 2));
	assert_int_equal(root_shell("test %s/root0/d/1 -ef %s/root0/d/copy", scratch, scratch), 0);
	/* Not with the host. */
	assert_int_equal(root_shell("test %s/root0/d/1 -ef %s/source/1", scratch, scratch), 1);
	assert_int_equal(root_shell("test $(du -s %s/root0 %s/root3 | tail -1 | cut -f1) -lt 80", scratch, scratch), 0);
	for (int i = 0; i < 4; i++) {
		viso_root *root = new_root(i, true);
		assert_int_equal(viso_root_update(root), 0);
		viso_root_unref(root);
	}
	/* A root without a name shares, too. */
	viso_root *root = new_root(0, false);
	assert_ok(viso_root_build(root));
	assert_int_equal(root_shell("cd %s && diff -r source %s/d", scratch, viso_root_path(root)), 0);
	viso_root_unref(root);
}

static void test_update_replaces_and_does_not_write(void **state)
{
	build(0);
	build(1);
	assert_int_equal(root_shell("cd %s/source && echo other >1 && chmod 700 2", scratch), 0);
	viso_root *root = new_root(1, true);
	assert_int_equal(viso_root_update(root), 2);
	viso_root_unref(root);
	assert_int_equal(
		root_shell("cd %s && diff -r source root1/d && cmp source/copy root0/d/1 && test $(stat -c %%a "
			   "root0/d/2) = 755",
			   scratch),
		0);
	root = viso_root_new();
	char *path = root_path_of("%s/root0", scratch);
	assert_ok(viso_root_use_directory(root, path));
	assert_int_equal(viso_root_verify(root, NULL), 0);
	viso_root_unref(root);
	free(path);
}

static void test_damaged_objects_are_not_used(void **state)
{
	skip_without(have_links(), "a file system without reflinks");
	build(0);
	assert_int_equal(root_shell("cd %s/root0/d && echo damage >>1 && echo >3 && chmod 777 2", scratch), 0);
	build(1);
	assert_false(is_shared("1", 0, 1) || is_shared("2", 0, 1));
	assert_true(is_shared("4", 0, 1));
	viso_root *root = new_root(0, true);
	assert_true(viso_root_update(root) >= 3);
	assert_int_equal(viso_root_verify(root, NULL), 0);
	viso_root_unref(root);
	/* Objects that are gone, or the index, or what is no object. */
	assert_int_equal(
		root_shell(
			"cd %s && find . -type f -path './0*' -delete; find . -type f -path './1*' -exec sh -c 'rm $0; "
			"ln -s /etc/passwd $0' {} \\;; echo garbage >>index",
			store),
		0);
	build(2);
	assert_int_equal(root_shell("rm %s/index; mkfifo %s/index", store, store), 0);
	root = new_root(3, true);
	assert_true(viso_root_build(root) < 0);
	viso_root_unref(root);
}

/* A text that takes a block on ext4, one that does not, and one whose object somebody spoils. */
static void add_links(viso_root *root)
{
	char *links = root_path_of("%s/links", scratch);
	assert_int_equal(root_shell("mkdir -p %s && cd %s && long=$(printf %%0100d 0) && ln -sfn a/$long long && "
				    "ln -sfn S/$long spoilt && ln -sfn long short",
				    links, links),
			 0);
	assert_ok(viso_root_add_directory(root, links, "/d/links"));
	free(links);
}

static void build_links(int number)
{
	viso_root *root = new_root(number, true);
	add_links(root);
	assert_ok(viso_root_build(root));
	assert_int_equal(viso_root_verify(root, NULL), 0);
	viso_root_unref(root);
	root = new_root(number, true);
	add_links(root);
	assert_int_equal(viso_root_update(root), 0);
	viso_root_unref(root);
}

/* test -ef would follow them. */
static bool is_link_shared(const char *name, int a, int b)
{
	return root_shell("cd %s && test $(stat -c %%i root%d/d/links/%s) = $(stat -c %%i root%d/d/links/%s)", scratch,
			  a, name, b, name) == 0;
}

static int links_in_store(void)
{
	char *text = root_shell_output("find %s -type l | wc -l", store);
	int count = atoi(text);
	free(text);
	return count;
}

static void test_links_share(void **state)
{
	build_links(0);
	build_links(1);
	assert_true(is_link_shared("long", 0, 1) && is_link_shared("spoilt", 0, 1));
	assert_false(is_link_shared("short", 0, 1));
	assert_int_equal(links_in_store(), 2);
	/* Another text, an object that is none, and a directory in the place of one. */
	assert_int_equal(root_shell("cd %s && for l in $(find . -type l); do case $(readlink $l) in S*) "
				    "ln -sfn /etc/passwd $l;; *) rm $l; mkdir $l; touch $l/x;; esac; done",
				    store),
			 0);
	build_links(2);
	assert_false(is_link_shared("long", 1, 2) || is_link_shared("spoilt", 1, 2));
	build_links(3);
	assert_true(is_link_shared("spoilt", 2, 3));
	assert_false(is_link_shared("long", 2, 3));
	assert_int_equal(root_shell("rm -r %s/root?", scratch), 0);
	assert_true(viso_root_prune_store(store) > 0);
	assert_int_equal(links_in_store(), 0);
}

static void test_prune(void **state)
{
	skip_without(have_links(), "a file system without reflinks");
	build(0);
	/* What a killed builder leaves. */
	assert_int_equal(root_shell("echo >%s/new-0123456789abcdef", store), 0);
	assert_int_equal(viso_root_prune_store(store), 1);
	assert_int_equal(viso_root_prune_store(store), 0);
	assert_int_equal(root_shell("rm -r %s/root0", scratch), 0);
	/* 40 files, one of which is there twice, and a record. */
	assert_int_equal(viso_root_prune_store(store), 41);
	assert_int_equal(root_shell("test -z \"$(find %s -type f ! -name viso-store)\"", store), 0);
	build(1);
	assert_int_equal(viso_root_prune_store("x"), -EINVAL);
	assert_int_equal(viso_root_prune_store(NULL), -EINVAL);
	assert_fails(viso_root_prune_store("/no/such"), ENOENT, VISO_STAGE_ROOT, "/no/such");
	assert_fails(viso_root_prune_store("/etc"), EINVAL, VISO_STAGE_ROOT, "/etc");
}

static void test_several_processes(void **state)
{
	pid_t children[6];
	for (int i = 0; i < 6; i++) {
		fflush(NULL);
		children[i] = fork();
		if (children[i] == 0) {
			for (int round = 0; round < 5; round++) {
				if (i == 5 && viso_root_prune_store(store) < 0 && viso_error_number() != ENOENT &&
				    viso_error_number() != EINVAL)
					_exit(1);
				if (i < 5 && !try_build(10 * i + round))
					_exit(2);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < 6; i++) {
		int status;
		waitpid(children[i], &status, 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(root_shell("test -z \"$(find %s -name 'new-*')\"", store), 0);
}

static void test_bad_stores(void **state)
{
	viso_root *root = viso_root_new();
	assert_int_equal(viso_root_set_store(root, NULL), -EINVAL);
	assert_int_equal(viso_root_set_store(root, "x"), -EINVAL);
	assert_fails(viso_root_set_store(root, "/no/such/store"), ENOENT, VISO_STAGE_ROOT, "/no/such/store");
	assert_fails(viso_root_set_store(root, "/etc/passwd"), ENOTDIR, VISO_STAGE_ROOT, "/etc/passwd");
	char *source = root_path_of("%s/source", scratch), *open_to_all = root_path_of("%s/open", scratch);
	assert_fails(viso_root_set_store(root, source), EINVAL, VISO_STAGE_ROOT, source);
	assert_int_equal(root_shell("mkdir -m 777 %s", open_to_all), 0);
	assert_fails(viso_root_set_store(root, open_to_all), EACCES, VISO_STAGE_ROOT, open_to_all);
	assert_ok(viso_root_set_store(root, store));
	assert_ok(viso_root_set_copy_method(root, VISO_COPY_BYTES));
	assert_int_equal(viso_root_build(root), -EINVAL);
	assert_ok(viso_root_set_copy_method(root, VISO_COPY_HARDLINK));
	assert_ok(viso_root_build(root));
	viso_root_unref(root);
	free(source);
	free(open_to_all);
}

static void test_store_on_another_file_system(void **state)
{
	struct stat ours, theirs;
	skip_without(!stat(scratch, &ours) && !stat("/dev/shm", &theirs) && ours.st_dev != theirs.st_dev &&
			     !access("/dev/shm", W_OK),
		     "another file system at /dev/shm");
	free(store);
	store = root_path_of("/dev/shm/viso-store-%d", getpid());
	viso_root *root = new_root(0, true);
	assert_fails(viso_root_build(root), EXDEV, VISO_STAGE_ROOT, store);
	viso_root_unref(root);
	support_remove_tree(store);
}

/* As a user who cannot give files away: 0 where the file of root's archive is in the root, and as the record says. */
static int build_from_archive(void *argument)
{
	char *archive = root_path_of("%s/a.tar", scratch), *path = root_path_of("%s/root", (char *)argument);
	char *shared = root_path_of("%s/store", (char *)argument), *inside = root_path_of("%s/services", path);
	setenv("TMPDIR", argument, 1);
	viso_root *root = viso_root_new();
	int failed = viso_root_set_path(root, path) < 0 || viso_root_set_store(root, shared) < 0 ||
		     viso_root_add_archive(root, archive, NULL) < 0 || viso_root_build(root) < 0;
	if (failed)
		print_error("%s\n", viso_error_message());
	int differences = failed ? 0 : viso_root_verify(root, NULL);
	bool same = !failed && root_shell("cmp -s %s /etc/services", inside) == 0;
	viso_root_unref(root);
	free(archive);
	free(path);
	free(shared);
	free(inside);
	return failed ? 1 : differences ? 2 : same ? 0 : 3;
}

static void test_owners_that_cannot_be_given(void **state)
{
	char *open_to_all = root_path_of("%s/open", scratch);
	skip_without(HAVE_ARCHIVE, "libarchive");
	skip_without(access("/etc/services", R_OK) == 0, "/etc/services");
	assert_int_equal(root_shell("tar -C /etc --owner=0 --group=0 -cf %s/a.tar services && chmod 644 %s/a.tar && "
				    "chmod 755 %s && mkdir -m 1777 %s",
				    scratch, scratch, scratch, open_to_all),
			 0);
	assert_int_equal(root_in_child(true, build_from_archive, open_to_all), 0);
	free(open_to_all);
}

#define store_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(test_roots_share),
		store_test(test_update_replaces_and_does_not_write),
		store_test(test_damaged_objects_are_not_used),
		store_test(test_links_share),
		store_test(test_prune),
		store_test(test_several_processes),
		store_test(test_bad_stores),
		store_test(test_owners_that_cannot_be_given),
		store_test(test_store_on_another_file_system),
	};
	return cmocka_run_group_tests_name("root_store", tests, NULL, NULL);
}
