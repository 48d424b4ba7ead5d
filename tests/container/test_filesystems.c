/* SPDX-License-Identifier: MIT */
/* What a container finds mounted, and that the host sees nothing of it. */
#include "box.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_root_is_read_only(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, shell("touch /new /work/new /bin/sh 2>&1 | grep -c 'Read-only'"), "3\n");
	viso_command *command =
		shell("touch /new /work/new 2>&1 | grep -c 'Read-only'; mount -o remount,rw / 2>/dev/null || echo no");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(box, command, "2\nno\n");
	assert_prints(box, shell("grep -c ' / ro,nosuid,nodev' /proc/self/mountinfo"), "1\n");
}

static void test_tmp_is_fresh(void **state)
{
	struct box *box = box_open(state);
	for (int i = 0; i < 2; i++)
		assert_prints(box, shell("ls -A /tmp; echo text > /tmp/file && mkdir /tmp/dir && cat /tmp/file"),
			      "text\n");
	struct stat st;
	char *path = tree_path(box_tree(), "tmp/file");
	assert_int_equal(stat(path, &st), -1);
	free(path);
	assert_prints(box, shell("stat -c %a /tmp"), "1777\n");
}

static void test_tmp_has_the_memory_limit(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "a memory controller for the caller");
	assert_ok(viso_container_set_memory_max(box->container, 32 << 20));
	/* A full /tmp is an error of write(2), or the end by the memory limit. */
	viso_result *result = box_run(box, shell("dd if=/dev/zero of=/tmp/big bs=1M count=100 2>/dev/null || exit 9"));
	assert_true(viso_result_exit_code(result) == 9 || viso_result_reason(result) == VISO_REASON_OUT_OF_MEMORY);
	viso_result_unref(result);
}

static void test_devices(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, shell("cd /dev; stat -c '%n %t:%T %F' null zero full random urandom tty"),
		      "null 1:3 character special file\n"
		      "zero 1:5 character special file\n"
		      "full 1:7 character special file\n"
		      "random 1:8 character special file\n"
		      "urandom 1:9 character special file\n"
		      "tty 5:0 character special file\n");
	assert_prints(box,
		      shell("echo gone > /dev/null; wc -c < /dev/null; head -c 5 /dev/zero | wc -c; head -c 7 "
			    "/dev/urandom | wc -c;"
			    "echo x 2>/dev/null > /dev/full || echo full"),
		      "0\n5\n7\nfull\n");
	assert_prints(box,
		      shell("cd /dev; for i in fd stdin stdout stderr ptmx; do readlink $i; done; test -c pts/ptmx && "
			    "echo pts"),
		      "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\npts\n");
	assert_prints(
		box,
		shell("echo a > /dev/shm/x && cat /dev/shm/x; cat < /dev/fd/0; cat /dev/stdin; echo b > /dev/stdout"),
		"a\nb\n");
	assert_prints(box, shell("ls /dev | sort | tr '\\n' ' '; ls /dev/shm"),
		      "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ");
}

static void test_only_these_mounts(void **state)
{
	struct box *box = box_open(state);
	viso_result *result = box_run(
		box,
		shell("while read -r a b c root point rest; do echo \"$point\"; done < /proc/self/mountinfo | sort"));
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL),
			    "/\n/dev\n/dev/full\n/dev/null\n/dev/pts\n/dev/random\n/dev/tty\n/dev/urandom\n/dev/zero\n/"
			    "proc\n/tmp\n");
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
}

/* Lines of this process's mountinfo that name the tree. */
static int mounts_below(const char *tree)
{
	char line[4096];
	int count = 0;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		count += strstr(line, tree) != NULL;
	fclose(file);
	return count;
}

static void assert_empty(const char *tree, const char *name)
{
	char *path = tree_path(tree, name);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	free(path);
}

static void test_nothing_of_it_on_the_host(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	char *tree = box_new_tree();
	struct box *box = box_new(strength, tree);
	int before = mounts_below(tree);
	viso_process *process = box_spawn(box, shell("echo x > /tmp/x; exec probe sleep"));
	assert_int_equal(mounts_below(tree), before);
	viso_process_unref(process);
	assert_int_equal(mounts_below(tree), before);
	assert_empty(tree, "tmp");
	assert_empty(tree, "dev");
	assert_empty(tree, "proc");
	box_close(box);
	support_remove_tree(tree);
	free(tree);
}

/* Root reaches a root in a directory that is for itself only. */
static void test_root_in_a_closed_directory(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	char *tree = box_new_tree();
	char *closed = support_temporary_directory();
	assert_int_equal(chmod(closed, 0700), 0);
	char *inner = tree_path(closed, "with space\nand newline");
	assert_int_equal(rename(tree, inner), 0);
	struct box *box = box_new(strength, inner);
	assert_prints(box, probe("cwd", NULL), "/\n");
	box_close(box);
	support_remove_tree(closed);
	free(tree);
	free(closed);
	free(inner);
}

static void test_a_deep_root(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	char *tree = box_new_tree();
	char *base = support_temporary_directory();
	char name[256], path[4096];
	memset(name, 'd', 200);
	name[200] = '\0';
	snprintf(path, sizeof(path), "%s", base);
	for (int i = 0; i < 15; i++) {
		strcat(strcat(path, "/"), name);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	strcat(path, "/root");
	assert_int_equal(rename(tree, path), 0);
	struct box *box = box_new(strength, path);
	assert_prints(box, probe("cwd", NULL), "/\n");
	box_close(box);
	support_remove_tree(base);
	free(tree);
	free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_root_is_read_only),
		AT_CONTAINER(test_tmp_is_fresh),
		AT_CONTAINER(test_tmp_has_the_memory_limit),
		AT_CONTAINER(test_devices),
		AT_CONTAINER(test_only_these_mounts),
		AT_CONTAINER(test_nothing_of_it_on_the_host),
		AT_EACH_STRENGTH(test_root_in_a_closed_directory),
		AT_EACH_STRENGTH(test_a_deep_root),
	};
	return cmocka_run_group_tests_name("file systems", tests, NULL, box_group_teardown);
}
