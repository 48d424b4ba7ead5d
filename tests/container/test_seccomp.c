/* SPDX-License-Identifier: MIT */
/* System calls by profile and rule; attacks on the kernel, each effective without a filter. */
#include "calls.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum { CLONE3 = 435, OPEN_TREE = 428, FSOPEN = 430, MSEAL = 462 };

static void add_rule(struct box *box, const char *name, viso_syscall_action action, int error)
{
	assert_ok(viso_container_add_syscall_rule(box->container, name, action, error));
}

static void test_allow(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_seccomp_profile(box->container, VISO_SECCOMP_ALLOW));
	add_rule(box, "getppid", VISO_SYSCALL_ERROR, 77);
	assert_call(box, call_of(SYS_getppid, NULL), -77);
	assert_call(box, call_of(SYS_getuid, NULL), 1000);
	/* What the default profile refuses, with a path that is not there. */
	assert_call(box, call_of(SYS_name_to_handle_at, "-100", "0", "z", "z", "0", NULL), -EFAULT);
	/* A newer one than that profile knows. */
	assert_call(box, call_of(470, NULL), -ENOSYS);
}

static void test_deny(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_seccomp_profile(box->container, VISO_SECCOMP_DENY));
	allow_probe(box);
	assert_call(box, call_of(SYS_getppid, NULL), -EPERM);
	assert_call(box, call_of(9999, NULL), -EPERM);
	/* The start has needed it, the program does not get it. */
	assert_call(box, call_of(SYS_execve, "s:/bin/probe", "0", "0", NULL), -EPERM);
	assert_call(box, call_of(SYS_execve, "s:/bin/probe", "0", "0", "0", "0", NULL), -EPERM);
	assert_call(box, call_of(SYS_sendmsg, "1", "0", "0", NULL), -EPERM);
	assert_start_fails(box, viso_command_new("/bin/not-there"), ENOENT, VISO_STAGE_EXEC, "/bin/not-there");
}

static void test_kill(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_seccomp_profile(box->container, VISO_SECCOMP_KILL));
	allow_probe(box);
	assert_ended(box_run(box, probe("exit", "3", NULL)), VISO_REASON_EXITED, 3, 0);
	assert_filtered(box, call_of(SYS_getppid, NULL));
	assert_filtered(box, call_of(SYS_execve, "s:/bin/probe", "0", "0", NULL));
	assert_filtered(box, call_of(-1, NULL));
	assert_start_fails(box, viso_command_new("/bin/not-there"), ENOENT, VISO_STAGE_EXEC, "/bin/not-there");
}

static void test_none(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_seccomp_profile(box->container, VISO_SECCOMP_NONE));
	assert_prints(box, shell("grep -c 'Seccomp:.0' /proc/self/status"), "1\n");
	struct box *mixed = box_with_profile(VISO_SECCOMP_NONE);
	add_rule(mixed, "getppid", VISO_SYSCALL_KILL, 0);
	assert_start_fails(mixed, probe("exit", NULL), EINVAL, VISO_STAGE_SECCOMP,
			   "viso_container_set_seccomp_profile");
	box_close(mixed);
}

static void test_rules_go_before_the_profile(void **state)
{
	struct box *box = box_open(state);
	assert_call(box, call_of(SYS_name_to_handle_at, "-100", "0", "z", "z", "0", NULL), -EPERM);
	struct box *allowing = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	add_rule(allowing, "name_to_handle_at", VISO_SYSCALL_ALLOW, 0);
	add_rule(allowing, "getuid", VISO_SYSCALL_ERROR, 5);
	assert_call(allowing, call_of(SYS_name_to_handle_at, "-100", "0", "z", "z", "0", NULL), -EFAULT);
	assert_call(allowing, call_of(SYS_getuid, NULL), -5);
	/* All else is as in the profile. */
	assert_call(allowing, call_of(CLONE3, "z", "64", NULL), -ENOSYS);
	assert_call(allowing, call_of(SYS_kcmp, "1", "1", "0", "0", "0", NULL), -EPERM);
	box_close(allowing);
}

static void check_strictest(viso_syscall_action first, int first_error, viso_syscall_action second, int second_error,
			    long expected)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	add_rule(box, "getppid", first, first_error);
	add_rule(box, "getppid", second, second_error);
	if (expected > -4096)
		assert_call(box, call_of(SYS_getppid, NULL), expected);
	else
		assert_filtered(box, call_of(SYS_getppid, NULL));
	box_close(box);
}

