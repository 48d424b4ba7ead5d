/* SPDX-License-Identifier: MIT */
/* Owners as they are on disk, with root of the host; and that this gives nothing of the host away. */
#include "box.h"
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static viso_command *as_root(const char *script)
{
	viso_command *command = shell(script);
	assert_ok(viso_command_set_user(command, 0, 0));
	return command;
}

static void own(const char *tree, const char *name, unsigned id)
{
	char *path = tree_path(tree, name);
	assert_int_equal(chown(path, id, id), 0);
	free(path);
}

static unsigned owner_of(const char *tree, const char *name)
{
	struct stat st;
	char *path = tree_path(tree, name);
	assert_int_equal(lstat(path, &st), 0);
	free(path);
	return st.st_uid;
}

/* A root in a directory of its own, with files of several owners. */
static char *new_tree(unsigned mode)
{
	char *tree = box_new_tree(), *base = support_temporary_directory(), *inner = tree_path(base, "root");
	assert_int_equal(chmod(base, mode), 0);
	assert_int_equal(rename(tree, inner), 0);
	free(tree);
	tree_write(inner, "etc/secret", "secret\n", 0600);
	tree_write(inner, "etc/five", "five\n", 0600);
	own(inner, "etc/five", 5);
	tree_write(inner, "etc/far", "far\n", 0600);
	own(inner, "etc/far", 100000);
	free(inner);
	return base;
}

static struct box *open_over(void **state, const char *base)
{
	char *inner = tree_path(base, "root");
	struct box *box = box_new((viso_isolation)(intptr_t)*state, inner);
	free(inner);
	return box;
}

static void close_over(struct box *box, char *base)
{
	box_close(box);
	support_remove_tree(base);
	free(base);
}

static void skip_without_maps(void **state)
{
	struct statfs st;
	box_open(state);
	skip_without(geteuid() == 0, "root, to show other owners");
	/* ext4, xfs, btrfs, tmpfs: those that tests are run on. */
	assert_int_equal(statfs(box_tree(), &st), 0);
	skip_without(st.f_type == 0xef53 || st.f_type == 0x58465342 || st.f_type == 0x9123683e ||
			     st.f_type == 0x01021994,
		     "a file system for TMPDIR that can show other owners");
}

static const char show[] = "cd /etc; stat -c '%n %u:%g' / secret five far; cat secret five far 2>/dev/null; true";

static void test_owners_are_those_on_disk(void **state)
{
	skip_without_maps(state);
	char *base = new_tree(0755);
	struct box *box = open_over(state, base);
	for (int i = 0; i < 2; i++)
		assert_prints(box, as_root(show), "/ 0:0\nsecret 0:0\nfive 5:5\nfar 65534:65534\nsecret\n");
	viso_command *command = shell(show);
	assert_ok(viso_command_set_user(command, 5, 5));
	assert_prints(box, command, "/ 0:0\nsecret 0:0\nfive 5:5\nfar 65534:65534\nfive\n");
	/* Still nothing can be written, and on the host it has no right at all. */
	assert_prints(box, as_root("touch /new /etc/secret 2>&1 | grep -c Read-only"), "2\n");
	close_over(box, base);
}

static void test_owners_below_an_upper(void **state)
{
	skip_without_maps(state);
	char *base = new_tree(0755);
	struct box *box = open_over(state, base);
	assert_ok(viso_container_set_upper_discarded(box->container, 0));
	assert_prints(box, as_root(show), "/ 0:0\nsecret 0:0\nfive 5:5\nfar 65534:65534\nsecret\n");
	assert_prints(box,
		      as_root("cd /etc; echo new >> secret; cat secret; stat -c %u:%g secret; (echo x >> five) "
			      "2>/dev/null || echo no"),
		      "secret\nnew\n0:0\nno\n");
	close_over(box, base);
}

/* With the capability it could take our read-only flag away, were it not locked. */
static void test_with_sys_admin(void **state)
{
	skip_without_maps(state);
	char *base = new_tree(0755);
	struct box *box = open_over(state, base);
	assert_ok(viso_container_add_capability(box->container, "sys_admin"));
	assert_ok(viso_container_add_capability(box->container, "dac_override"));
	assert_ok(viso_container_add_capability(box->container, "chown"));
	assert_prints(
		box,
		as_root("cat /etc/secret; mount -o remount,bind,rw / 2>/dev/null || echo locked; mount -o "
			"remount,rw / 2>/dev/null || echo locked; touch /new /etc/secret 2>&1 | grep -c Read-only"),
		"secret\nlocked\nlocked\n2\n");
	close_over(box, base);
}

/* The host's own root directory: its secrets and sockets are not the container's. */
static void test_not_the_root_of_the_host(void **state)
{
	skip_without_maps(state);
	struct box *box = box_new((viso_isolation)(intptr_t)*state, "/");
	viso_command *command = as_root("stat -c %u /etc/shadow; cat /etc/shadow 2>/dev/null || echo closed");
	assert_prints(box, command, "65534\nclosed\n");
	box_close(box);
}

