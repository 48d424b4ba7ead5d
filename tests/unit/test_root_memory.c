/* SPDX-License-Identifier: MIT */
/* Each allocation of each call fails in turn: the call says so, leaves nothing, and works when it is tried again. */
#include "test_root_support.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);

static char *scratch, *path, *source;
/* Of the thread that is tested; -1 for never. */
static _Thread_local long seen, fail_at = -1;

static bool fails(void)
{
	if (seen++ != fail_at)
		return false;
	errno = ENOMEM;
	return true;
}

/* In place of glibc's, also for the library. */
void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size)
{
	return fails() ? NULL : __libc_realloc(pointer, size);
}

static int set_up(void **state)
{
	scratch = support_temporary_directory();
	support_set_temporary(scratch);
	path = root_path_of("%s/root", scratch);
	source = root_path_of("%s/source", scratch);
	return root_shell("mkdir -p %s/d && cd %s/d && echo one >one && ln -s one link && tar cf ../a.tar one link",
			  source, source);
}

static int tear_down(void **state)
{
	int left = root_count_left(scratch);
	support_set_temporary(NULL);
	support_remove_tree(scratch);
	free(scratch);
	free(path);
	free(source);
	return left;
}

static viso_root *named_root(void)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_set_path(root, path));
	assert_ok(viso_root_add_directory(root, source, "/d"));
	assert_ok(viso_root_add_data(root, "/etc/motd", "hello\n", 6, 0640));
	return root;
}

static viso_root *built_root(void)
{
	viso_root *root = named_root();
	assert_ok(viso_root_build(root));
	return root;
}

static int plan(viso_root *root)
{
	viso_manifest *manifest = NULL;
	int r = viso_root_plan(root, &manifest);
	viso_manifest_unref(manifest);
	return r;
}

static int save_and_load(viso_root *root)
{
	char file[256];
	viso_manifest *manifest = NULL, *loaded = NULL;
	snprintf(file, sizeof(file), "%s/saved", scratch);
	int r = viso_root_manifest(root, &manifest);
	if (r >= 0)
		r = viso_manifest_save(manifest, file);
	if (r >= 0)
		r = viso_manifest_load(file, &loaded);
	viso_manifest_unref(manifest);
	viso_manifest_unref(loaded);
	return r;
}

static int add_directory(viso_root *root)
{
	return viso_root_add_directory(root, source, "/again");
}

/* What libarchive does without memory is its own matter: it ends the process, or follows NULL. Until it is called. */
static int add_archive(viso_root *root)
{
	char file[256];
	snprintf(file, sizeof(file), "%s/a.tar", source);
	return fail_at > 5 ? 0 : viso_root_add_archive(root, file, "/base");
}

/* In a child of its own: a crash is a failure of this one only. */
static int try(viso_root *(*make)(void), int (*call)(viso_root *), long n)
{
	viso_root *root = make();
	bool was_there = access(path, F_OK) == 0;
	seen = 0;
	fail_at = n;
	int r = call(root);
	long count = seen;
	fail_at = -1;
	if (r < 0 && (r != -ENOMEM || viso_error_number() != ENOMEM)) {
		print_error("allocation %ld: %d, and error %d: %s\n", n, r, viso_error_number(), viso_error_message());
		return 1;
	}
	if (r < 0 && call == viso_root_build && !was_there && access(path, F_OK) == 0) {
		print_error("allocation %ld: something was left\n", n);
		return 1;
	}
	if (r < 0 && (r = call(root)) < 0) {
		print_error("allocation %ld: tried again: %d: %s\n", n, r, viso_error_message());
		return 1;
	}
	viso_root_unref(root);
	return n < count ? 0 : 2;
}

static void fail_each(viso_root *(*make)(void), int (*call)(viso_root *))
{
	int status = 0;
	for (long n = 0; status == 0; n++) {
		root_shell("rm -rf %s", path);
		fflush(NULL);
		pid_t child = fork();
		if (child == 0)
			_exit(try(make, call, n));
		assert_int_equal(waitpid(child, &status, 0), child);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
}

static void test_each_call_survives_without_memory(void **state)
{
	fail_each(named_root, plan);
	fail_each(named_root, add_directory);
	fail_each(named_root, viso_root_build);
	fail_each(named_root, viso_root_update);
	fail_each(built_root, save_and_load);
}

static void test_a_base_survives_without_memory(void **state)
{
	skip_without(dlopen("libarchive.so.13", RTLD_NOW), "libarchive");
	fail_each(named_root, add_archive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_call_survives_without_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_base_survives_without_memory, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("root_memory", tests, NULL, NULL);
}