static void test_the_strictest_rule_holds(void **state)
{
	box_open(state);
	check_strictest(VISO_SYSCALL_ALLOW, 0, VISO_SYSCALL_ERROR, 9, -9);
	check_strictest(VISO_SYSCALL_ERROR, 9, VISO_SYSCALL_ALLOW, 0, -9);
	check_strictest(VISO_SYSCALL_ERROR, 9, VISO_SYSCALL_ERROR, 8, -9);
	check_strictest(VISO_SYSCALL_LOG, 0, VISO_SYSCALL_ERROR, 9, -9);
	check_strictest(VISO_SYSCALL_LOG, 0, VISO_SYSCALL_ALLOW, 0, 1);
	check_strictest(VISO_SYSCALL_ERROR, 9, VISO_SYSCALL_TRAP, 0, -9999);
	check_strictest(VISO_SYSCALL_KILL, 0, VISO_SYSCALL_ALLOW, 0, -9999);
	check_strictest(VISO_SYSCALL_ALLOW, 0, VISO_SYSCALL_ALLOW, 0, 1);
}

static void test_conditions(void **state)
{
	struct box *box = box_open(state);
	viso_container *container = box->container;
	assert_ok(viso_container_add_syscall_rule_if(container, "socket", 0, 0xffffffff, AF_INET6, VISO_SYSCALL_ERROR,
						     EAFNOSUPPORT));
	assert_ok(viso_container_add_syscall_rule_if(container, "prctl", 0, 0xffffffff, PR_GET_DUMPABLE,
						     VISO_SYSCALL_ERROR, 99));
	assert_ok(viso_container_add_syscall_rule_if(container, "prctl", 0, 0xffffffff, PR_GET_KEEPCAPS,
						     VISO_SYSCALL_ERROR, 98));
	assert_ok(viso_container_add_syscall_rule_if(container, "umask", 0, 2, 2, VISO_SYSCALL_KILL, 0));
	assert_call(box, call_of(SYS_socket, "10", "1", "0", NULL), -EAFNOSUPPORT);
	/* The kernel looks at 32 bits only, and so does the rule. */
	assert_call(box, call_of(SYS_socket, "0x10000000a", "1", "0", NULL), -EAFNOSUPPORT);
	assert_call(box, call_of(SYS_socket, "2", "1", "0", NULL), 3);
	assert_call(box, call_of(SYS_prctl, "3", "0", "0", "0", "0", NULL), -99);
	assert_call(box, call_of(SYS_prctl, "7", "0", "0", "0", "0", NULL), -98);
	assert_call(box, call_of(SYS_prctl, "27", "0", "0", "0", "0", NULL), 0xef);
	assert_filtered(box, call_of(SYS_umask, "022", NULL));
	assert_call(box, call_of(SYS_umask, "0", NULL), 022);
}

static void test_bad_rules(void **state)
{
	viso_container *container = box_open(state)->container;
	assert_fails(viso_container_set_seccomp_profile(container, (viso_seccomp_profile)5), EINVAL,
		     VISO_STAGE_ARGUMENT, "profile");
	assert_fails(viso_container_add_syscall_rule(container, "fly", VISO_SYSCALL_KILL, 0), EINVAL,
		     VISO_STAGE_ARGUMENT, "fly");
	assert_fails(viso_container_add_syscall_rule(container, NULL, VISO_SYSCALL_KILL, 0), EINVAL,
		     VISO_STAGE_ARGUMENT, "rule");
	assert_fails(viso_container_add_syscall_rule(container, "read", (viso_syscall_action)6, 0), EINVAL,
		     VISO_STAGE_ARGUMENT, "rule");
	assert_fails(viso_container_add_syscall_rule(container, "read", VISO_SYSCALL_ERROR, 0), EINVAL,
		     VISO_STAGE_ARGUMENT, "rule");
	assert_fails(viso_container_add_syscall_rule(container, "read", VISO_SYSCALL_ERROR, 4096), EINVAL,
		     VISO_STAGE_ARGUMENT, "rule");
	assert_fails(viso_container_add_syscall_rule(container, "read", VISO_SYSCALL_KILL, 1), EINVAL,
		     VISO_STAGE_ARGUMENT, "rule");
	assert_fails(viso_container_add_syscall_rule_if(container, "read", 6, 1, 1, VISO_SYSCALL_KILL, 0), EINVAL,
		     VISO_STAGE_ARGUMENT, "rule");
	assert_fails(viso_container_add_syscall_rule_if(container, "read", 0, 1, 2, VISO_SYSCALL_KILL, 0), EINVAL,
		     VISO_STAGE_ARGUMENT, "rule");
	/* Of this processor or another one; newer than some libseccomp. */
	assert_ok(viso_container_add_syscall_rule(container, "waitpid", VISO_SYSCALL_KILL, 0));
	assert_ok(viso_container_add_syscall_rule(container, "mseal", VISO_SYSCALL_ERROR, 7));
	struct box *box = box_open(state);
	add_rule(box, "mseal", VISO_SYSCALL_ERROR, 7);
	assert_call(box, call_of(MSEAL, NULL), -7);
	assert_fails(viso_container_add_syscall_rule(box->container, "read", VISO_SYSCALL_KILL, 0), EBUSY,
		     VISO_STAGE_ARGUMENT, "rule");
}

