/* SPDX-License-Identifier: MIT */
/* Ways out by users, groups, keys and control groups. */
#include "box.h"
#include "host.h"
#include "scene.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacks/attack.h"

enum { MEMBER = 54321, NEGATIVE_GROUP = 54322 };

/* The user's keyring outlives its processes, and the next command may run as the same user. */
static void test_keys_of_the_run_before(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "kept_key");
	scene_add_argument(&scene, "viso-kept-%d", (int)getpid());
	scene_add_argument(&scene, "get");
	scene.before = "put";
	scene_must_hold(&scene);
}

static void test_release_agent(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "release_agent");
	scene.works_for = FOR_ROOT;
	scene.facility = "control groups of version 1 (CONFIG_CGROUPS v1)";
	scene_add_argument(&scene, "viso-test-%d", (int)getpid());
	scene_must_hold(&scene);
}

static void test_groups_of_the_host(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "group_files");
	skip_without(access("/sys/fs/cgroup", X_OK) == 0, "control groups at /sys/fs/cgroup");
	scene.works_for = FOR_ROOT;
	scene.host_sys = true;
	if (scene.strength == VISO_ISOLATION_JAIL)
		scene.leftover =
			"a root without the host's /sys, or a jail of another user than root, against /sys/fs/cgroup";
	scene_must_hold(&scene);
}

static bool can_read(const char *path, size_t group_count)
{
	const gid_t group = NEGATIVE_GROUP;
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(setgroups(group_count, &group) < 0 || setresgid(MEMBER, MEMBER, MEMBER) < 0 ||
		      setresuid(MEMBER, MEMBER, MEMBER) < 0 || open(path, O_RDONLY) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static void member_of_negative_group(void *argument)
{
	const struct scene *scene = argument;
	const gid_t group = NEGATIVE_GROUP;
	assert_int_equal(setgroups(1, &group), 0);
	assert_int_equal(setresgid(MEMBER, MEMBER, MEMBER), 0);
	assert_int_equal(setresuid(MEMBER, MEMBER, MEMBER), 0);
	skip_without_strength(scene->strength);
	struct box *box = box_new(scene->strength, scene->tree);
	static const unsigned users[] = {0, 1000, MEMBER};
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		viso_command *command = viso_command_new("negative_group");
		assert_ok(viso_command_add_arg(command, scene->secret));
		assert_ok(viso_command_add_arg(command, "/work/file"));
		assert_ok(viso_command_set_user(command, users[i], users[i]));
		viso_result *result = box_run(box, command);
		assert_ended(result, VISO_REASON_EXITED, REFUSED, 0);
	}
	box_close(box);
}

static void test_negative_group(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "negative_group");
	tree_write(scene.tree, "work/file", SECRET, 0604);
	char *path = tree_path(scene.tree, "work/file");
	assert_int_equal(chown(path, 0, NEGATIVE_GROUP), 0);
	assert_int_equal(chmod(path, 0604), 0);
	assert_false(can_read(path, 1));
	assert_true(can_read(path, 0));
	in_a_host(member_of_negative_group, &scene);
	free(path);
	scene_end(&scene);
}

/* Numbers that a sum or a cast would make to another user: above all to the host's root. */
static void test_users_that_overflow(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root, whose containers have a range of ids");
	static const unsigned long ids[] = {65536, 65537, 1ul << 31, 0xfffffffe, 0xffffffff, 0xffff0000};
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		viso_command *command = shell("id -u");
		viso_result *result = NULL;
		int r = viso_command_set_user(command, (unsigned)ids[i], (unsigned)ids[i]);
		if (r == 0)
			r = viso_sandbox_run(box->sandbox, command, &result);
		if (r == 0)
			print_error("uid %lu: %s\n", ids[i], viso_result_output(result, VISO_STDOUT, NULL));
		assert_int_equal(r, -EINVAL);
		viso_command_unref(command);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_keys_of_the_run_before), AT_EACH_STRENGTH(test_release_agent),
		AT_EACH_STRENGTH(test_groups_of_the_host),     AT_EACH_STRENGTH(test_negative_group),
		AT_CONTAINER(test_users_that_overflow),
	};
	return cmocka_run_group_tests_name("credentials", tests, NULL, box_group_teardown);
}
