/* SPDX-License-Identifier: MIT */
/* Ids that the caller has chosen: by root, by an ordinary user for its own id, and with newuidmap(1) for more. */
#include "box.h"
#include "host.h"
#include "ordinary.h"
#include "outside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char subids[] = "viso-test:700000:65536\nother:800000:65536\n";

static void map(struct box *box, viso_id_kind kind, unsigned inside, unsigned outside, unsigned count)
{
	assert_ok(viso_container_add_id_map(box->container, kind, inside, outside, count));
}

static viso_command *show(unsigned uid, unsigned gid)
{
	viso_command *command =
		shell("cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; cat /proc/self/setgroups; "
		      "id -u; id -g; echo new > /tmp/x; stat -c '%u %g' /tmp/x; echo out > /dev/stdout");
	assert_ok(viso_command_set_user(command, uid, gid));
	return command;
}

static void test_chosen_by_root(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	map(box, VISO_ID_USER, 0, 300000, 10);
	map(box, VISO_ID_USER, 1000, 400000, 5);
	map(box, VISO_ID_GROUP, 0, 500000, 100);
	assert_prints(box, show(1003, 7), " 0 300000 10\n 1000 400000 5\n 0 500000 100\nallow\n1003\n7\n1003 7\nout\n");
	viso_command *command = probe("sleep", NULL);
	assert_ok(viso_command_set_user(command, 1003, 7));
	viso_process *process = box_spawn(box, command);
	char text[64];
	assert_string_equal(outside_status(viso_process_pid(process), "Uid", text, sizeof(text)),
			    "400003\t400003\t400003\t400003");
	assert_string_equal(outside_status(viso_process_pid(process), "Gid", text, sizeof(text)),
			    "500007\t500007\t500007\t500007");
	viso_process_unref(process);
}

static void test_without_an_inner_root(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	map(box, VISO_ID_USER, 1000, 301000, 1);
	map(box, VISO_ID_GROUP, 1000, 301000, 1);
	assert_prints(box, show(1000, 1000), " 1000 301000 1\n 1000 301000 1\nallow\n1000\n1000\n1000 1000\nout\n");
	/* The init has no other id either. */
	assert_prints(box, shell("stat -c %u /proc/1/stat >/dev/null; cat /proc/1/comm"), "viso-init\n");
}

static void test_root_of_the_host(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	map(box, VISO_ID_USER, 0, 0, 2);
	map(box, VISO_ID_GROUP, 0, 0, 2);
	viso_command *command = shell(
		"grep -h Cap.*: /proc/self/status | tr -d '\\t' | sort -u | head -n 1; hostname x 2>/dev/null || echo "
		"no; "
		"cd /proc/sys/kernel; for name in core_pattern modprobe sysrq; do read value 2>/dev/null < $name && "
		"{ echo \"$value\" > $name; } 2>/dev/null && echo $name; done; "
		"{ echo -n > /proc/sysrq-trigger; } 2>/dev/null && echo trigger; echo end");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(box, command, "CapAmb:0000000000000000\nno\nend\n");
}

static void test_groups(void **state)
{
	static const unsigned known[] = {5, 7}, unknown[] = {5, 70};
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	map(box, VISO_ID_USER, 0, 300000, 10);
	map(box, VISO_ID_GROUP, 0, 500000, 10);
	viso_command *command = probe("ids", NULL);
	assert_ok(viso_command_set_user(command, 1, 2));
	assert_ok(viso_command_set_groups(command, known, 2));
	assert_prints(box, viso_command_ref(command), "1 1 1 2 2 2 5,7\n");
	assert_ok(viso_command_set_groups(command, unknown, 2));
	assert_start_fails(box, command, EINVAL, VISO_STAGE_CREDENTIALS, "viso_command_set_groups");
}

static void test_ids_that_are_not_mapped(void **state)
{
	struct box *box = box_open(state);
	map(box, VISO_ID_USER, 0, 300000, 10);
	map(box, VISO_ID_GROUP, 0, 500000, 10);
	assert_start_fails(box, probe("exit", NULL), EINVAL, VISO_STAGE_CREDENTIALS, "viso_command_set_user");
	viso_command *command = probe("exit", NULL);
	assert_ok(viso_command_set_user(command, 9, 10));
	assert_start_fails(box, command, EINVAL, VISO_STAGE_CREDENTIALS, "viso_command_set_user");
}

static void test_one_kind_alone(void **state)
{
	struct box *box = box_open(state);
	map(box, VISO_ID_USER, 1000, geteuid(), 1);
	assert_start_fails(box, probe("exit", NULL), EINVAL, VISO_STAGE_USER_NAMESPACE, "viso_container_add_id_map");
}

