/* SPDX-License-Identifier: MIT */
/* A jail of an ordinary user, without any privilege. As root the test becomes one for this. */
#include "box.h"
#include "host.h"
#include "marked.h"
#include "outside.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { USER = 54321 };

static char text[8192];

static void become_ordinary(void)
{
	if (geteuid() == 0)
		assert_true(setgroups(0, NULL) == 0 && setresgid(USER, USER, USER) == 0 &&
			    setresuid(USER, USER, USER) == 0);
}

static int make_user_namespace(void *argument)
{
	return 0;
}

static void skip_without_user_namespaces(void)
{
	static char stack[65536];
	int status = -1;
	pid_t pid = fork();
	if (pid == 0) {
		become_ordinary();
		pid_t child = clone(make_user_namespace, stack + sizeof(stack), CLONE_NEWUSER | SIGCHLD, NULL);
		_exit(child < 0);
	}
	waitpid(pid, &status, 0);
	skip_without(status == 0, "user namespaces for ordinary users");
}

static void run_ordinary(void (*function)(void *), void *argument)
{
	support_time_limit(60);
	skip_without_user_namespaces();
	in_a_host(function, argument);
}

static struct box *open_ordinary(void)
{
	become_ordinary();
	return box_new(VISO_ISOLATION_JAIL, box_tree());
}

static void runs(void *argument)
{
	struct box *box = open_ordinary();
	char expected[64];
	assert_prints(box, shell("id -u; id -g; cd /..; pwd; echo *"),
		      "1000\n1000\n/\nbin dev etc proc sys tmp usr work\n");
	viso_command *command = shell("id -u; id -g");
	assert_ok(viso_command_set_user(command, 0, 7));
	assert_prints(box, command, "0\n7\n");
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	int pid = viso_process_pid(process);
	snprintf(expected, sizeof(expected), "%u\t%u\t%u\t%u", geteuid(), geteuid(), geteuid(), geteuid());
	assert_string_equal(outside_status(pid, "Uid", text, sizeof(text)), expected);
	assert_string_equal(outside_status(pid, "Gid", text, sizeof(text)), expected);
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	for (int i = 0; i < 5; i++)
		assert_string_equal(outside_status(pid, sets[i], text, sizeof(text)), "0000000000000000");
	assert_string_equal(outside_status(pid, "NoNewPrivs", text, sizeof(text)), "1");
	assert_string_equal(outside_status(pid, "Seccomp", text, sizeof(text)), "2");
	viso_process_unref(process);
	box_close(box);
}

static void test_runs(void **state)
{
	run_ordinary(runs, NULL);
}

/* Root inside gets nothing from it, and cannot make a namespace to chroot in again. */
static void is_not_privileged(void *argument)
{
	struct box *box = open_ordinary();
	viso_command *command =
		shell("chroot / /bin/true 2>/dev/null || echo no chroot; unshare -U true 2>/dev/null || echo no "
		      "namespace; mount -t tmpfs x /tmp 2>/dev/null || echo no mount");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(box, command, "no chroot\nno namespace\nno mount\n");
	box_close(box);
}

static void test_root_inside_is_not_privileged(void **state)
{
	run_ordinary(is_not_privileged, NULL);
}

/* All that the caller has runs under the same uid: nothing but the command may be ended. */
static void spares_the_caller(void *argument)
{
	struct box *box = open_ordinary();
	pid_t bystander = fork();
	if (bystander == 0)
		for (;;)
			pause();
	for (int i = 0; i < 3; i++) {
		viso_process *process = box_spawn(box, shell("probe background 5; exec probe sleep"));
		usleep(50000);
		assert_ok(viso_process_kill(process));
		assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
		viso_process_unref(process);
		assert_prints(box, probe("background", "5", NULL), "left\n");
		assert_prints(box, probe("run-away", "2", NULL), "left\n");
		assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 0);
	}
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_prints(box, probe("background", "5", NULL), "left\n");
	box_close(box);
	assert_int_equal(waitpid(bystander, NULL, WNOHANG), 0);
	kill(bystander, SIGKILL);
	waitpid(bystander, NULL, 0);
}

static void marked_spares_the_caller(void *argument)
{
	mark_this_process(*(unsigned *)argument);
	spares_the_caller(argument);
	assert_int_equal(marked_processes(*(unsigned *)argument, "probe", getpid(), NULL, 0), 0);
}

static void test_nothing_of_the_callers_is_killed(void **state)
{
	unsigned mark = mark_new();
	run_ordinary(marked_spares_the_caller, &mark);
	assert_no_marked(mark);
}

