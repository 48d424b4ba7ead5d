/* SPDX-License-Identifier: MIT */
/*
 * The levels of hardening. Other kernels are had by seccomp: a filter makes landlock_create_ruleset(2) fail as on them,
 * or lets the test answer the question for the version with a lower one.
 */
#include "box.h"
#include "host.h"
#include "outside.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static char text[8192];

static int landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* Whether one of the jail's warnings has these words. */
static bool warns(viso_jail *jail, const char *words)
{
	const char *warning;
	for (unsigned i = 0; (warning = viso_jail_warning(jail, i)); i++)
		if (strstr(warning, words))
			return true;
	return false;
}

static void test_names(void **state)
{
	assert_string_equal(viso_hardening_name(VISO_HARDENING_NONE), "none");
	assert_string_equal(viso_hardening_name(VISO_HARDENING_PRIVILEGES), "privileges");
	assert_string_equal(viso_hardening_name(VISO_HARDENING_FILES), "files");
	assert_string_equal(viso_hardening_name(VISO_HARDENING_SCOPES), "scopes");
	assert_null(viso_hardening_name((viso_hardening)4));
	assert_null(viso_hardening_name((viso_hardening)-1));
}

static void test_arguments(void **state)
{
	viso_jail *jail = viso_jail_new();
	assert_fails(viso_jail_set_hardening(NULL, 1), EINVAL, VISO_STAGE_ARGUMENT, "viso_jail_set_hardening");
	assert_fails(viso_jail_demand_hardening(NULL, VISO_HARDENING_NONE), EINVAL, VISO_STAGE_ARGUMENT, "demand");
	assert_fails(viso_jail_hardening(NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_jail_hardening");
	assert_null(viso_jail_warning(NULL, 0));
	assert_fails(viso_jail_demand_hardening(jail, (viso_hardening)4), EINVAL, VISO_STAGE_ARGUMENT, "demand");
	assert_fails(viso_jail_demand_hardening(jail, (viso_hardening)-1), EINVAL, VISO_STAGE_ARGUMENT, "demand");
	assert_ok(viso_jail_demand_hardening(jail, VISO_HARDENING_FILES));
	assert_fails(viso_jail_set_hardening(jail, 0), EINVAL, VISO_STAGE_ARGUMENT, "viso_jail_set_hardening");
	assert_ok(viso_jail_demand_hardening(jail, VISO_HARDENING_NONE));
	assert_ok(viso_jail_set_hardening(jail, 0));
	assert_int_equal(viso_jail_hardening(jail), VISO_HARDENING_NONE);
	assert_fails(viso_jail_demand_hardening(jail, VISO_HARDENING_PRIVILEGES), EINVAL, VISO_STAGE_ARGUMENT,
		     "demand");
	assert_ok(viso_jail_demand_hardening(jail, VISO_HARDENING_NONE));
	assert_ok(viso_jail_set_hardening(jail, 7));
	viso_jail_unref(jail);
}

static void test_settings_are_frozen(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, probe("cwd", NULL), "/\n");
	assert_fails(viso_jail_set_hardening(box->jail, 0), EBUSY, VISO_STAGE_ARGUMENT, "viso_jail_set_hardening");
	assert_fails(viso_jail_demand_hardening(box->jail, VISO_HARDENING_NONE), EBUSY, VISO_STAGE_ARGUMENT, "demand");
}

static viso_hardening level_of(int abi)
{
	return abi <= 0 ? VISO_HARDENING_PRIVILEGES : abi < 6 ? VISO_HARDENING_FILES : VISO_HARDENING_SCOPES;
}

static bool has_seccomp(void)
{
	viso_machine *machine = viso_machine_new();
	bool has = viso_machine_feature(machine, VISO_FEATURE_SECCOMP) == 1;
	viso_machine_unref(machine);
	return has;
}

static void test_this_kernel(void **state)
{
	struct box *box = box_open(state);
	viso_hardening level = has_seccomp() ? level_of(landlock_abi()) : VISO_HARDENING_NONE;
	assert_int_equal(viso_jail_hardening(box->jail), level);
	assert_ok(viso_jail_demand_hardening(box->jail, level));
	assert_prints(box, probe("cwd", NULL), "/\n");
	assert_true(warns(box->jail, "The kernel is the host's"));
	assert_int_equal(warns(box->jail, "no Landlock scopes"), landlock_abi() < 6);
	assert_int_equal(warns(box->jail, "without seccomp"), !has_seccomp());
}

/* In a build without it everything else is done all the same, but no level is reached. */
static void test_no_seccomp(void **state)
{
	struct box *box = box_open(state);
	skip_without(!has_seccomp(), "a build without seccomp (-Dseccomp=disabled)");
	assert_ok(viso_jail_demand_hardening(box->jail, VISO_HARDENING_PRIVILEGES));
	assert_start_fails(box, probe("cwd", NULL), EOPNOTSUPP, VISO_STAGE_SECCOMP, "privileges");
	assert_non_null(strstr(viso_error_message(), "-Dseccomp=enabled"));
}

/* Demands each level, of which only those up to `reached` are had. */
static void demand_all(viso_hardening reached, const char *why)
{
	for (int level = VISO_HARDENING_NONE; level <= VISO_HARDENING_SCOPES; level++) {
		struct box *box = box_new(VISO_ISOLATION_JAIL, box_tree());
		assert_int_equal(viso_jail_hardening(box->jail), reached);
		assert_ok(viso_jail_demand_hardening(box->jail, (viso_hardening)level));
		if (level <= (int)reached) {
			assert_prints(box, probe("cwd", NULL), "/\n");
			assert_ok(viso_sandbox_start(box->sandbox));
			assert_prints(box, probe("cwd", NULL), "/\n");
		} else {
			const char *name = viso_hardening_name((viso_hardening)level);
			assert_start_fails(box, probe("cwd", NULL), EOPNOTSUPP, VISO_STAGE_LANDLOCK, name);
			assert_non_null(strstr(viso_error_message(), why));
			assert_fails(viso_sandbox_start(box->sandbox), EOPNOTSUPP, VISO_STAGE_LANDLOCK, name);
		}
		box_close(box);
	}
}

/* The kernel's answer to landlock_create_ruleset, when it is asked for its version or always. */
static int filter_landlock(unsigned flags, uint32_t action, bool always)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LANDLOCK_CREATE_RULESET_VERSION, 0, always ? 0 : 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	int r = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	assert_true(r >= 0);
	return r;
}