static void test_more_than_the_kernel_takes(void **state)
{
	struct box *box = box_open(state);
	for (unsigned i = 0; i < 4096; i++)
		assert_ok(viso_container_add_syscall_rule_if(box->container, "ioctl", 1, ~UINT64_C(0), i << 20 | i,
							     VISO_SYSCALL_ERROR, 1));
	assert_start_fails(box, probe("exit", NULL), E2BIG, VISO_STAGE_SECCOMP, "seccomp");
}

/* More filters than are kept, each with its own content. */
static void test_many_filters(void **state)
{
	box_open(state);
	for (int error = 1; error <= 260; error++) {
		struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
		add_rule(box, "getppid", VISO_SYSCALL_ERROR, error);
		if (error % 10 == 0)
			assert_call(box, call_of(SYS_getppid, NULL), -error);
		else
			assert_ended(box_run(box, probe("exit", NULL)), VISO_REASON_EXITED, 0, 0);
		box_close(box);
	}
}

/* The same with no filter, where it gives `open`, and with the default one, where it must give `closed`. */
static void check_attack(viso_command *(*attack)(void), long open, long closed)
{
	struct box *bare = box_with_profile(VISO_SECCOMP_NONE);
	assert_call(bare, attack(), open);
	box_close(bare);
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_call(box, attack(), closed);
	box_close(box);
}

/* A program that may start no other one is not kept from being started itself. */
static void test_no_further_programs(void **state)
{
	struct box *box = box_open(state);
	add_rule(box, "execve", VISO_SYSCALL_ERROR, EACCES);
	add_rule(box, "execveat", VISO_SYSCALL_KILL, 0);
	assert_call(box, call_of(SYS_execve, "s:/bin/probe", "0", "0", NULL), -EACCES);
	assert_filtered(box, call_of(SYS_execveat, "-100", "s:/bin/probe", "0", "0", "0", NULL));
	struct box *other = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	add_rule(other, "execve", VISO_SYSCALL_TRAP, 0);
	assert_ended(box_run(other, probe("exit", "4", NULL)), VISO_REASON_EXITED, 4, 0);
	assert_filtered(other, call_of(SYS_execve, "s:/bin/probe", "0", "0", NULL));
	box_close(other);
}

static viso_command *new_user_namespace(void)
{
	return probe("clone3", "0x10000000", NULL);
}

static viso_command *open_root_tree(void)
{
	return call_of(OPEN_TREE, "-100", "s:/", "0", NULL);
}

static viso_command *set_up_ring(void)
{
	return call_of(SYS_io_uring_setup, "1", "0", NULL);
}

static viso_command *search_keyring(void)
{
	/* KEYCTL_GET_KEYRING_ID of the session keyring. */
	return call_of(SYS_keyctl, "0", "-3", "0", NULL);
}

static viso_command *name_a_file(void)
{
	return call_of(SYS_name_to_handle_at, "-100", "0", "z", "z", "0", NULL);
}

static void test_new_namespaces(void **state)
{
	box_open(state);
	check_attack(new_user_namespace, 0, -ENOSYS);
}

static void test_new_mounts(void **state)
{
	box_open(state);
	check_attack(open_root_tree, 3, -ENOSYS);
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_call(box, call_of(FSOPEN, "s:tmpfs", "0", NULL), -ENOSYS);
	box_close(box);
}

static void test_rings(void **state)
{
	box_open(state);
	check_attack(set_up_ring, -EFAULT, -ENOSYS);
}