static void test_writable_root(void **state)
{
	skip_without_maps(state);
	/* Where others get in, the container's root is nobody there. */
	char *base = new_tree(0755);
	struct box *box = open_over(state, base);
	assert_ok(viso_container_set_root_writable(box->container, 1));
	assert_prints(box, as_root("stat -c %u /; (cp /bin/busybox /etc/x || touch /etc/x) 2>/dev/null || echo no"),
		      "65534\nno\n");
	close_over(box, base);
	/* Where nobody does, it is at home. */
	base = new_tree(0700);
	box = open_over(state, base);
	assert_ok(viso_container_set_root_writable(box->container, 1));
	assert_prints(box, as_root("stat -c %u /; echo x > /etc/new && cat /etc/new"), "0\nx\n");
	assert_int_equal(owner_of(base, "root/etc/new"), 0);
	close_over(box, base);
}

static char *new_source(void)
{
	char *source = support_temporary_directory();
	assert_int_equal(chmod(source, 0755), 0);
	tree_write(source, "secret", "secret\n", 0600);
	return source;
}

static void test_bind(void **state)
{
	struct box *box = box_open(state);
	skip_without_maps(state);
	box = box_open(state);
	char *source = new_source();
	assert_ok(viso_container_add_bind(box->container, source, "/work", VISO_MOUNT_ID_MAPPED));
	assert_ok(viso_container_add_bind(box->container, source, "/usr", 0));
	assert_prints(
		box,
		as_root("stat -c %u /work/secret /usr/secret; cat /work/secret; cat /usr/secret 2>/dev/null || echo "
			"closed; touch /work/new /usr/new 2>/dev/null; ls -A /work"),
		"0\n65534\nsecret\nclosed\nnew\nsecret\n");
	assert_int_equal(owner_of(source, "new"), 0);
	support_remove_tree(source);
	free(source);
}

static void test_bind_that_cannot(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_add_bind(box->container, "/proc/sys", "/work", VISO_MOUNT_ID_MAPPED));
	assert_start_fails(box, probe("exit", NULL), geteuid() == 0 ? EOPNOTSUPP : EPERM, VISO_STAGE_MOUNT, "/work");
	assert_non_null(strstr(viso_error_message(), "VISO_MOUNT_ID_MAPPED"));
}

/* Who chooses the ids has chosen what they show. */
static void test_chosen_ids(void **state)
{
	skip_without_maps(state);
	char *base = new_tree(0755), *directory = support_temporary_directory(), *source = new_source();
	for (int i = 0; i < 4; i++) {
		struct box *box = open_over(state, base);
		assert_ok(viso_container_add_id_map(box->container, VISO_ID_USER, 0, 100000, 1000));
		assert_ok(viso_container_add_id_map(box->container, VISO_ID_GROUP, 0, 100000, 1000));
		assert_ok(viso_container_add_bind(box->container, source, "/work", VISO_MOUNT_ID_MAPPED));
		if (i == 1)
			assert_ok(viso_container_set_upper_discarded(box->container, 0));
		if (i > 1)
			assert_ok(viso_container_set_upper_directory(box->container, directory));
		assert_prints(box,
			      as_root("stat -c %u / /etc/secret /etc/far /work/secret; cat /etc/far /etc/secret "
				      "/work/secret 2>/dev/null; true"),
			      "65534\n65534\n0\n0\nfar\nsecret\n");
		if (i > 0)
			assert_prints(box,
				      as_root("echo more >> /etc/far && tail -n 1 /etc/far || busybox tail -n 1 "
					      "/etc/far"),
				      "more\n");
		if (i == 3)
			assert_int_equal(owner_of(directory, "upper/etc/far"), 100000);
		box_close(box);
		if (i > 1) {
			char *far = tree_path(directory, "upper/etc/far");
			assert_int_equal(unlink(far), 0);
			free(far);
		}
	}
	support_remove_tree(source);
	support_remove_tree(directory);
	support_remove_tree(base);
	free(source);
	free(directory);
	free(base);
}

/* Many at once, each by a worker with a range of its own. */
static void test_each_worker_has_its_map(void **state)
{
	skip_without_maps(state);
	char *base = new_tree(0755);
	struct box *box = open_over(state, base);
	viso_process *processes[8];
	for (int i = 0; i < 8; i++)
		processes[i] = box_spawn(box, as_root("cat /etc/secret; exec probe sleep"));
	assert_prints(box, as_root("cat /etc/secret"), "secret\n");
	for (int i = 0; i < 8; i++) {
		assert_ok(viso_process_kill(processes[i]));
		viso_result *result = box_wait(processes[i]);
		assert_string_equal(viso_result_output(result, VISO_STDERR, NULL), "");
		viso_result_unref(result);
		viso_process_unref(processes[i]);
	}
	close_over(box, base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_owners_are_those_on_disk),
		AT_CONTAINER(test_owners_below_an_upper),
		AT_CONTAINER(test_with_sys_admin),
		AT_CONTAINER(test_not_the_root_of_the_host),
		AT_CONTAINER(test_writable_root),
		AT_CONTAINER(test_bind),
		AT_CONTAINER(test_bind_that_cannot),
		AT_CONTAINER(test_chosen_ids),
		AT_CONTAINER(test_each_worker_has_its_map),
	};
	return cmocka_run_group_tests_name("id-mapped mounts", tests, NULL, box_group_teardown);
}