static void without_landlock(void *argument)
{
	filter_landlock(0, SECCOMP_RET_ERRNO | ENOSYS, true);
	demand_all(VISO_HARDENING_PRIVILEGES, "Linux 5.13");
	viso_jail *jail = viso_jail_new();
	assert_true(warns(jail, "There is no Landlock"));
	assert_true(warns(jail, "no Landlock scopes"));
	viso_jail_unref(jail);
}

static void with_landlock_off(void *argument)
{
	filter_landlock(0, SECCOMP_RET_ERRNO | EOPNOTSUPP, true);
	demand_all(VISO_HARDENING_PRIVILEGES, "lsm=");
	viso_jail *jail = viso_jail_new();
	assert_true(warns(jail, "Landlock is switched off"));
	assert_false(warns(jail, "There is no Landlock"));
	viso_jail_unref(jail);
}

static void with_landlock_refused(void *argument)
{
	filter_landlock(0, SECCOMP_RET_ERRNO | EPERM, true);
	demand_all(VISO_HARDENING_PRIVILEGES, "seccomp filter around this process");
}

static void test_no_landlock(void **state)
{
	box_open(state);
	skip_without(has_seccomp(), "seccomp");
	in_a_host(without_landlock, NULL);
	in_a_host(with_landlock_off, NULL);
	in_a_host(with_landlock_refused, NULL);
}

struct answer {
	int listener;
	int abi;
};

