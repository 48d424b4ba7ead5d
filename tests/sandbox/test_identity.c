/* SPDX-License-Identifier: MIT */
/* Users and groups as the program sees them. */
#include "box.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static viso_command *ids_as(unsigned uid, unsigned gid)
{
	viso_command *command = probe("ids", NULL);
	assert_ok(viso_command_set_user(command, uid, gid));
	return command;
}

/* What the kernel shows to an ordinary user whose groups are not mapped. */
static const char *without_groups(struct box *box, viso_command *command, char text[128])
{
	viso_result *result = box_run(box, command);
	snprintf(text, 128, "%s", viso_result_output(result, VISO_STDOUT, NULL));
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
	if (geteuid() != 0)
		for (int spaces = 0, i = 0; text[i]; i++)
			if (text[i] == ' ' && ++spaces == 6)
				strcpy(text + i, "\n");
	return text;
}

static void test_default_user_of_a_container(void **state)
{
	struct box *box = box_open(state);
	char text[128];
	assert_string_equal(without_groups(box, probe("ids", NULL), text), "1000 1000 1000 1000 1000 1000\n");
}

static void test_user_of_the_callers_choice(void **state)
{
	struct box *box = box_open(state);
	char text[128];
	assert_string_equal(without_groups(box, ids_as(12345, 54321), text), "12345 12345 12345 54321 54321 54321\n");
	assert_string_equal(without_groups(box, ids_as(65535, 65535), text), "65535 65535 65535 65535 65535 65535\n");
}

static void test_root_in_a_container(void **state)
{
	struct box *box = box_open(state);
	char text[128];
	assert_string_equal(without_groups(box, ids_as(0, 0), text), "0 0 0 0 0 0\n");
}

static void test_ids_that_a_container_does_not_have(void **state)
{
	struct box *box = box_open(state);
	if (geteuid() == 0) {
		assert_start_fails(box, ids_as(65536, 0), EINVAL, VISO_STAGE_CREDENTIALS, "setresuid");
		assert_start_fails(box, ids_as(0, 4000000000u), EINVAL, VISO_STAGE_CREDENTIALS, "setresgid");
	}
	viso_command *command = probe("ids", NULL);
	assert_fails(viso_command_set_user(command, (unsigned)-1, 0), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_command_set_user");
	viso_command_unref(command);
}

static void test_supplementary_groups(void **state)
{
	static const unsigned groups[] = {7, 77, 777};
	struct box *box = box_open(state);
	viso_command *command = ids_as(500, 501);
	assert_ok(viso_command_set_groups(command, groups, 3));
	if (geteuid() != 0) {
		assert_start_fails(box, command, EPERM, VISO_STAGE_CREDENTIALS, "setgroups");
		return;
	}
	assert_prints(box, viso_command_ref(command), "500 500 500 501 501 501 7,77,777\n");
	assert_ok(viso_command_set_groups(command, NULL, 0));
	assert_prints(box, command, "500 500 500 501 501 501\n");
}

static void test_group_arguments(void **state)
{
	unsigned groups[65] = {0};
	viso_command *command = viso_command_new("x");
	assert_fails(viso_command_set_groups(command, groups, 65), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_command_set_groups");
	assert_fails(viso_command_set_groups(command, NULL, 1), EINVAL, VISO_STAGE_ARGUMENT, "viso_command_set_groups");
	assert_ok(viso_command_set_groups(command, groups, 64));
	viso_command_unref(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_default_user_of_a_container), AT_ALL_STRENGTHS(test_user_of_the_callers_choice),
		AT_CONTAINER(test_root_in_a_container),         AT_CONTAINER(test_ids_that_a_container_does_not_have),
		AT_ALL_STRENGTHS(test_supplementary_groups),    cmocka_unit_test(test_group_arguments),
	};
	return cmocka_run_group_tests_name("identity", tests, NULL, box_group_teardown);
}
