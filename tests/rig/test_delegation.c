/* SPDX-License-Identifier: MIT */
/*
 * Where the library makes its control groups, by who may write where: for host programs of an ordinary user in subtrees
 * as systemd delegates them, or does not. Run in the rig alone, where the groups are nobody's.
 */
#include "box.h"
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { USER = 54321 };
#define TOP "/sys/fs/cgroup"

/* Who runs where, what is the user's, and what must come of it. */
struct scene {
	const char *groups[4];    /* made in this order */
	const char *delegated[3]; /* given to the user, as systemd does for Delegate=yes */
	const char *own;          /* where the host program is */
	const char *parent;       /* viso_container_set_cgroup_parent(); NULL for none */
	int error;                /* 0: it starts */
	const char *words;        /* of the message */
};

static void write_file(const char *group, const char *file, const char *text)
{
	char path[512];
	snprintf(path, sizeof(path), TOP "%s/%s", group, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	close(fd);
}

static void give(const char *group)
{
	static const char *const files[] = {".", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"};
	char path[512];
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), TOP "%s/%s", group, files[i]);
		assert_int_equal(chown(path, USER, USER), 0);
	}
}

static void become_user(void)
{
	assert_int_equal(setresgid(USER, USER, USER), 0);
	assert_int_equal(setresuid(USER, USER, USER), 0);
}

static void read_own_group(char *text, size_t size)
{
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
}

static void host(void *argument)
{
	const struct scene *scene = argument;
	char before[512], after[512];
	write_file(scene->own, "cgroup.procs", "0");
	become_user();
	read_own_group(before, sizeof(before));
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_memory_max(box->container, 64 << 20));
	assert_ok(viso_container_set_cpu_weight(box->container, 50));
	if (scene->parent)
		assert_ok(viso_container_set_cgroup_parent(box->container, scene->parent));
	viso_command *command = probe("exit", NULL);
	int r = viso_sandbox_run(box->sandbox, command, NULL);
	if (r < 0)
		printf("# %s\n", viso_error_message());
	assert_int_equal(r, -scene->error);
	if (scene->error) {
		assert_int_equal(viso_error_stage(), VISO_STAGE_CGROUP);
		assert_non_null(strstr(viso_error_message(), scene->words));
	}
	/* The host program is never moved. */
	read_own_group(after, sizeof(after));
	assert_string_equal(before, after);
	viso_command_unref(command);
	box_close(box);
	box_group_teardown(NULL);
}

static void play(const struct scene *scene)
{
	char path[512];
	support_time_limit(100);
	skip_without(getenv("VISO_RIG") && geteuid() == 0, "the rig (tests/rig/rig), as root");
	for (int i = 0; i < 4 && scene->groups[i]; i++) {
		snprintf(path, sizeof(path), TOP "%s", scene->groups[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	for (int i = 0; i < 3 && scene->delegated[i]; i++)
		give(scene->delegated[i]);
	in_a_host(host, (void *)scene);
	/* Nothing is left in any of them. */
	for (int i = 3; i >= 0; i--)
		if (scene->groups[i]) {
			snprintf(path, sizeof(path), TOP "%s", scene->groups[i]);
			for (int j = 0; rmdir(path) < 0 && j < 500; j++)
				usleep(10000);
			assert_int_equal(access(path, F_OK), -1);
		}
}

static void test_nothing_delegated(void **state)
{
	play(&(struct scene){.groups = {"/plain"}, .own = "/plain", .error = EOPNOTSUPP, .words = "Delegate="});
}

static void test_delegated_unit_that_has_the_host_program(void **state)
{
	play(&(struct scene){.groups = {"/unit"},
			     .delegated = {"/unit"},
			     .own = "/unit",
			     .error = EOPNOTSUPP,
			     .words = "DelegateSubgroup="});
}

static void test_delegated_unit_with_a_subgroup(void **state)
{
	play(&(struct scene){
		.groups = {"/unit", "/unit/main"}, .delegated = {"/unit", "/unit/main"}, .own = "/unit/main"});
}

static void test_named_parent(void **state)
{
	play(&(struct scene){.groups = {"/unit", "/unit/main", "/unit/jobs"},
			     .delegated = {"/unit", "/unit/main", "/unit/jobs"},
			     .own = "/unit/main",
			     .parent = "/unit/jobs"});
}

static void test_named_parent_with_the_host_program(void **state)
{
	play(&(struct scene){.groups = {"/unit", "/unit/main"},
			     .delegated = {"/unit", "/unit/main"},
			     .own = "/unit/main",
			     .parent = "/unit/main",
			     .error = EOPNOTSUPP,
			     .words = "does not hand the"});
}

static void test_parent_of_somebody_else(void **state)
{
	play(&(struct scene){.groups = {"/unit", "/unit/main", "/other"},
			     .delegated = {"/unit", "/unit/main"},
			     .own = "/unit/main",
			     .parent = "/other",
			     .error = EACCES,
			     .words = "may not make a group there"});
}

static void test_parent_that_is_not_there(void **state)
{
	play(&(struct scene){.groups = {"/unit", "/unit/main"},
			     .delegated = {"/unit", "/unit/main"},
			     .own = "/unit/main",
			     .parent = "/unit/nothing",
			     .error = ENOENT,
			     .words = "no such control group"});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_delegated),
		cmocka_unit_test(test_delegated_unit_that_has_the_host_program),
		cmocka_unit_test(test_delegated_unit_with_a_subgroup),
		cmocka_unit_test(test_named_parent),
		cmocka_unit_test(test_named_parent_with_the_host_program),
		cmocka_unit_test(test_parent_of_somebody_else),
		cmocka_unit_test(test_parent_that_is_not_there),
	};
	return cmocka_run_group_tests_name("delegation", tests, NULL, NULL);
}
