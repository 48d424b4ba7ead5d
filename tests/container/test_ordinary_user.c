/* SPDX-License-Identifier: MIT */
/* A container of an ordinary user, without any privilege. As root the test becomes one for this. */
#include "box.h"
#include "host.h"
#include "outside.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void become_ordinary(void)
{
	if (geteuid() == 0)
		assert_true(setgroups(0, NULL) == 0 && setresgid(54321, 54321, 54321) == 0 &&
			    setresuid(54321, 54321, 54321) == 0);
}

static void try_out(void *works)
{
	become_ordinary();
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	viso_command *command = probe("exit", NULL);
	int r = viso_sandbox_run(box->sandbox, command, NULL);
	if (write(((int *)works)[1], r < 0 ? "n" : "y", 1) != 1)
		abort();
}

/* On a host that keeps user namespaces from ordinary users. */
static void skip_without_user_namespaces(void)
{
	int works[2];
	char answer = 0;
	assert_int_equal(pipe(works), 0);
	in_a_host(try_out, works);
	assert_int_equal(read(works[0], &answer, 1), 1);
	close(works[0]);
	close(works[1]);
	skip_without(answer == 'y', "user namespaces for ordinary users");
}

static void runs(void *argument)
{
	become_ordinary();
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_prints(box,
		      shell("id -u; hostname; cat /proc/1/comm; echo x > /tmp/x; cat /tmp/x; touch /x 2>/dev/null || "
			    "echo no"),
		      "1000\ncontainer\nviso-init\nx\nno\n");
	viso_command *command =
		shell("id -u; id -g; cat /proc/self/uid_map | tr -s ' '; grep CapEff /proc/self/status | tr -d '\\t'");
	char expected[256];
	snprintf(expected, sizeof(expected), "0\n0\n 0 %u 1\nCapEff:0000000000000000\n", geteuid());
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(box, command, expected);

	viso_process *process = box_spawn(box, probe("sleep", NULL));
	char text[64];
	snprintf(expected, sizeof(expected), "%u\t%u\t%u\t%u", geteuid(), geteuid(), geteuid(), geteuid());
	assert_string_equal(outside_status(viso_process_pid(process), "Uid", text, sizeof(text)), expected);
	assert_string_equal(outside_status(viso_process_pid(process), "Seccomp", text, sizeof(text)), "2");
	viso_process_unref(process);
	box_close(box);
}

static void test_runs(void **state)
{
	support_time_limit(60);
	skip_without_user_namespaces();
	in_a_host(runs, NULL);
}

static void limits(void *argument)
{
	become_ordinary();
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	viso_command *command = shell("probe background 3; exec probe spin");
	assert_ok(viso_command_set_timeout_ms(command, 200));
	assert_ended(box_run(box, command), VISO_REASON_TIMED_OUT, -1, 9);
	static const unsigned groups[] = {5};
	command = probe("exit", NULL);
	assert_ok(viso_command_set_groups(command, groups, 1));
	assert_start_fails(box, command, EPERM, VISO_STAGE_CREDENTIALS, "setgroups");
	box_close(box);
}

static void test_limits(void **state)
{
	support_time_limit(60);
	skip_without_user_namespaces();
	in_a_host(limits, NULL);
}

static void init_is_closed(void *argument)
{
	become_ordinary();
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	/* The init has the same uid as the program here. */
	viso_command *command =
		shell("kill -9 1; kill -STOP 1; ls /proc/1/root /proc/1/fd /proc/1/cwd >/dev/null 2>&1 || echo no; "
		      "cat /proc/1/environ /proc/1/mem 2>/dev/null; echo end");
	assert_prints(box, command, "no\nend\n");
	box_close(box);
}

static void test_its_init_is_closed(void **state)
{
	support_time_limit(60);
	skip_without_user_namespaces();
	in_a_host(init_is_closed, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_its_init_is_closed),
	};
	box_tree();
	return cmocka_run_group_tests_name("ordinary user", tests, NULL, box_group_teardown);
}
