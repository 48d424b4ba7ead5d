/* SPDX-License-Identifier: MIT */
/* What a program in a jail is, as the host sees it: without privileges, groups, terminal, with an identity and a root
 * of its own. */
#include "box.h"
#include "host.h"
#include "outside.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static char text[8192];

static unsigned uid_of(viso_process *process)
{
	return (unsigned)strtoul(outside_status(viso_process_pid(process), "Uid", text, sizeof(text)), NULL, 10);
}

static void test_no_privileges(void **state)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	struct box *box = box_open(state);
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	int pid = viso_process_pid(process);
	for (int i = 0; i < 5; i++)
		assert_string_equal(outside_status(pid, sets[i], text, sizeof(text)), "0000000000000000");
	assert_string_equal(outside_status(pid, "NoNewPrivs", text, sizeof(text)), "1");
	assert_string_equal(outside_status(pid, "Seccomp", text, sizeof(text)), "2");
	assert_string_equal(outside_status(pid, "Groups", text, sizeof(text)), "");
	viso_process_unref(process);
}

/* Also where the user is one of the host, even root. */
static void test_no_privileges_for_a_chosen_user(void **state)
{
	static const unsigned ids[] = {0, 12345};
	skip_without(geteuid() == 0, "root, for ids of the host");
	struct box *box = box_open(state);
	for (int i = 0; i < 2; i++) {
		viso_command *command = probe("sleep", NULL);
		char expected[64];
		assert_ok(viso_command_set_user(command, ids[i], ids[i]));
		viso_process *process = box_spawn(box, command);
		int pid = viso_process_pid(process);
		snprintf(expected, sizeof(expected), "%u\t%u\t%u\t%u", ids[i], ids[i], ids[i], ids[i]);
		assert_string_equal(outside_status(pid, "Uid", text, sizeof(text)), expected);
		assert_string_equal(outside_status(pid, "Gid", text, sizeof(text)), expected);
		assert_string_equal(outside_status(pid, "CapEff", text, sizeof(text)), "0000000000000000");
		assert_string_equal(outside_status(pid, "CapPrm", text, sizeof(text)), "0000000000000000");
		assert_string_equal(outside_status(pid, "CapBnd", text, sizeof(text)), "0000000000000000");
		viso_process_unref(process);
	}
}

static void test_an_identity_of_its_own(void **state)
{
	enum { COUNT = 6 };
	skip_without(geteuid() == 0, "root, for ids of the host");
	struct box *box = box_open(state);
	struct box *other = box_new(box->strength, box_tree());
	viso_process *processes[COUNT];
	unsigned uids[COUNT];
	for (int i = 0; i < COUNT; i++) {
		processes[i] = box_spawn(i % 2 ? other : box, probe("sleep", NULL));
		uids[i] = uid_of(processes[i]);
		assert_true(uids[i] >= 0x70000000 && uids[i] != (unsigned)-1);
		for (int j = 0; j < i; j++)
			assert_int_not_equal(uids[i], uids[j]);
	}
	char expected[64];
	snprintf(expected, sizeof(expected), "%u\t%u\t%u\t%u", uids[0], uids[0], uids[0], uids[0]);
	assert_string_equal(outside_status(viso_process_pid(processes[0]), "Uid", text, sizeof(text)), expected);
	assert_string_equal(outside_status(viso_process_pid(processes[0]), "Gid", text, sizeof(text)), expected);
	for (int i = 0; i < COUNT; i++)
		viso_process_unref(processes[i]);
	box_close(other);
}

static void host_with_groups(void *argument)
{
	const gid_t groups[] = {7, 8, 9};
	setgroups(3, groups);
	struct box *box = box_new(VISO_ISOLATION_JAIL, box_tree());
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_string_equal(outside_status(viso_process_pid(process), "Groups", text, sizeof(text)), "");
	viso_process_unref(process);
	box_close(box);
}

static void test_groups_of_the_host_are_given_up(void **state)
{
	box_open(state);
	in_a_host(host_with_groups, NULL);
}

static void test_its_root_is_the_tree(void **state)
{
	struct box *box = box_open(state);
	char tree[4096];
	assert_non_null(realpath(box_tree(), tree));
	viso_process *process = box_spawn(box, shell("cd /work; exec probe sleep"));
	int pid = viso_process_pid(process);
	await_that(!strcmp(outside_read(pid, "comm", text, sizeof(text)), "probe\n"));
	assert_string_equal(outside_link(pid, "root", text, sizeof(text)), tree);
	strcat(tree, "/work");
	assert_string_equal(outside_link(pid, "cwd", text, sizeof(text)), tree);
	viso_process_unref(process);
	assert_prints(box, shell("cd ..; cd ../..; echo *"), "bin dev etc proc sys tmp usr work\n");
}

static void host_with_terminal(void *argument)
{
	char name[64];
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(setsid() >= 0 && master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	assert_int_equal(ptsname_r(master, name, sizeof(name)), 0);
	int terminal = open(name, O_RDWR);
	assert_true(terminal >= 0);
	assert_true(outside_stat(getpid(), 7) != 0); /* now it is this session's controlling terminal */
	struct box *box = box_new(VISO_ISOLATION_JAIL, box_tree());
	viso_command *command = probe("sleep", NULL);
	for (int i = 0; i < 3; i++)
		assert_ok(viso_command_set_stdio_fd(command, (viso_stream)i, terminal));
	viso_process *process = box_spawn(box, command);
	int pid = viso_process_pid(process);
	assert_int_equal(outside_stat(pid, 7), 0);
	assert_int_equal(outside_stat(pid, 6), pid);
	viso_process_unref(process);
	box_close(box);
}

static void test_no_terminal(void **state)
{
	box_open(state);
	in_a_host(host_with_terminal, NULL);
}

static void test_network(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, probe("socket", "2", NULL), "Operation not permitted\n");  /* AF_INET */
	assert_prints(box, probe("socket", "10", NULL), "Operation not permitted\n"); /* AF_INET6 */
	assert_prints(box, probe("socket", "16", NULL), "Operation not permitted\n"); /* AF_NETLINK */
	assert_prints(box, probe("socket", "40", NULL), "Operation not permitted\n"); /* AF_VSOCK */
	assert_prints(box, probe("socket", "1", NULL), "made\n");                     /* AF_UNIX */
	struct box *open = box_new(box->strength, box_tree());
	assert_ok(viso_jail_set_network(open->jail, VISO_NETWORK_HOST));
	assert_prints(open, probe("socket", "2", NULL), "made\n");
	assert_prints(open, probe("socket", "40", NULL), "Address family not supported by protocol\n");
	box_close(open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_JAIL(test_no_privileges),
		AT_JAIL(test_no_privileges_for_a_chosen_user),
		AT_JAIL(test_an_identity_of_its_own),
		AT_JAIL(test_groups_of_the_host_are_given_up),
		AT_JAIL(test_its_root_is_the_tree),
		AT_JAIL(test_no_terminal),
		AT_JAIL(test_network),
	};
	return cmocka_run_group_tests_name("jail", tests, NULL, box_group_teardown);
}
