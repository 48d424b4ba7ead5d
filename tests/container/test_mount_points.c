/* SPDX-License-Identifier: MIT */
/* What is to be mounted upon and is missing in a read-only root: it is made for the container, which sees no other
 * difference. */
#include "box.h"
#include "host.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static viso_command *as_root(const char *script)
{
	viso_command *command = shell(script);
	assert_ok(viso_command_set_user(command, 0, 0));
	return command;
}

/* A root of its own for a test, and a directory of the host with a file. */
struct place {
	char *tree;
	char *source;
	char *file; /* in it */
	struct box *box;
};

static struct place open_place(void **state)
{
	struct place place = {.tree = box_new_tree(), .source = support_temporary_directory()};
	assert_int_equal(chmod(place.source, 0755), 0);
	tree_write(place.source, "file", "host\n", 0644);
	place.file = tree_path(place.source, "file");
	place.box = box_new(box_open(state)->strength, place.tree);
	return place;
}

static void close_place(struct place *place)
{
	box_close(place->box);
	support_remove_tree(place->tree);
	support_remove_tree(place->source);
	free(place->tree);
	free(place->source);
	free(place->file);
}

static void assert_not_in(const char *tree, const char *name)
{
	struct stat st;
	char *path = tree_path(tree, name);
	assert_int_equal(lstat(path, &st), -1);
	free(path);
}

static void take_away(const char *tree, const char *name)
{
	char *path = tree_path(tree, name);
	assert_int_equal(rmdir(path), 0);
	free(path);
}

static void add_missing(const struct place *place)
{
	viso_container *container = place->box->container;
	assert_ok(viso_container_add_bind(container, place->source, "/missing", VISO_MOUNT_READ_ONLY));
	assert_ok(viso_container_add_bind(container, place->file, "/etc/new/deep/file", VISO_MOUNT_READ_ONLY));
	assert_ok(viso_container_add_file(container, "/etc/text", "text\n", 5, 0644));
	assert_ok(viso_container_add_tmpfs(container, "/a/b", 0, 01777, 0));
	assert_ok(viso_container_add_tmpfs(container, "/a/b/c", 0, 01777, 0));
	assert_ok(viso_container_add_filesystem(container, "proc", "/a/proc", 0));
}

static void test_missing_targets(void **state)
{
	struct place place = open_place(state);
	add_missing(&place);
	for (int i = 0; i < 2; i++) {
		assert_prints(
			place.box,
			shell("cat /missing/file /etc/new/deep/file /etc/text; ls -A /a /a/b; cat /a/proc/1/comm; "
			      "stat -c '%n %a' /a /etc/new/deep; head -c 4 /etc/passwd | wc -c"),
			"host\nhost\ntext\n/a:\nb\nproc\n\n/a/b:\nc\nviso-init\n/a 755\n/etc/new/deep 755\n4\n");
		assert_prints(place.box,
			      as_root("touch /x /a/x /etc/x /etc/new/x /etc/new/deep/x /missing/x 2>&1 | "
				      "grep -c Read-only; echo y > /a/b/c/y && cat /a/b/c/y; "
				      "grep -c ' / / ro,nosuid,nodev' /proc/self/mountinfo"),
			      "6\ny\n1\n");
	}
	static const char *const names[] = {"missing", "etc/new", "etc/text", "a", "x"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_not_in(place.tree, names[i]);
	close_place(&place);
}

static void test_usual_directories(void **state)
{
	struct place place = open_place(state);
	take_away(place.tree, "proc");
	take_away(place.tree, "dev");
	take_away(place.tree, "tmp");
	assert_prints(place.box,
		      as_root("cat /proc/1/comm; head -c 3 /dev/zero | wc -c; echo x > /tmp/x && cat /tmp/x; "
			      "echo y > /dev/shm/y && cat /dev/shm/y; touch /x 2>&1 | grep -c Read-only"),
		      "viso-init\n3\nx\ny\n1\n");
	assert_not_in(place.tree, "proc");
	assert_not_in(place.tree, "dev");
	assert_not_in(place.tree, "tmp");
	close_place(&place);
}

/* A container of a pool, too. */
static void test_prepared(void **state)
{
	struct place place = open_place(state);
	skip_without(geteuid() == 0, "root, for prepared containers");
	take_away(place.tree, "proc");
	take_away(place.tree, "tmp");
	assert_ok(viso_container_prepare(place.box->container, 1));
	for (int i = 0; i < 3; i++)
		assert_prints(
			place.box,
			as_root("cat /proc/1/comm; ls -A /tmp; echo x > /tmp/x; touch /x 2>&1 | grep -c Read-only"),
			"viso-init\n1\n");
	assert_not_in(place.tree, "proc");
	close_place(&place);
}

static void test_layers(void **state)
{
	struct place place = open_place(state);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_use_directory(root, place.source));
	assert_ok(viso_container_add_layer(place.box->container, root));
	viso_root_unref(root);
	add_missing(&place);
	assert_prints(place.box,
		      as_root("cat /file /etc/text /missing/file; touch /x /a/x /etc/x 2>&1 | grep -c Read-only"),
		      "host\ntext\nhost\n3\n");
	assert_not_in(place.source, "a");
	close_place(&place);
}