static int add(struct box *box, unsigned inside, unsigned outside, unsigned count)
{
	return viso_container_add_id_map(box->container, VISO_ID_USER, inside, outside, count);
}

static void test_arguments(void **state)
{
	static const struct {
		unsigned inside, outside, count;
	} wrong[] =
		{
			{0, 0, 0},          {1, 0, UINT32_MAX}, {0, 1, UINT32_MAX}, /* would wrap to host id 0 */
			{UINT32_MAX, 1, 1}, {1, UINT32_MAX, 1}, {UINT32_MAX - 1, 1, 2},
			{100, 5000, 1}, /* overlaps with what is there */
			{109, 5000, 1},     {90, 5000, 11},     {50, 5000, 100},
			{5000, 1000, 1},    {5000, 1009, 1},    {5000, 995, 100},
		};
	struct box *box = box_open(state);
	assert_ok(add(box, 100, 1000, 10));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_fails(add(box, wrong[i].inside, wrong[i].outside, wrong[i].count), EINVAL, VISO_STAGE_ARGUMENT,
			     "add_id_map");
	assert_fails(viso_container_add_id_map(box->container, (viso_id_kind)3, 0, 0, 1), EINVAL, VISO_STAGE_ARGUMENT,
		     "add_id_map");
	assert_ok(add(box, 110, 1010, 1));
	assert_ok(add(box, 99, 999, 1));
	assert_ok(add(box, UINT32_MAX - 1, UINT32_MAX - 1, 1));
	for (unsigned i = 4; i < 32; i++)
		assert_ok(add(box, 10000 + i, 20000 + i, 1));
	assert_fails(add(box, 30000, 30000, 1), E2BIG, VISO_STAGE_ARGUMENT, "add_id_map");
}

static void test_many_ranges(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	for (unsigned i = 0; i < 32; i++) {
		map(box, VISO_ID_USER, 4000000000u + 2 * i, 3000000000u + 2 * i, 1);
		map(box, VISO_ID_GROUP, 4000000000u + 2 * i, 3000000000u + 2 * i, 1);
	}
	viso_command *command = shell("wc -l < /proc/self/uid_map; id -u; id -g");
	assert_ok(viso_command_set_user(command, 4000000062u, 4000000000u));
	assert_prints(box, command, "32\n4000000062\n4000000000\n");
}

static struct box *ordinary_box(void)
{
	become_ordinary(ORDINARY_ID);
	return box_new(VISO_ISOLATION_CONTAINER, box_tree());
}

static void own_id(void *argument)
{
	struct box *box = ordinary_box();
	char expected[256];
	unsigned id = geteuid(), group = getegid();
	map(box, VISO_ID_USER, 7, id, 1);
	map(box, VISO_ID_GROUP, 8, group, 1);
	snprintf(expected, sizeof(expected), " 7 %u 1\n 8 %u 1\ndeny\n7\n8\n7 8\nout\n", id, group);
	assert_prints(box, show(7, 8), expected);
	/* CVE-2014-8989: a group that takes rights away cannot be got rid of. */
	static const unsigned groups[] = {8};
	viso_command *command = probe("exit", NULL);
	assert_ok(viso_command_set_user(command, 7, 8));
	assert_ok(viso_command_set_groups(command, groups, 1));
	assert_start_fails(box, command, EPERM, VISO_STAGE_CREDENTIALS, "setgroups");
	box_close(box);
}

static void test_own_id_of_an_ordinary_user(void **state)
{
	box_open(state);
	in_a_host(own_id, NULL);
}

static struct box *box_with_subids(void)
{
	own_mounts();
	cover_subids(subids, subids);
	return ordinary_box();
}

static void subordinate_ids(void *argument)
{
	struct box *box = box_with_subids();
	map(box, VISO_ID_USER, 0, ORDINARY_ID, 1);
	map(box, VISO_ID_USER, 1, 700000, 65536);
	map(box, VISO_ID_GROUP, 0, ORDINARY_ID, 1);
	map(box, VISO_ID_GROUP, 1, 700000, 65536);
	assert_prints(box, show(5, 6),
		      " 0 54321 1\n 1 700000 65536\n 0 54321 1\n 1 700000 65536\nallow\n5\n6\n5 6\nout\n");
	static const unsigned groups[] = {20, 30};
	viso_command *command = probe("ids", NULL);
	assert_ok(viso_command_set_user(command, 5, 6));
	assert_ok(viso_command_set_groups(command, groups, 2));
	assert_prints(box, command, "5 5 5 6 6 6 20,30\n");

	command = probe("sleep", NULL);
	assert_ok(viso_command_set_user(command, 5, 6));
	viso_process *process = box_spawn(box, command);
	char text[64];
	assert_string_equal(outside_status(viso_process_pid(process), "Uid", text, sizeof(text)),
			    "700004\t700004\t700004\t700004");
	/* Though it has another uid outside, it is the caller's to end. */
	assert_ok(viso_process_kill(process));
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, 9);
	viso_process_unref(process);
	box_close(box);
}