static void *answer_questions(void *data)
{
	const struct answer *answer = data;
	for (;;) {
		struct seccomp_notif question = {0};
		if (ioctl(answer->listener, SECCOMP_IOCTL_NOTIF_RECV, &question) < 0)
			continue;
		struct seccomp_notif_resp response = {.id = question.id, .val = answer->abi};
		ioctl(answer->listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
	return NULL;
}

static void with_abi(void *argument)
{
	pthread_t thread;
	struct answer answer = {.abi = *(int *)argument};
	answer.listener = filter_landlock(SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_RET_USER_NOTIF, false);
	assert_int_equal(pthread_create(&thread, NULL, answer_questions, &answer), 0);
	assert_int_equal(landlock_abi(), answer.abi);
	demand_all(level_of(answer.abi), "Linux 6.12");
	viso_jail *jail = viso_jail_new();
	assert_int_equal(warns(jail, "no Landlock scopes"), answer.abi < 6);
	assert_false(warns(jail, "There is no Landlock:"));
	viso_jail_unref(jail);
}

static void test_older_landlocks(void **state)
{
	box_open(state);
	skip_without(has_seccomp() && landlock_abi() > 0, "Landlock and seccomp");
	for (int abi = 1; abi <= landlock_abi(); abi++)
		in_a_host(with_abi, &abi);
}

/* chroot(2) as of 1979, but for what of the host could still leak in. */
static void test_switched_off(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_jail_set_hardening(box->jail, 0));
	assert_int_equal(viso_jail_hardening(box->jail), VISO_HARDENING_NONE);
	assert_true(warns(box->jail, "no security boundary"));
	assert_int_equal(warns(box->jail, "root's capabilities"), geteuid() == 0);
	assert_true(warns(box->jail, "The network is the host's"));
	assert_prints(box, probe("fds", NULL), "0 1 2 \n");
	assert_prints(box, probe("inherited", NULL), "umask 022\n");
	assert_prints(box, probe("socket", "2", NULL), "made\n");
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	int pid = viso_process_pid(process);
	/* The new program's credentials come a moment after its memory. */
	await_that(!strcmp(outside_status(pid, "CapEff", text, sizeof(text)), "0000000000000000"));
	assert_string_equal(outside_status(pid, "NoNewPrivs", text, sizeof(text)), "0");
	assert_string_equal(outside_status(pid, "Seccomp", text, sizeof(text)), "0");
	viso_process_unref(process);
}

static void test_root_keeps_its_capabilities_then(void **state)
{
	struct box *box = box_open(state);
	char all[64];
	skip_without(geteuid() == 0, "root");
	assert_ok(viso_jail_set_hardening(box->jail, 0));
	snprintf(all, sizeof(all), "%s", outside_status(getpid(), "CapPrm", text, sizeof(text)));
	viso_command *command = probe("sleep", NULL);
	assert_ok(viso_command_set_user(command, 0, 0));
	viso_process *process = box_spawn(box, command);
	await_that(!strcmp(outside_status(viso_process_pid(process), "CapEff", text, sizeof(text)), all));
	assert_string_equal(outside_status(viso_process_pid(process), "CapPrm", text, sizeof(text)), all);
	viso_process_unref(process);
	command = shell("chroot /work /bin/true 2>&1 || chroot / /bin/true && echo yes");
	assert_ok(viso_command_set_user(command, 0, 0));
	viso_result *result = box_run(box, command);
	assert_non_null(strstr(viso_result_output(result, VISO_STDOUT, NULL), "yes"));
	viso_result_unref(result);
	/* What is left ends all the same. */
	command = shell("probe background 3; exec probe sleep");
	assert_ok(viso_command_set_user(command, 0, 0));
	process = box_spawn(box, command);
	await_that(viso_sandbox_pids(box->sandbox, NULL, 0) == 4);
	assert_ok(viso_process_kill(process));
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	viso_process_unref(process);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 0);
}

