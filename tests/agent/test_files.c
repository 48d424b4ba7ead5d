/* SPDX-License-Identifier: MIT */
/* Files into and out of a guest by viso-agent. */
#include "agent_support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *directory, *host, *inside;

static int set_up(void **state)
{
	directory = support_temporary_directory();
	assert_true(asprintf(&host, "%s/host", directory) > 0);
	assert_true(asprintf(&inside, "%s/guest", directory) > 0);
	assert_int_equal(mkdir(host, 0755), 0);
	assert_int_equal(mkdir(inside, 0755), 0);
	/* The default user of a guest's commands. */
	if (geteuid() == 0)
		assert_int_equal(chown(inside, 1000, 1000), 0);
	return 0;
}

static int tear_down(void **state)
{
	support_remove_tree(directory);
	free(directory);
	free(host);
	free(inside);
	return 0;
}

static const char *at(const char *base, const char *name)
{
	static char paths[4][512];
	static int next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", base, name);
	return path;
}

static void put(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static void assert_file(const char *path, const char *text, mode_t mode)
{
	char contents[100] = "";
	struct stat st;
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	(void)!fread(contents, 1, sizeof(contents) - 1, file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	fclose(file);
	assert_string_equal(contents, text);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void make_tree(const char *base)
{
	assert_int_equal(mkdir(at(base, "tree"), 0755), 0);
	assert_int_equal(mkdir(at(base, "tree/below"), 0700), 0);
	put(at(base, "tree/file"), "contents", 0640);
	put(at(base, "tree/below/program"), "#!", 0755);
	assert_int_equal(symlink("/etc/passwd", at(base, "tree/link")), 0);
	assert_int_equal(mkfifo(at(base, "tree/fifo"), 0600), 0);
}

static void assert_tree(const char *tree)
{
	char target[32] = "";
	assert_file(at(tree, "file"), "contents", 0640);
	assert_file(at(tree, "below/program"), "#!", 0755);
	assert_true(readlink(at(tree, "link"), target, sizeof(target)) > 0);
	assert_string_equal(target, "/etc/passwd");
	assert_int_equal(access(at(tree, "fifo"), F_OK), -1);
}

static void test_in(void **state)
{
	struct pretended *guest = pretended_open();
	make_tree(host);
	assert_ok(viso_sandbox_copy_in(&guest->sandbox, at(host, "tree"), inside));
	assert_tree(at(inside, "tree"));
	assert_ok(viso_sandbox_copy_in(&guest->sandbox, at(host, "tree/file"), at(inside, "renamed")));
	assert_file(at(inside, "renamed"), "contents", 0640);
	put(at(host, "other"), "new", 0644);
	assert_ok(viso_sandbox_copy_in(&guest->sandbox, at(host, "other"), at(inside, "renamed")));
	assert_file(at(inside, "renamed"), "new", 0644);
	assert_fails(viso_sandbox_copy_in(&guest->sandbox, at(host, "none"), inside), ENOENT, VISO_STAGE_ROOT, "none");
	assert_fails(viso_sandbox_copy_in(&guest->sandbox, at(host, "other"), "/proc/x"), ENOENT, VISO_STAGE_ROOT,
		     "/proc/x");
	pretended_close(guest);
}

static void test_out(void **state)
{
	struct pretended *guest = pretended_open();
	make_tree(inside);
	assert_int_equal(viso_sandbox_copy_out(&guest->sandbox, at(inside, "tree"), at(host, "copy")), 1);
	assert_tree(at(host, "copy"));
	assert_ok(viso_sandbox_copy_out(&guest->sandbox, at(inside, "tree/file"), at(host, "single")));
	assert_file(at(host, "single"), "contents", 0640);
	/* Not followed. */
	char target[32] = "";
	assert_ok(viso_sandbox_copy_out(&guest->sandbox, at(inside, "tree/link"), at(host, "link")));
	assert_true(readlink(at(host, "link"), target, sizeof(target)) > 0);
	assert_fails(viso_sandbox_copy_out(&guest->sandbox, at(inside, "none"), at(host, "x")), ENOENT, VISO_STAGE_ROOT,
		     "none");
	assert_fails(viso_sandbox_copy_out(&guest->sandbox, at(inside, "tree"), at(host, "copy")), EEXIST,
		     VISO_STAGE_ROOT, "copy");
	assert_int_equal(viso_sandbox_copy_out(&guest->sandbox, "/proc/self", at(host, "proc")), 1);
	assert_int_equal(access(at(host, "proc"), F_OK), -1);
	pretended_close(guest);
}

static void test_large_and_sparse(void **state)
{
	struct stat st;
	struct pretended *guest = pretended_open();
	int fd = open(at(inside, "large"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(pwrite(fd, "end", 3, 64 << 20), 3);
	close(fd);
	assert_ok(viso_sandbox_copy_out(&guest->sandbox, at(inside, "large"), at(host, "large")));
	assert_int_equal(stat(at(host, "large"), &st), 0);
	assert_int_equal(st.st_size, (64 << 20) + 3);
	assert_true(st.st_blocks < 1000);
	pretended_close(guest);
}

static void test_refused(void **state)
{
	skip_without(geteuid() == 0, "root");
	struct pretended *guest = pretended_open();
	put(at(host, "file"), "x", 0644);
	assert_int_equal(chmod(inside, 0700), 0);
	assert_int_equal(chown(inside, 0, 0), 0);
	/* Made with the rights of the guest's user, read with all. */
	assert_fails(viso_sandbox_copy_in(&guest->sandbox, at(host, "file"), inside), EACCES, VISO_STAGE_ROOT, inside);
	put(at(inside, "own"), "y", 0600);
	assert_ok(viso_sandbox_copy_out(&guest->sandbox, at(inside, "own"), at(host, "own")));
	pretended_close(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_large_and_sparse, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
	};
	support_time_limit(50);
	return cmocka_run_group_tests_name("agent-files", tests, NULL, NULL);
}
