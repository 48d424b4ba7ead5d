/* SPDX-License-Identifier: MIT */
/* That an error names what stands in the way. Each obstacle is a real one, in a process of the test's own. */
#include "box.h"
#include "host.h"
#include "ordinary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Nobody else's, whose processes would count. */
enum { LONELY_ID = 54377 };

static void assert_message(const char *part)
{
	if (!strstr(viso_error_message(), part))
		fail_msg("'%s' is not in: %s", part, viso_error_message());
}

static void fails_in(struct box *box, int error, viso_stage stage, const char *object, const char *part)
{
	assert_start_fails(box, probe("exit", NULL), error, stage, object);
	assert_message(part);
	box_close(box);
}

static struct box *container(void)
{
	return box_new(VISO_ISOLATION_CONTAINER, box_tree());
}

static struct box *jail(void)
{
	return box_new(VISO_ISOLATION_JAIL, box_tree());
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* As root of a user namespace, whose sysctls and mounts are the test's own. */
static void enter_user_namespace(void)
{
	char uids[64], gids[64];
	become_ordinary(ORDINARY_ID);
	snprintf(uids, sizeof(uids), "0 %u 1\n", geteuid());
	snprintf(gids, sizeof(gids), "0 %u 1\n", getegid());
	assert_int_equal(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", uids);
	write_text("/proc/self/gid_map", gids);
}

struct limit {
	const char *kind;
	viso_stage stage;
	const char *object;
};

static void at_a_limit(void *argument)
{
	const struct limit *limit = argument;
	char path[64], name[64];
	enter_user_namespace();
	snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", limit->kind);
	snprintf(name, sizeof(name), "user.max_%s_namespaces", limit->kind);
	write_text(path, "0");
	struct box *box = container();
	assert_ok(viso_container_set_clock_offset(box->container, VISO_CLOCK_BOOTTIME, 1));
	fails_in(box, ENOSPC, limit->stage, limit->object, name);
}

static void test_limits_of_namespaces(void **state)
{
	static struct limit limits[] = {
		{"user", VISO_STAGE_USER_NAMESPACE, "clone"}, {"mnt", VISO_STAGE_USER_NAMESPACE, "clone"},
		{"pid", VISO_STAGE_USER_NAMESPACE, "clone"},  {"ipc", VISO_STAGE_USER_NAMESPACE, "clone"},
		{"uts", VISO_STAGE_USER_NAMESPACE, "clone"},  {"cgroup", VISO_STAGE_USER_NAMESPACE, "clone"},
		{"net", VISO_STAGE_NAMESPACE, "network"},     {"time", VISO_STAGE_NAMESPACE, "time"},
	};
	box_open(state);
	skip_without(access("/proc/self/ns/time", F_OK) == 0, "time namespaces");
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		in_a_host(at_a_limit, &limits[i]);
}

/* Not zero, but used up: then one of several is meant. */
static void at_a_used_up_limit(void *argument)
{
	enter_user_namespace();
	write_text("/proc/sys/user/max_pid_namespaces", "1");
	struct box *box = container();
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_start_fails(box, probe("exit", NULL), ENOSPC, VISO_STAGE_USER_NAMESPACE, "clone");
	assert_message("user.max_pid_namespaces");
	viso_process_unref(process);
	/* The kernel gives it back a little later. */
	viso_command *command = probe("exit", "0", NULL);
	int r = -ENOSPC;
	for (int i = 0; i < 500 && (r = viso_sandbox_run(box->sandbox, command, NULL)) < 0; i++)
		usleep(10000);
	assert_ok(r);
	viso_command_unref(command);
	box_close(box);
}

static void test_used_up_limit(void **state)
{
	box_open(state);
	in_a_host(at_a_used_up_limit, NULL);
}

static void with_masked_proc(void *argument)
{
	enter_user_namespace();
	assert_int_equal(mount("tmpfs", "/proc/sys", "tmpfs", MS_RDONLY, NULL), 0);
	fails_in(container(), EPERM, VISO_STAGE_MOUNT, "proc", "masked by other mounts (/proc/sys)");
}

static void test_masked_proc(void **state)
{
	box_open(state);
	in_a_host(with_masked_proc, NULL);
}

/* A filter as of a container around the host program: these calls, or clone for a new user namespace, fail. */
static void refuse_calls(const long *calls, int count, int error)
{
	struct sock_filter filter[32];
	unsigned short length = 0;
	const struct sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error);
	filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (int i = 0; i < count; i++) {
		filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
		filter[length++] = refuse;
	}
	if (count == 0) {
		filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3);
		filter[length++] =
			(struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]));
		filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER, 0, 1);
		filter[length++] = refuse;
	}
	filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = length, .filter = filter};
	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), 0);
}

static const char seccomp[] = "seccomp filter around this process (Seccomp: 2";