static void test_handles(void **state)
{
	box_open(state);
	check_attack(name_a_file, -EFAULT, -EPERM);
}

static void test_keys(void **state)
{
	struct box *bare = box_with_profile(VISO_SECCOMP_NONE);
	box_open(state);
	viso_result *result = box_run(bare, search_keyring());
	assert_true(strtol(viso_result_output(result, VISO_STDOUT, NULL), NULL, 10) > 0);
	viso_result_unref(result);
	box_close(bare);
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_call(box, search_keyring(), -EPERM);
	box_close(box);
}

static viso_command *push(unsigned long request)
{
	char text[24];
	snprintf(text, sizeof(text), "%lu", request);
	return probe("terminal", text, NULL);
}

static void test_terminal_input(void **state)
{
	static const unsigned long high = 1ul << 32;
	struct box *box = box_open(state);
	assert_call(box, push(TIOCSTI), -EPERM);
	assert_call(box, push(TIOCSTI | high), -EPERM);
	assert_call(box, push(TIOCLINUX), -EPERM);
	assert_call(box, push(TIOCLINUX | high), -EPERM);
	struct box *bare = box_with_profile(VISO_SECCOMP_NONE);
	viso_result *result = box_run(bare, push(TIOCSTI));
	bool works = !strcmp(viso_result_output(result, VISO_STDOUT, NULL), "0\n");
	viso_result_unref(result);
	if (works)
		assert_call(bare, push(TIOCSTI | high), 0);
	assert_call(bare, push(TIOCLINUX), -ENOTTY);
	box_close(bare);
	skip_without(works, "sysctl dev.tty.legacy_tiocsti=1");
}

#ifdef __x86_64__
/* Numbers of another architecture, by which a filter on those of this one would be passed. */
static void test_foreign_calls(void **state)
{
	enum { X32_GETPID = 0x40000000 + 39 };
	static const viso_seccomp_profile profiles[] = {VISO_SECCOMP_DEFAULT, VISO_SECCOMP_ALLOW, VISO_SECCOMP_DENY,
							VISO_SECCOMP_KILL};
	box_open(state);
	struct box *bare = box_with_profile(VISO_SECCOMP_NONE);
	viso_result *result = box_run(bare, probe("i386", "20", NULL));
	bool works = viso_result_reason(result) == VISO_REASON_EXITED &&
		     strtol(viso_result_output(result, VISO_STDOUT, NULL), NULL, 10) > 0;
	viso_result_unref(result);
	box_close(bare);
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
		struct box *box = box_with_profile(profiles[i]);
		allow_probe(box);
		add_rule(box, "getpid", VISO_SYSCALL_ALLOW, 0);
		assert_filtered(box, call_of(X32_GETPID, NULL));
		if (works)
			assert_filtered(box, probe("i386", "20", NULL));
		box_close(box);
	}
	skip_without(works, "a kernel with CONFIG_IA32_EMULATION");
}
#endif

/* Also a capability that a program may come to have lifts what the default profile refuses. */
static void test_capabilities_lift_refusals(void **state)
{
	struct box *box = box_open(state);
	assert_call(box, call_of(SYS_chroot, "s:/tmp", NULL), -EPERM);
	struct box *other = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_add_capability(other->container, "sys_chroot"));
	assert_call(other, call_of(SYS_chroot, "s:/tmp", NULL), 0);
	box_close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_allow),
		AT_CONTAINER(test_deny),
		AT_CONTAINER(test_kill),
		AT_CONTAINER(test_none),
		AT_CONTAINER(test_rules_go_before_the_profile),
		AT_CONTAINER(test_the_strictest_rule_holds),
		AT_CONTAINER(test_conditions),
		AT_CONTAINER(test_bad_rules),
		AT_CONTAINER(test_more_than_the_kernel_takes),
		AT_CONTAINER(test_many_filters),
		AT_CONTAINER(test_no_further_programs),
		AT_CONTAINER(test_new_namespaces),
		AT_CONTAINER(test_new_mounts),
		AT_CONTAINER(test_rings),
		AT_CONTAINER(test_handles),
		AT_CONTAINER(test_keys),
		AT_CONTAINER(test_terminal_input),
#ifdef __x86_64__
		AT_CONTAINER(test_foreign_calls),
#endif
		AT_CONTAINER(test_capabilities_lift_refusals),
	};
	return cmocka_run_group_tests_name("seccomp", tests, NULL, box_group_teardown);
}
