/* SPDX-License-Identifier: MIT */
/* Landlock by paths in the container. */
#include "box.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tree.h"

enum { PROGRAMS = VISO_LANDLOCK_READ | VISO_LANDLOCK_EXECUTE };

static char *tree;

static void skip_without_landlock(void)
{
	skip_without(syscall(444 /* landlock_create_ruleset */, NULL, 0, 1) > 0, "Landlock");
}

static struct box *box_of_tree(void)
{
	return box_new(VISO_ISOLATION_CONTAINER, tree);
}

static void allow(struct box *box, const char *path, unsigned access)
{
	assert_ok(viso_container_add_landlock_path(box->container, path, access));
}

static const char read_both[] = "cat /open/a 2>/dev/null || echo no; cat /secret/b 2>/dev/null || echo no";

static void test_reading(void **state)
{
	box_open(state);
	skip_without_landlock();
	struct box *free_box = box_of_tree();
	assert_prints(free_box, shell(read_both), "a\nb\n");
	box_close(free_box);
	struct box *box = box_of_tree();
	allow(box, "/bin", PROGRAMS);
	allow(box, "/open", VISO_LANDLOCK_READ);
	allow(box, "/dev/null", VISO_LANDLOCK_WRITE);
	assert_prints(box, shell(read_both), "a\nno\n");
	assert_prints(box, shell("echo /secret/* /open/*"), "/secret/* /open/a\n");
	box_close(box);
}

static void test_one_file(void **state)
{
	box_open(state);
	skip_without_landlock();
	struct box *box = box_of_tree();
	allow(box, "/bin", PROGRAMS);
	allow(box, "/secret/b", VISO_LANDLOCK_READ | VISO_LANDLOCK_WRITE | VISO_LANDLOCK_DEVICES);
	allow(box, "//dev//null/.", VISO_LANDLOCK_WRITE);
	assert_start_fails(box, probe("exit", NULL), ENOTDIR, VISO_STAGE_LANDLOCK, "/dev//null");
	box_close(box);
	box = box_of_tree();
	allow(box, "/bin", PROGRAMS);
	allow(box, "/dev/null", VISO_LANDLOCK_WRITE);
	allow(box, "/secret/b", VISO_LANDLOCK_READ | VISO_LANDLOCK_WRITE | VISO_LANDLOCK_DEVICES);
	assert_prints(box, shell(read_both), "no\nb\n");
	box_close(box);
}

static void test_writing(void **state)
{
	box_open(state);
	skip_without_landlock();
	/* A /tmp is new for each command, so that the whole of it is what can be named. */
	struct box *box = box_of_tree();
	allow(box, "/", PROGRAMS);
	allow(box, "/dev/null", VISO_LANDLOCK_WRITE);
	assert_prints(box, shell("mkdir /tmp/in 2>/dev/null || echo no; (echo x > /tmp/f) 2>/dev/null || echo no"),
		      "no\nno\n");
	box_close(box);
	box = box_of_tree();
	allow(box, "/", PROGRAMS);
	allow(box, "/tmp", VISO_LANDLOCK_WRITE);
	allow(box, "/dev/null", VISO_LANDLOCK_WRITE);
	assert_prints(box, shell("mkdir /tmp/in /tmp/out; . /script"), "in\nout\nmoved\n");
	box_close(box);
}

static void test_executing(void **state)
{
	box_open(state);
	skip_without_landlock();
	struct box *box = box_of_tree();
	allow(box, "/bin", VISO_LANDLOCK_READ | VISO_LANDLOCK_WRITE);
	assert_start_fails(box, probe("exit", NULL), EACCES, VISO_STAGE_EXEC, "/bin/probe");
	box_close(box);
	box = box_of_tree();
	allow(box, "/bin/probe", VISO_LANDLOCK_EXECUTE);
	viso_command *command = probe("ids", NULL);
	assert_ok(viso_command_set_user(command, 1000, 1000));
	assert_prints(box, command, "1000 1000 1000 1000 1000 1000\n");
	box_close(box);
}

/* The condition for Landlock is no_new_privs, or a capability that the program does not keep. */
static void test_with_new_privileges(void **state)
{
	box_open(state);
	skip_without_landlock();
	struct box *box = box_of_tree();
	allow(box, "/bin", PROGRAMS);
	allow(box, "/open", VISO_LANDLOCK_READ);
	allow(box, "/dev/null", VISO_LANDLOCK_WRITE);
	assert_ok(viso_container_set_new_privileges(box->container, 1));
	assert_prints(box, shell(read_both), "a\nno\n");
	box_close(box);
}

/* The image decides what is a link in it: none may lead a rule to where it was not meant. */
static void test_links_are_not_followed(void **state)
{
	static const char *const links[] = {"/link", "/link/b", "/link/"};
	box_open(state);
	skip_without_landlock();
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct box *box = box_of_tree();
		allow(box, "/bin", PROGRAMS);
		allow(box, links[i], VISO_LANDLOCK_READ);
		assert_start_fails(box, probe("exit", NULL), ELOOP, VISO_STAGE_LANDLOCK, links[i]);
		box_close(box);
	}
	struct box *box = box_of_tree();
	allow(box, "/bin/not-there", PROGRAMS);
	assert_start_fails(box, probe("exit", NULL), ENOENT, VISO_STAGE_LANDLOCK, "/bin/not-there");
	box_close(box);
}

static void test_bad_arguments(void **state)
{
	viso_container *container = box_open(state)->container;
	static const char *const paths[] = {NULL, "", "bin", "..", "/bin/..", "/../bin", "/a/../b"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_fails(viso_container_add_landlock_path(container, paths[i], VISO_LANDLOCK_READ), EINVAL,
			     VISO_STAGE_ARGUMENT, "landlock");
	assert_fails(viso_container_add_landlock_path(container, "/bin", 0), EINVAL, VISO_STAGE_ARGUMENT, "landlock");
	assert_fails(viso_container_add_landlock_path(container, "/bin", 16), EINVAL, VISO_STAGE_ARGUMENT, "landlock");
	assert_ok(viso_container_add_landlock_path(container, "/..bin/...", VISO_LANDLOCK_READ));
}

static int make_tree(void **state)
{
	tree = box_new_tree();
	tree_directory(tree, "open", 0755);
	tree_directory(tree, "secret", 0755);
	tree_write(tree, "open/a", "a\n", 0644);
	tree_write(tree, "secret/b", "b\n", 0644);
	tree_write(tree, "script",
		   "exec 2>/dev/null\n(echo x > /tmp/in/file) && echo in || echo no\n"
		   "(echo x > /tmp/out/file) && echo out || echo no\n"
		   "mkdir /tmp/in/d && mv /tmp/in/file /tmp/out/f && rm /tmp/out/f && rmdir /tmp/in/d && echo moved\n",
		   0644);
	tree_link("secret", tree, "link");
	return 0;
}

static int remove_tree(void **state)
{
	support_remove_tree(tree);
	free(tree);
	return box_group_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_reading),
		AT_CONTAINER(test_one_file),
		AT_CONTAINER(test_writing),
		AT_CONTAINER(test_executing),
		AT_CONTAINER(test_with_new_privileges),
		AT_CONTAINER(test_links_are_not_followed),
		AT_CONTAINER(test_bad_arguments),
	};
	return cmocka_run_group_tests_name("landlock", tests, make_tree, remove_tree);
}