static void without_clone3(void *argument)
{
	static const long calls[] = {SYS_clone3};
	refuse_calls(calls, 1, EPERM);
	fails_in(container(), EPERM, VISO_STAGE_USER_NAMESPACE, "clone", seccomp);
}

/* As Docker's does, so that a C library falls back to clone. */
static void without_clone3_by_enosys(void *argument)
{
	static const long calls[] = {SYS_clone3};
	refuse_calls(calls, 1, ENOSYS);
	fails_in(container(), ENOSYS, VISO_STAGE_CLONE, "clone", seccomp);
}

static void without_user_namespaces(void *argument)
{
	become_ordinary(ORDINARY_ID);
	refuse_calls(NULL, 0, EPERM);
	fails_in(jail(), EPERM, VISO_STAGE_USER_NAMESPACE, "clone", seccomp);
}

static void without_unshare(void *argument)
{
	static const long calls[] = {SYS_unshare};
	refuse_calls(calls, 1, EPERM);
	fails_in(container(), EPERM, VISO_STAGE_NAMESPACE, "network", seccomp);
}

static void without_fsopen(void *argument)
{
	static const long calls[] = {SYS_fsopen};
	become_ordinary(ORDINARY_ID);
	refuse_calls(calls, 1, EPERM);
	fails_in(container(), EPERM, VISO_STAGE_MOUNT, "proc", seccomp);
}

static void without_mount(void *argument)
{
	static const long calls[] = {SYS_mount, SYS_open_tree, SYS_move_mount};
	refuse_calls(calls, 3, EPERM);
	fails_in(container(), EPERM, VISO_STAGE_MOUNT, "", seccomp);
}

static void without_chroot(void *argument)
{
	static const long calls[] = {SYS_chroot};
	refuse_calls(calls, 1, EPERM);
	fails_in(jail(), EPERM, VISO_STAGE_CHROOT, "chroot", seccomp);
}

static void test_seccomp_around_us(void **state)
{
	box_open(state);
	in_a_host(without_clone3, NULL);
	in_a_host(without_clone3_by_enosys, NULL);
	in_a_host(without_user_namespaces, NULL);
	in_a_host(without_unshare, NULL);
	in_a_host(without_fsopen, NULL);
	in_a_host(without_mount, NULL);
	in_a_host(without_chroot, NULL);
}

/* The stages that were seen to fail, by bit. */
struct attempt {
	unsigned processes;
	int seen;
};

static void with_few_processes(void *argument)
{
	const struct attempt *attempt = argument;
	const struct rlimit limit = {attempt->processes, attempt->processes};
	unsigned stage = VISO_STAGE_NONE;
	become_ordinary(LONELY_ID);
	assert_int_equal(setrlimit(RLIMIT_NPROC, &limit), 0);
	struct box *box = container();
	viso_command *command = probe("exit", "0", NULL);
	int r = viso_sandbox_run(box->sandbox, command, NULL);
	if (r < 0) {
		assert_int_equal(r, -EAGAIN);
		assert_message("RLIMIT_NPROC allows");
		stage = (unsigned)viso_error_stage();
	}
	viso_command_unref(command);
	box_close(box);
	assert_int_equal(write(attempt->seen, &stage, sizeof(stage)), sizeof(stage));
}

/* The launcher of a host ends a moment after it. */
static void wait_until_nobody_is(uid_t uid)
{
	bool found = true;
	for (int i = 0; found && i < 1000; i++) {
		struct stat st;
		DIR *processes = opendir("/proc");
		found = false;
		for (struct dirent *entry; (entry = readdir(processes));)
			found |= atoi(entry->d_name) > 0 && fstatat(dirfd(processes), entry->d_name, &st, 0) == 0 &&
				 st.st_uid == uid;
		closedir(processes);
		if (found)
			usleep(10000);
	}
	assert_false(found);
}

/* Wherever it is that a process too many was to be made: the launcher, a worker, the container, its program. */
static void test_limit_of_processes(void **state)
{
	box_open(state);
	skip_without(geteuid() == 0, "root, for a user without other processes");
	bool seen[64] = {false};
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	for (unsigned processes = 1; processes < 12 && !seen[VISO_STAGE_NONE]; processes++) {
		unsigned stage;
		struct attempt attempt = {.processes = processes, .seen = ends[1]};
		wait_until_nobody_is(LONELY_ID);
		in_a_host(with_few_processes, &attempt);
		assert_int_equal(read(ends[0], &stage, sizeof(stage)), sizeof(stage));
		seen[stage] = true;
	}
	close(ends[0]);
	close(ends[1]);
	assert_true(seen[VISO_STAGE_LAUNCHER]);
	assert_true(seen[VISO_STAGE_CLONE]);
	assert_true(seen[VISO_STAGE_NONE]);
}

static void drop_capability(int capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	assert_int_equal(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), 0);
	assert_int_equal(syscall(SYS_capget, &header, data), 0);
	data[capability / 32].effective &= ~(1u << capability % 32);
	data[capability / 32].permitted &= ~(1u << capability % 32);
	assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