/* What was there looks as without, and what was made is the container's root's. */
static void test_owners(void **state)
{
	struct statfs st;
	struct place place = open_place(state);
	skip_without(geteuid() == 0, "root, to show other owners");
	assert_int_equal(statfs(place.tree, &st), 0);
	skip_without(st.f_type == 0xef53 || st.f_type == 0x58465342 || st.f_type == 0x9123683e ||
			     st.f_type == 0x01021994,
		     "a file system for TMPDIR that can show other owners");
	tree_directory(place.tree, "five", 0750);
	tree_write(place.tree, "five/five", "five\n", 0600);
	char *directory = tree_path(place.tree, "five"), *file = tree_path(directory, "five");
	assert_int_equal(chown(directory, 5, 6), 0);
	assert_int_equal(chown(file, 5, 6), 0);
	free(directory);
	free(file);
	assert_ok(viso_container_add_tmpfs(place.box->container, "/five/new/er", 0, 0700, 0));
	viso_command *command = shell("stat -c '%n %a %u:%g' / /etc /five /five/five /five/new; cat /five/five");
	assert_ok(viso_command_set_user(command, 5, 6));
	assert_prints(place.box, command,
		      "/ 755 0:0\n/etc 755 0:0\n/five 750 5:6\n/five/five 600 5:6\n/five/new 755 0:0\nfive\n");
	close_place(&place);
}

/* By ids of the caller's choice what was made is the container's root's, too. */
static void test_chosen_ids(void **state)
{
	struct place place = open_place(state);
	skip_without(geteuid() == 0, "root, to map any ids");
	assert_ok(viso_container_add_id_map(place.box->container, VISO_ID_USER, 0, 5000, 100));
	assert_ok(viso_container_add_id_map(place.box->container, VISO_ID_GROUP, 0, 6000, 100));
	add_missing(&place);
	assert_prints(place.box,
		      as_root("stat -c '%n %u:%g' /a /etc/new; cat /missing/file; touch /x 2>&1 | grep -c Read-only"),
		      "/a 0:0\n/etc/new 0:0\nhost\n1\n");
	close_place(&place);
}

static void test_many(void **state)
{
	struct place place = open_place(state);
	char path[64];
	for (int i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "/many/%d/deep/er/file", i);
		assert_ok(viso_container_add_file(place.box->container, path, path, strlen(path), 0644));
	}
	assert_prints(place.box, shell("ls /many | wc -l; cat /many/0/deep/er/file /many/199/deep/er/file"),
		      "200\n/many/0/deep/er/file/many/199/deep/er/file");
	close_place(&place);
}