/* With the scopes of Landlock, programs cannot do that either. */
static void kills_the_caller(void *argument)
{
	struct box *box = open_ordinary();
	char script[128];
	snprintf(script, sizeof(script),
		 "kill -9 %d 2>/dev/null || echo no; kill -9 -1; kill -0 %d 2>/dev/null || echo no", (int)getpid(),
		 (int)getppid());
	if (viso_jail_hardening(box->jail) == VISO_HARDENING_SCOPES) {
		viso_result *result = box_run(box, shell(script));
		assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "no\nno\n");
		viso_result_unref(result);
	}
	box_close(box);
}

static void test_the_caller_cannot_be_killed(void **state)
{
	run_ordinary(kills_the_caller, NULL);
}

static void groups_are_refused(void *argument)
{
	static const unsigned groups[] = {5};
	struct box *box = open_ordinary();
	viso_command *command = probe("exit", NULL);
	assert_ok(viso_command_set_groups(command, groups, 1));
	assert_start_fails(box, command, EPERM, VISO_STAGE_CREDENTIALS, "setgroups");
	box_close(box);
}

static void test_groups_are_refused(void **state)
{
	run_ordinary(groups_are_refused, NULL);
}

/* One uid for all commands of an instance. */
static void one_identity(void *argument)
{
	struct box *box = open_ordinary();
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_prints(box, shell("id -u"), "1000\n");
	viso_command *command = probe("exit", NULL);
	assert_ok(viso_command_set_user(command, 5, 1000));
	assert_start_fails(box, command, EINVAL, VISO_STAGE_CREDENTIALS, "setresuid");
	box_close(box);
}

static void test_one_identity_in_an_instance(void **state)
{
	run_ordinary(one_identity, NULL);
}

static void write_text(const char *path, const char *words)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, words, strlen(words)), strlen(words));
	close(fd);
}

/* Which its user cannot make: they are bound into an empty /dev, where nothing else can be put. */
static void has_devices(void *argument)
{
	struct box *box = open_ordinary();
	for (int i = 0; i < 2; i++) {
		assert_prints(box,
			      shell("echo x >/dev/null; head -c 8 /dev/urandom | wc -c; head -c 3 /dev/zero | wc -c; "
				    "touch /dev/x 2>/dev/null || echo no; echo /dev/*"),
			      "8\n3\nno\n/dev/full /dev/null /dev/random /dev/tty /dev/urandom /dev/zero\n");
		assert_ok(viso_sandbox_start(box->sandbox));
	}
	box_close(box);
}

static void test_has_devices(void **state)
{
	run_ordinary(has_devices, NULL);
	char *tree = tree_path(box_tree(), "dev/null");
	struct stat st;
	assert_int_equal(stat(tree, &st), -1); /* not for others */
	free(tree);
}

static void has_a_dev_of_its_own(void *argument)
{
	become_ordinary();
	struct box *box = box_new(VISO_ISOLATION_JAIL, argument);
	assert_prints(box, shell("echo /dev/*"), "/dev/mine\n");
	box_close(box);
}

static void test_another_dev_is_left_alone(void **state)
{
	char *tree = box_new_tree();
	tree_write(tree, "dev/mine", "", 0644);
	run_ordinary(has_a_dev_of_its_own, tree);
	support_remove_tree(tree);
	free(tree);
}

static void without_namespaces(void *argument)
{
	become_ordinary();
	char uids[32], gids[32];
	snprintf(uids, sizeof(uids), "0 %u 1", geteuid());
	snprintf(gids, sizeof(gids), "0 %u 1", getegid());
	/* The change of uid has given its files in /proc to root. */
	assert_int_equal(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
	assert_int_equal(unshare(CLONE_NEWUSER), 0);
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", uids);
	write_text("/proc/self/gid_map", gids);
	write_text("/proc/sys/user/max_user_namespaces", "0");
	struct box *box = box_new(VISO_ISOLATION_JAIL, box_tree());
	assert_start_fails(box, probe("exit", NULL), ENOSPC, VISO_STAGE_USER_NAMESPACE, "clone");
	assert_non_null(strstr(viso_error_message(), "user.max_user_namespaces"));
	assert_fails(viso_sandbox_start(box->sandbox), ENOSPC, VISO_STAGE_USER_NAMESPACE, "clone");
	assert_non_null(strstr(viso_error_message(), "user.max_user_namespaces"));
	box_close(box);
}

static void test_missing_namespaces_are_explained(void **state)
{
	run_ordinary(without_namespaces, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_root_inside_is_not_privileged),
		cmocka_unit_test(test_nothing_of_the_callers_is_killed),
		cmocka_unit_test(test_the_caller_cannot_be_killed),
		cmocka_unit_test(test_groups_are_refused),
		cmocka_unit_test(test_one_identity_in_an_instance),
		cmocka_unit_test(test_has_devices),
		cmocka_unit_test(test_another_dev_is_left_alone),
		cmocka_unit_test(test_missing_namespaces_are_explained),
	};
	box_tree();
	return cmocka_run_group_tests_name("ordinary user", tests, NULL, box_group_teardown);
}