/* Gives a program of the tree one capability, as setcap(8) does. False where the file system cannot. */
static bool give_capability(const char *tree, const char *program, unsigned capability)
{
	char *path = tree_path(tree, program);
	const struct vfs_cap_data data = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
					  .data[0].permitted = 1u << capability};
	bool given = setxattr(path, "security.capability", &data, XATTR_CAPS_SZ_2, 0) == 0;
	free(path);
	return given;
}

static viso_result *run_as(struct box *box, unsigned user, const char *program)
{
	viso_command *command = viso_command_new(program);
	viso_result *result = NULL;
	assert_ok(viso_command_add_arg(command, "exit"));
	assert_ok(viso_command_add_arg(command, "7"));
	assert_ok(viso_command_set_user(command, user, user));
	assert_ok(viso_sandbox_run(box->sandbox, command, &result));
	viso_command_unref(command);
	return result;
}

/*
 * With an empty bounding set the kernel refuses to execute such a file (capabilities(7)), even to root; and what is
 * inheritable would be given to whoever executes a file that says so (CVE-2022-27650). Workers that have served a
 * hardened jail must not make a difference.
 */
static void test_capabilities_of_files_count_then(void **state)
{
	box_open(state);
	skip_without(geteuid() == 0, "root");
	char *tree = box_new_tree();
	char *probe_path = tree_path(tree, "bin/probe");
	tree_copy(probe_path, tree, "bin/capable");
	free(probe_path);
	skip_without(give_capability(tree, "bin/capable", CAP_NET_RAW), "file capabilities");
	for (int round = 0; round < 4; round++) {
		struct box *hard = box_new(VISO_ISOLATION_JAIL, tree), *off = box_new(VISO_ISOLATION_JAIL, tree);
		for (int i = 0; i < 3; i++)
			assert_prints(hard, probe("cwd", NULL), "/\n");
		assert_ok(viso_jail_set_hardening(off->jail, 0));
		if (round % 2)
			assert_ok(viso_sandbox_start(off->sandbox));
		assert_ended(run_as(off, 0, "/bin/capable"), VISO_REASON_EXITED, 7, 0);
		assert_ended(run_as(off, 4242, "/bin/capable"), VISO_REASON_EXITED, 7, 0);
		viso_process *process = box_spawn(off, probe("sleep", NULL));
		assert_string_equal(outside_status(viso_process_pid(process), "CapInh", text, sizeof(text)),
				    "0000000000000000");
		assert_prints(hard, probe("cwd", NULL), "/\n");
		viso_process_unref(process);
		box_close(off);
		box_close(hard);
	}
	support_remove_tree(tree);
	free(tree);
}

static void test_warnings_of_settings(void **state)
{
	struct box *box = box_open(state);
	assert_false(warns(box->jail, "The network is the host's"));
	assert_ok(viso_jail_set_network(box->jail, VISO_NETWORK_HOST));
	assert_true(warns(box->jail, "The network is the host's"));
	assert_int_equal(warns(box->jail, "caller's own uid"), geteuid() != 0);
	assert_false(warns(box->jail, "as a user of the host's"));
	viso_command *command = probe("exit", "0", NULL);
	assert_ok(viso_command_set_user(command, 12345, 12345));
	assert_ended(box_run(box, command), VISO_REASON_EXITED, 0, 0);
	assert_int_equal(warns(box->jail, "as a user of the host's"), geteuid() == 0);
	assert_true(warns(box->jail, "setpriority"));
}

/* The attacks of the escape tests that succeed then: chmod, inotify, connect by a directory that is handed in. */
static void test_warning_of_unix_sockets(void **state)
{
	int ends[2], pipes[2];
	viso_command *commands[] = {probe("exit", "0", NULL), probe("exit", "0", NULL)};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_ok(viso_command_set_stdio_fd(commands[0], VISO_STDIN, ends[0]));
	assert_ok(viso_command_add_fd(commands[1], ends[0], 5));
	for (int i = 0; i < 4; i++) {
		struct box *box = box_new(box_open(state)->strength, box_tree());
		viso_command *harmless = probe("exit", "0", NULL);
		assert_ok(viso_command_add_fd(harmless, pipes[0], 4));
		if (i % 2)
			assert_ok(viso_sandbox_start(box->sandbox));
		assert_ok(viso_sandbox_run(box->sandbox, harmless, NULL));
		viso_command_unref(harmless);
		assert_false(warns(box->jail, "given a unix socket"));
		assert_ok(viso_sandbox_run(box->sandbox, commands[i / 2], NULL));
		assert_int_equal(warns(box->jail, "given a unix socket"), landlock_abi() > 0);
		box_close(box);
		box_teardown(state);
	}
	viso_command_unref(commands[0]);
	viso_command_unref(commands[1]);
	for (int i = 0; i < 2; i++) {
		close(ends[i]);
		close(pipes[i]);
	}
}

