/* SPDX-License-Identifier: MIT */
/* A builder is killed at every system call; another update must finish the job. */
#include "test_root_support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *scratch, *path;

static int set_up(void **state)
{
	/* fsync(2) is what costs time elsewhere. */
	if (access("/dev/shm", W_OK) == 0)
		support_set_temporary("/dev/shm");
	scratch = support_temporary_directory();
	path = root_path_of("%s/root", scratch);
	assert_int_equal(
		root_shell(
			"cd %s && mkdir -p old/a/b new/a/c new/t && echo 1 >old/a/same && cp -p old/a/same new/a/same "
			"&& "
			"echo old >old/a/changed && echo new >new/a/changed && echo gone >old/a/b/gone && "
			"echo more >new/a/c/more && ln -s same old/a/link && ln -s changed new/a/link && "
			"echo file >old/t && echo directory >new/t/x && echo x >new/a/suid && chmod 755 new/a/suid && "
			"touch -d 2001-02-03 old/a/* new/a/same new/a/suid",
			scratch),
		0);
	return 0;
}

static int tear_down(void **state)
{
	support_remove_tree(scratch);
	free(scratch);
	free(path);
	support_set_temporary(NULL);
	return 0;
}

static viso_root *new_root(const char *source)
{
	viso_root *root = viso_root_new();
	char *directory = root_path_of("%s/%s", scratch, source);
	if (!root || viso_root_set_path(root, path) < 0 || viso_root_add_directory(root, directory, "/") < 0 ||
	    viso_root_add_data(root, "/etc/which", source, strlen(source), 0644) < 0)
		root = viso_root_unref(root);
	free(directory);
	return root;
}

static int update(const char *source)
{
	viso_root *root = new_root(source);
	int r = root ? viso_root_update(root) : -viso_error_number();
	if (r < 0)
		print_error("%s\n", viso_error_message());
	viso_root_unref(root);
	return r;
}

static int build(const char *source)
{
	viso_root *root = new_root(source);
	int r = root ? viso_root_build(root) : -viso_error_number();
	viso_root_unref(root);
	return r;
}

static int remove_root(const char *source)
{
	viso_root *root = viso_root_new();
	int r = viso_root_use_directory(root, path);
	if (r >= 0)
		r = viso_root_remove(root);
	viso_root_unref(root);
	return r;
}

/* The library's own directory included: nothing may be left in it either. */
static char *snapshot(void)
{
	return root_shell_output(
		"cd %s && find . -printf '%%P %%y %%m %%l\\n' | sort; find . -path ./.viso -prune -o -type "
		"f -print0 | sort -z | xargs -0 sha256sum",
		path);
}

/* Runs it in a child that is killed at its `stop`th system call. False where it ended before. */
static bool run_until(int (*function)(const char *), const char *source, int stop)
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(function(source) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	for (int calls = 0; calls < stop;) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSTOPPED(status)) {
			assert_int_equal(status, 0);
			return false;
		}
		calls++;
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return true;
}

static char *undisturbed(const char *source)
{
	assert_true(update(source) > 0);
	char *expected = snapshot();
	support_remove_tree(path);
	return expected;
}

/* From nothing, or from a root of "old". A call has two stops; killed at the first one it is not made any more. */
static void interrupt(int (*function)(const char *), const char *before)
{
	char *expected = undisturbed("new");
	int stop = 1;
	for (bool more = true; more; stop += 2) {
		if (before)
			assert_true(update(before) > 0);
		more = run_until(function, "new", stop);
		if (update("new") < 0)
			fail_msg("after a kill at %d", stop);
		char *found = snapshot();
		if (strcmp(expected, found) != 0)
			print_error("after a kill at %d\n", stop);
		assert_string_equal(expected, found);
		free(found);
		assert_int_equal(update("new"), 0);
		support_remove_tree(path);
	}
	print_message("# %d places\n", stop / 2);
	assert_true(stop > 100);
	free(expected);
}

static void test_build_is_finished_by_update(void **state)
{
	interrupt(build, NULL);
}

static void test_update_is_finished_by_update(void **state)
{
	interrupt(update, "old");
}

/* Back to what it was before, and over to something else: what was intended is ours, too. */
static void test_another_update_takes_over(void **state)
{
	char *expected = undisturbed("old");
	int stop = 1;
	for (bool more = true; more; stop += 6) {
		assert_true(update("old") > 0);
		more = run_until(update, "new", stop);
		more &= run_until(update, "old", stop);
		assert_true(update("old") >= 0);
		char *found = snapshot();
		assert_string_equal(expected, found);
		free(found);
		support_remove_tree(path);
	}
	free(expected);
}

static void test_remove_is_finished_by_remove(void **state)
{
	int stop = 1;
	for (bool more = true; more; stop += 2) {
		assert_true(update("new") > 0);
		more = run_until(remove_root, NULL, stop);
		if (access(path, F_OK) == 0) {
			int r = remove_root(NULL);
			/* Only the empty record is left. */
			if (r == -ENOENT)
				assert_true(update("new") > 0);
			if (access(path, F_OK) == 0)
				assert_int_equal(remove_root(NULL) <= 0, 1);
		}
		support_remove_tree(path);
	}
}

static int fill_disk(void *argument)
{
	char options[32];
	/* In blocks of 4 KiB, so that it runs full at every place. */
	for (int blocks = 8; blocks < 60; blocks++) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			return 2;
		mkdir(path, 0755);
		snprintf(options, sizeof(options), "size=%dk", 4 * blocks);
		if (mount("none", path, "tmpfs", 0, options) < 0)
			return 2;
		char *filler = root_path_of("%s/filler", path);
		int r = update("old");
		if (r < 0 && r != -ENOSPC)
			return 3;
		/* An update that ran out of space goes on when there is some. */
		snprintf(options, sizeof(options), "size=%dk", 4000);
		if (mount(NULL, path, NULL, MS_REMOUNT, options) < 0)
			return 4;
		if (update("new") <= 0 || update("new") != 0)
			return 5;
		free(filler);
		umount2(path, MNT_DETACH);
	}
	return 0;
}

static void test_full_disk(void **state)
{
	skip_without(geteuid() == 0 && root_in_child(false, fill_disk, NULL) != 2, "mounting a tmpfs");
	assert_int_equal(root_in_child(false, fill_disk, NULL), 0);
}

#define root_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		root_test(test_build_is_finished_by_update),
		root_test(test_update_is_finished_by_update),
		root_test(test_another_update_takes_over),
		root_test(test_remove_is_finished_by_remove),
		root_test(test_full_disk),
	};
	return cmocka_run_group_tests_name("root_interrupt", tests, NULL, NULL);
}