static void without_the_own_id(void *argument)
{
	struct box *box = box_with_subids();
	map(box, VISO_ID_USER, 0, 700000, 2000);
	map(box, VISO_ID_GROUP, 0, 700000, 2000);
	viso_command *command = shell("cat /proc/self/uid_map | tr -s ' '; id -u; echo x > /tmp/x; cat /tmp/x");
	assert_prints(box, command, " 0 700000 2000\n1000\nx\n");
	box_close(box);
}

/* A start that must fail with EPERM, with this in the message. */
static void fails_with(struct box *box, int error, const char *object, const char *part)
{
	assert_start_fails(box, probe("exit", NULL), error, VISO_STAGE_USER_NAMESPACE, object);
	if (!strstr(viso_error_message(), part))
		fail_msg("'%s' is not in: %s", part, viso_error_message());
	box_close(box);
}

static void missing_lines(void *argument)
{
	struct box *box = box_with_subids();
	map(box, VISO_ID_USER, 0, 800000, 2000);
	map(box, VISO_ID_GROUP, 0, 700000, 2000);
	fails_with(box, EPERM, "newuidmap", "\"viso-test:800000:2000\"");
	box = ordinary_box();
	map(box, VISO_ID_USER, 0, 700000, 2000);
	map(box, VISO_ID_GROUP, 0, 765000, 2000);
	fails_with(box, EPERM, "newgidmap",
		   "/etc/subgid has no line that gives viso-test the ids from 765000 to 766999");
}

static void no_new_privileges(void *argument)
{
	own_mounts();
	cover_subids(subids, subids);
	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	struct box *box = ordinary_box();
	map(box, VISO_ID_USER, 0, 700000, 2000);
	map(box, VISO_ID_GROUP, 0, 700000, 2000);
	fails_with(box, EPERM, "newuidmap", "no_new_privs");
}

static void not_installed(void *argument)
{
	own_mounts();
	cover_subids(subids, subids);
	cover_directory("/usr/bin");
	struct box *box = ordinary_box();
	map(box, VISO_ID_USER, 0, 700000, 2000);
	map(box, VISO_ID_GROUP, 0, 700000, 2000);
	fails_with(box, ENOENT, "newuidmap", "uidmap");
}

/* PATH is not asked: what lies there must not be run with anybody's rights. */
static void hostile_path(void *argument)
{
	const char *directory = argument;
	char path[512], made[512];
	snprintf(path, sizeof(path), "%s/newuidmap", directory);
	snprintf(made, sizeof(made), "%s/was-here", directory);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\ntouch %s\n", made);
	fclose(file);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(chmod(directory, 0777), 0);
	setenv("PATH", directory, 1);
	missing_lines(NULL);
	assert_int_not_equal(access(made, F_OK), 0);
}

static void test_subordinate_ids(void **state)
{
	box_open(state);
	skip_without(geteuid() == 0, "root, for an /etc/subuid of the test's own");
	skip_without(access("/usr/bin/newuidmap", X_OK) == 0, "newuidmap(1)");
	in_a_host(subordinate_ids, NULL);
	in_a_host(without_the_own_id, NULL);
}

static void test_what_newuidmap_needs(void **state)
{
	box_open(state);
	skip_without(geteuid() == 0, "root, for an /etc/subuid of the test's own");
	skip_without(access("/usr/bin/newuidmap", X_OK) == 0, "newuidmap(1)");
	in_a_host(missing_lines, NULL);
	in_a_host(no_new_privileges, NULL);
	in_a_host(not_installed, NULL);
	char *directory = support_temporary_directory();
	in_a_host(hostile_path, directory);
	support_remove_tree(directory);
	free(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_chosen_by_root),
		AT_CONTAINER(test_without_an_inner_root),
		AT_CONTAINER(test_root_of_the_host),
		AT_CONTAINER(test_groups),
		AT_CONTAINER(test_ids_that_are_not_mapped),
		AT_CONTAINER(test_one_kind_alone),
		AT_CONTAINER(test_arguments),
		AT_CONTAINER(test_many_ranges),
		AT_CONTAINER(test_own_id_of_an_ordinary_user),
		AT_CONTAINER(test_subordinate_ids),
		AT_CONTAINER(test_what_newuidmap_needs),
	};
	box_tree();
	return cmocka_run_group_tests_name("id maps", tests, NULL, box_group_teardown);
}