static void without_sys_admin(void *argument)
{
	drop_capability(CAP_SYS_ADMIN);
	fails_in(container(), EPERM, VISO_STAGE_MOUNT, "open_tree", "without CAP_SYS_ADMIN (CapEff");
}

static void without_sys_chroot(void *argument)
{
	drop_capability(CAP_SYS_CHROOT);
	fails_in(jail(), EPERM, VISO_STAGE_CHROOT, "chroot", "without CAP_SYS_CHROOT (CapEff");
}

static void without_setuid(void *argument)
{
	drop_capability(CAP_SETUID);
	fails_in(container(), EPERM, VISO_STAGE_USER_NAMESPACE, "uid_map", "CAP_SETUID");
}

static void test_missing_capability(void **state)
{
	box_open(state);
	skip_without(geteuid() == 0, "root");
	in_a_host(without_sys_admin, NULL);
	in_a_host(without_sys_chroot, NULL);
	in_a_host(without_setuid, NULL);
}

static void in_a_chroot(void *argument)
{
	own_mounts();
	assert_int_equal(mount("/", "/mnt", NULL, MS_BIND | MS_REC, NULL), 0);
	assert_int_equal(chroot("/mnt"), 0);
	become_ordinary(ORDINARY_ID);
	fails_in(container(), EPERM, VISO_STAGE_USER_NAMESPACE, "clone", "is in a chroot");
}

static void test_chroot(void **state)
{
	box_open(state);
	skip_without(geteuid() == 0, "root");
	in_a_host(in_a_chroot, NULL);
}

static void with_foreign_ids(void *argument)
{
	enter_user_namespace();
	struct box *box = container();
	assert_ok(viso_container_add_id_map(box->container, VISO_ID_USER, 1000, 5000, 1));
	assert_ok(viso_container_add_id_map(box->container, VISO_ID_GROUP, 1000, 5000, 1));
	assert_start_fails(box, probe("exit", NULL), EPERM, VISO_STAGE_USER_NAMESPACE, "");
	assert_true(strlen(strstr(viso_error_message(), "; ")) > 10);
	box_close(box);
}

static void test_ids_that_nobody_has(void **state)
{
	box_open(state);
	skip_without(access("/usr/bin/newuidmap", X_OK) == 0, "newuidmap(1)");
	in_a_host(with_foreign_ids, NULL);
}

static void without_root_inside(void *argument)
{
	become_ordinary(ORDINARY_ID);
	struct box *box = container();
	assert_ok(viso_container_set_sysctl(box->container, "kernel.shmmni", "17"));
	fails_in(box, EACCES, VISO_STAGE_NAMESPACE, "kernel/shmmni", "run the command as user 0");
}

static void test_sysctl_of_the_inner_root(void **state)
{
	box_open(state);
	in_a_host(without_root_inside, NULL);
}

/* These are of the whole machine, and not for a test to set. */
static void test_sysctl_of_debian(void **state)
{
	int value = -1;
	FILE *file = fopen("/proc/sys/kernel/unprivileged_userns_clone", "re");
	if (file && fscanf(file, "%d", &value) != 1)
		value = -1;
	if (file)
		fclose(file);
	skip_without(value == 0 && geteuid() != 0, "a host with kernel.unprivileged_userns_clone=0");
	fails_in(container(), EPERM, VISO_STAGE_USER_NAMESPACE, "clone", "kernel.unprivileged_userns_clone");
}

static void test_apparmor(void **state)
{
	int value = -1;
	FILE *file = fopen("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "re");
	if (file && fscanf(file, "%d", &value) != 1)
		value = -1;
	if (file)
		fclose(file);
	skip_without(value == 1 && geteuid() != 0, "an AppArmor that restricts user namespaces");
	viso_command *command = probe("exit", NULL);
	struct box *box = container();
	assert_true(viso_sandbox_run(box->sandbox, command, NULL) < 0);
	assert_message("AppArmor");
	viso_command_unref(command);
	box_close(box);
}

static void test_selinux(void **state)
{
	skip_without(access("/sys/fs/selinux/enforce", F_OK) == 0, "SELinux that confines this process");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_limits_of_namespaces),
		AT_CONTAINER(test_used_up_limit),
		AT_CONTAINER(test_masked_proc),
		AT_CONTAINER(test_seccomp_around_us),
		AT_CONTAINER(test_limit_of_processes),
		AT_CONTAINER(test_missing_capability),
		AT_CONTAINER(test_chroot),
		AT_CONTAINER(test_ids_that_nobody_has),
		AT_CONTAINER(test_sysctl_of_the_inner_root),
		cmocka_unit_test(test_sysctl_of_debian),
		cmocka_unit_test(test_apparmor),
		cmocka_unit_test(test_selinux),
	};
	box_tree();
	return cmocka_run_group_tests_name("explanations", tests, NULL, box_group_teardown);
}