static void run_from_noexec(void *argument)
{
	char *tree = argument;
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount(tree, tree, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(NULL, tree, NULL, MS_REMOUNT | MS_BIND | MS_NOEXEC, NULL), 0);
	for (int i = 0; i < 2; i++) {
		struct box *box = box_new(VISO_ISOLATION_CONTAINER, tree);
		if (i == 1)
			assert_ok(viso_container_add_tmpfs(box->container, "/missing", 0, 0755, 0));
		assert_start_fails(box, probe("exit", NULL), EACCES, VISO_STAGE_EXEC, "probe");
		box_close(box);
	}
}

static void test_noexec(void **state)
{
	box_open(state);
	skip_without(geteuid() == 0, "root, to mount");
	char *tree = box_new_tree();
	in_a_host(run_from_noexec, tree);
	support_remove_tree(tree);
	free(tree);
}

/* With the capability it could make the root writable, were that not locked before anything is mounted in it. */
static void test_with_sys_admin(void **state)
{
	struct place place = open_place(state);
	add_missing(&place);
	assert_ok(viso_container_add_capability(place.box->container, "sys_admin"));
	assert_prints(place.box,
		      as_root("mount -o remount,bind,rw / 2>/dev/null && echo remounted; touch /x /a/x 2>&1 | "
			      "grep -c Read-only; cat /etc/text"),
		      "2\ntext\n");
	close_place(&place);
}

/* Whatever else is missing, no link is followed, and none is replaced. */
static void test_links(void **state)
{
	static const struct {
		const char *name, *to, *target;
		int error;
	} cases[] = {
		{"link", "/", "/link/new", ELOOP},         {"link", "../../../../tmp", "/link/new", ELOOP},
		{"link", "etc", "/link/new/er", ELOOP},    {"link", "nowhere", "/link", ELOOP},
		{"etc/link", ".", "/etc/link/new", ELOOP}, {"link", "link", "/link/new", ELOOP},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct place place = open_place(state);
		tree_link(cases[i].to, place.tree, cases[i].name);
		assert_ok(viso_container_add_tmpfs(place.box->container, "/missing", 0, 0755, 0));
		assert_ok(viso_container_add_bind(place.box->container, place.source, cases[i].target, 0));
		assert_start_fails(place.box, probe("exit", NULL), cases[i].error, VISO_STAGE_MOUNT, cases[i].target);
		assert_not_in(place.tree, "missing");
		assert_int_equal(access("/new", F_OK), -1);
		assert_int_equal(access("/tmp/new", F_OK), -1);
		close_place(&place);
	}
}

/* In a directory of the host: not in a bind, which is not asked for a second time, nor in a root that is written. */
static void test_not_on_the_host(void **state)
{
	struct place place = open_place(state);
	assert_ok(viso_container_add_tmpfs(place.box->container, "/missing", 0, 0755, 0));
	assert_ok(viso_container_add_bind(place.box->container, place.source, "/work", 0));
	assert_ok(viso_container_add_tmpfs(place.box->container, "/work/new", 0, 0755, 0));
	assert_start_fails(place.box, probe("exit", NULL), ENOENT, VISO_STAGE_MOUNT, "/work/new");
	assert_non_null(strstr(viso_error_message(), "viso_root_add_directory()"));
	assert_not_in(place.source, "new");
	close_place(&place);
	place = open_place(state);
	assert_ok(viso_container_set_root_writable(place.box->container, 1));
	assert_ok(viso_container_add_tmpfs(place.box->container, "/missing", 0, 0755, 0));
	assert_start_fails(place.box, probe("exit", NULL), ENOENT, VISO_STAGE_MOUNT, "/missing");
	assert_not_in(place.tree, "missing");
	close_place(&place);
}

static void run_with_mounts(void *argument)
{
	char *base = argument, *tree = tree_path(base, "a b\\c"), *work = tree_path(tree, "work");
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, tree);
	assert_ok(viso_container_add_tmpfs(box->container, "/missing", 0, 0755, 0));
	assert_prints(box, shell("ls -A /missing /work"), "/missing:\n\n/work:\n");
	assert_int_equal(mount("none", work, "tmpfs", 0, NULL), 0);
	tree_write(work, "below", "", 0644);
	assert_start_fails(box, probe("exit", NULL), ENOENT, VISO_STAGE_MOUNT, "/missing");
	box_close(box);
	box = box_new(VISO_ISOLATION_CONTAINER, tree);
	assert_prints(box, shell("ls -A /work"), "below\n");
	box_close(box);
	free(work);
	free(tree);
}