/* Uid 0 needs no capability to write core_pattern there. */
static void test_warning_of_proc(void **state)
{
	box_open(state);
	char *tree = box_new_tree(), *proc = tree_path(tree, "pro c");
	tree_directory(tree, "pro c", 0755);
	struct box *box = box_new(VISO_ISOLATION_JAIL, tree);
	assert_false(warns(box->jail, "procfs"));
	bool mounted = mount("proc", proc, "proc", 0, NULL) == 0;
	bool warned = warns(box->jail, "procfs");
	if (mounted)
		umount2(proc, MNT_DETACH);
	assert_int_equal(warned, mounted);
	assert_false(warns(box->jail, "procfs"));
	box_close(box);
	support_remove_tree(tree);
	free(proc);
	free(tree);
	skip_without(mounted, "CAP_SYS_ADMIN, to mount a procfs");
}

static void test_warnings_of_the_root(void **state)
{
	struct box *box = box_open(state);
	char *parent = support_temporary_directory();
	char *root = tree_path(parent, "root");
	tree_directory(parent, "root", 0755);
	struct box *other = box_new(box->strength, root);
	assert_false(warns(other->jail, "Everybody may write"));
	assert_int_equal(chmod(root, 0777), 0);
	assert_true(warns(other->jail, "Everybody may write to the root's directory"));
	assert_int_equal(chmod(root, 0755), 0);
	assert_int_equal(chmod(parent, 0777), 0);
	assert_true(warns(other->jail, "Everybody may write to the directory in which the root lies"));
	assert_int_equal(chmod(parent, 01777), 0);
	assert_false(warns(other->jail, "Everybody may write"));
	box_close(other);
	support_remove_tree(parent);
	free(root);
	free(parent);
}

/* Each once, and no more behind the last one. */
static void test_warnings_are_a_list(void **state)
{
	viso_jail *jail = viso_jail_new();
	const char *seen[32];
	unsigned count = 0;
	errno = 4711;
	for (const char *warning; count < 32 && (warning = viso_jail_warning(jail, count)); count++) {
		seen[count] = warning;
		assert_true(strlen(warning) > 20 && warning[strlen(warning) - 1] == '.');
		for (unsigned i = 0; i < count; i++)
			assert_string_not_equal(seen[i], warning);
	}
	assert_int_equal(errno, 4711);
	assert_true(count >= 1 && count < 32);
	assert_null(viso_jail_warning(jail, count + 1));
	assert_null(viso_jail_warning(jail, ~0u));
	viso_jail_unref(jail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_arguments),
		AT_JAIL(test_settings_are_frozen),
		AT_JAIL(test_this_kernel),
		AT_JAIL(test_no_seccomp),
		AT_JAIL(test_no_landlock),
		AT_JAIL(test_older_landlocks),
		AT_JAIL(test_switched_off),
		AT_JAIL(test_root_keeps_its_capabilities_then),
		AT_JAIL(test_capabilities_of_files_count_then),
		AT_JAIL(test_warnings_of_settings),
		AT_JAIL(test_warning_of_unix_sockets),
		AT_JAIL(test_warning_of_proc),
		AT_JAIL(test_warnings_of_the_root),
		cmocka_unit_test(test_warnings_are_a_list),
	};
	return cmocka_run_group_tests_name("hardening", tests, NULL, box_group_teardown);
}