/* An overlay would hide what is mounted below the root. */
static void test_root_with_mounts(void **state)
{
	box_open(state);
	skip_without(geteuid() == 0, "root, to mount below a root");
	char *base = support_temporary_directory(), *tree = box_new_tree(), *inner = tree_path(base, "a b\\c");
	assert_int_equal(chmod(base, 0755), 0);
	assert_int_equal(rename(tree, inner), 0);
	in_a_host(run_with_mounts, base);
	support_remove_tree(base);
	free(inner);
	free(tree);
	free(base);
}

static void stack_overlay(const char *lower, const char *base, const char *name)
{
	char options[8300];
	tree_directory(base, name, 0755);
	char *path = tree_path(base, name);
	snprintf(options, sizeof(options), "lowerdir=%s:%s/empty", lower, base);
	assert_int_equal(mount("overlay", path, "overlay", MS_RDONLY, options), 0);
	free(path);
}

static void run_on_overlays(void *argument)
{
	char *base = argument, *tree = tree_path(base, "root"), *one = tree_path(base, "one"),
	     *two = tree_path(base, "two");
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	stack_overlay(tree, base, "one");
	stack_overlay(one, base, "two");
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, two);
	assert_prints(box, shell("echo well"), "well\n");
	box_close(box);
	box = box_new(VISO_ISOLATION_CONTAINER, two);
	assert_ok(viso_container_add_tmpfs(box->container, "/missing", 0, 0755, 0));
	assert_start_fails(box, probe("exit", NULL), ENOENT, VISO_STAGE_MOUNT, "/missing");
	box_close(box);
	free(two);
	free(one);
	free(tree);
}

/* The kernel stacks two overlays at most: here there cannot be one more. */
static void test_no_overlay(void **state)
{
	box_open(state);
	skip_without(geteuid() == 0, "root, to mount");
	char *base = support_temporary_directory(), *tree = box_new_tree(), *inner = tree_path(base, "root");
	assert_int_equal(chmod(base, 0755), 0);
	assert_int_equal(rename(tree, inner), 0);
	tree_directory(base, "empty", 0755);
	in_a_host(run_on_overlays, base);
	support_remove_tree(base);
	free(inner);
	free(tree);
	free(base);
}

static void test_nothing_without_need(void **state)
{
	struct statfs st;
	struct place place = open_place(state);
	assert_int_equal(statfs(place.tree, &st), 0);
	skip_without(st.f_type != 0x794c7630, "a file system for TMPDIR that is no overlay");
	assert_ok(viso_container_add_tmpfs(place.box->container, "/work", 0, 0755, 0));
	assert_ok(viso_container_add_tmpfs(place.box->container, "/work/new", 0, 0755, 0));
	assert_ok(viso_container_add_tmpfs(place.box->container, "/tmp/new", 0, 0755, 0));
	assert_prints(place.box, shell("grep -c overlay /proc/self/mountinfo; true"), "0\n");
	close_place(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_missing_targets),
		AT_CONTAINER(test_usual_directories),
		AT_CONTAINER(test_prepared),
		AT_CONTAINER(test_layers),
		AT_CONTAINER(test_owners),
		AT_CONTAINER(test_chosen_ids),
		AT_CONTAINER(test_many),
		AT_CONTAINER(test_noexec),
		AT_CONTAINER(test_with_sys_admin),
		AT_CONTAINER(test_links),
		AT_CONTAINER(test_not_on_the_host),
		AT_CONTAINER(test_root_with_mounts),
		AT_CONTAINER(test_no_overlay),
		AT_CONTAINER(test_nothing_without_need),
	};
	return cmocka_run_group_tests_name("mount_points", tests, NULL, box_group_teardown);
}
