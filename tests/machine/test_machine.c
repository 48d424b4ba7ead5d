/* SPDX-License-Identifier: MIT */
/* The feature probe against other ways of finding out, and against refusals that the test provokes itself. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include <virtiso.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif

static const char busybox[] = "/bin/busybox";
static viso_machine *machine;

static int set_up(void **state)
{
	machine = viso_machine_new();
	return machine ? 0 : -1;
}

static int tear_down(void **state)
{
	machine = viso_machine_unref(machine);
	return 0;
}

static void assert_feature(viso_feature feature, bool works)
{
	if (viso_machine_feature(machine, feature) != works)
		print_error("%s: %s\n", viso_feature_name(feature), viso_machine_detail(machine, feature));
	assert_int_equal(viso_machine_feature(machine, feature), works);
}

/* The exit status of a program with the output thrown away; 127 where it is not installed. */
static int run_shell(const char *command)
{
	char line[256];
	snprintf(line, sizeof(line), "%s >/dev/null 2>&1", command);
	int status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Runs `work` in a process of its own, where it may spoil what it likes; it returns 0 where all is as it should be. */
static void assert_in_child(int (*work)(void))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(60);
		_exit(work());
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		support_missing("user namespaces for this user");
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* For the children: 0 where the feature does not work and the detail has this part. */
static int check_missing(viso_feature feature, const char *part)
{
	viso_machine *other = viso_machine_new();
	const char *detail = viso_machine_detail(other, feature);
	int r = viso_machine_feature(other, feature) == 0 && detail && strstr(detail, part) ? 0 : 1;
	if (r)
		fprintf(stderr, "%s: %d '%s' without '%s'\n", viso_feature_name(feature),
			viso_machine_feature(other, feature), detail, part);
	viso_machine_unref(other);
	return r;
}

/* For the children: 0 where every feature has a sentence. */
static int check_sentences(void)
{
	viso_machine *other = viso_machine_new();
	int r = other ? 0 : 1;
	for (int i = 0; viso_feature_name((viso_feature)i); i++) {
		const char *detail = viso_machine_detail(other, (viso_feature)i);
		size_t length = detail ? strlen(detail) : 0;
		if (length < 10 || detail[length - 1] != '.' || viso_machine_feature(other, (viso_feature)i) < 0) {
			fprintf(stderr, "%s: '%s' is no sentence\n", viso_feature_name((viso_feature)i), detail);
			r = 1;
		}
	}
	viso_machine_unref(other);
	return r;
}

/* 77 where the file cannot be written. */
static int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	return fd >= 0 && write(fd, value, strlen(value)) > 0 ? 0 : 77;
}

/* As root of a user namespace, with nothing but the caller's own ids. */
static int in_user_namespace(void)
{
	char uids[32], gids[32];
	snprintf(uids, sizeof(uids), "0 %u 1", geteuid());
	snprintf(gids, sizeof(gids), "0 %u 1", getegid());
	if (unshare(CLONE_NEWUSER) < 0)
		return 77;
	return write_file("/proc/self/setgroups", "deny") | write_file("/proc/self/uid_map", uids) |
	       write_file("/proc/self/gid_map", gids);
}

static void test_every_feature_has_name_and_sentence(void **state)
{
	assert_int_equal(check_sentences(), 0);
	assert_string_equal(viso_feature_name(VISO_FEATURE_KVM_RING0), "KVM ring 0");
	assert_null(viso_feature_name((viso_feature)(VISO_FEATURE_KERNEL_GUEST + 1)));
	assert_null(viso_feature_name((viso_feature)-1));
}

static void test_bad_arguments_are_refused(void **state)
{
	assert_fails(viso_machine_feature(NULL, VISO_FEATURE_JAIL), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_machine_feature");
	assert_fails(viso_machine_feature(machine, (viso_feature)22), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_machine_feature");
	assert_fails(viso_machine_feature(machine, (viso_feature)-1), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_machine_feature");
	viso_error_clear();
	assert_null(viso_machine_detail(NULL, VISO_FEATURE_JAIL));
	assert_int_equal(viso_error_number(), EINVAL);
	viso_error_clear();
	assert_null(viso_machine_detail(machine, (viso_feature)99));
	assert_int_equal(viso_error_number(), EINVAL);
}

static void test_user_namespaces_are_those_of_unshare(void **state)
{
	int status = run_shell("unshare -Ur true");
	skip_without(status != 127, "unshare (util-linux)");
	assert_feature(VISO_FEATURE_USER_NAMESPACES, status == 0);
}

static void test_container_namespaces_are_those_of_unshare(void **state)
{
	int status = run_shell("unshare -Ur --mount --pid --ipc --uts --net --cgroup --fork --mount-proc true");
	skip_without(status != 127, "unshare (util-linux)");
	assert_feature(VISO_FEATURE_CONTAINER, status == 0);
}

static void test_landlock_makes_rulesets(void **state)
{
	/* struct landlock_ruleset_attr: handled_access_fs, handled_access_net, scoped. */
	const uint64_t files[1] = {1};
	const uint64_t scoped[3] = {0, 0, 3};
	int fd = (int)syscall(SYS_landlock_create_ruleset, files, sizeof(files), 0);
	assert_feature(VISO_FEATURE_LANDLOCK, fd >= 0);
	close(fd);
	fd = (int)syscall(SYS_landlock_create_ruleset, scoped, sizeof(scoped), 0);
	assert_feature(VISO_FEATURE_LANDLOCK_SCOPE, fd >= 0);
	close(fd);
}

/* Lets the listed system calls fail with `error` in this process; true where the kernel took the filter. */
static bool refuse_calls(const long *numbers, size_t count, int error)
{
	struct sock_filter filter[16];
	size_t n = 0;
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < count; i++)
		filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)numbers[i],
							   (uint8_t)(count - i), 0);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error);
	const struct sock_fprog program = {.len = (unsigned short)n, .filter = filter};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int use_seccomp(void)
{
	const long number = SYS_getppid;
	return refuse_calls(&number, 1, EXDEV) && syscall(SYS_getppid) < 0 && errno == EXDEV ? 0 : 1;
}

static void test_seccomp_filters_work(void **state)
{
	skip_without(viso_machine_feature(machine, VISO_FEATURE_SECCOMP) == 1, "seccomp");
	assert_in_child(use_seccomp);
}

static void test_mount_api_is_as_old_as_the_kernel(void **state)
{
	struct utsname name;
	int major, minor;
	uname(&name);
	assert_int_equal(sscanf(name.release, "%d.%d", &major, &minor), 2);
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, "/", O_CLOEXEC);
	assert_feature(VISO_FEATURE_NEW_MOUNT_API, fd >= 0 && (major > 5 || (major == 5 && minor >= 12)));
	close(fd);
}

/* Makes a group of its own where the detail says that it can. */
static void check_group(viso_feature feature, const char *v1_file, const char *v2_file)
{
	const char *detail = viso_machine_detail(machine, feature);
	if (!viso_machine_feature(machine, feature)) {
		assert_true(geteuid() != 0 || strstr(detail, "v1"));
		return;
	}
	const char *below = strstr(detail, "below ");
	assert_non_null(below);
	char group[512], file[600];
	snprintf(group, sizeof(group), "%.*s/viso-test-%d", (int)strlen(below) - 7, below + 6, getpid());
	assert_int_equal(mkdir(group, 0755), 0);
	snprintf(file, sizeof(file), "%s/%s", group, strstr(detail, "groups v2") ? v2_file : v1_file);
	int access_error = access(file, W_OK) < 0 ? errno : 0;
	assert_int_equal(rmdir(group), 0);
	/* In v2 the controller may have to be passed on first, which a probe must not do. */
	assert_true(access_error == 0 || (strstr(detail, "groups v2") && access_error == ENOENT));
}

static void test_limits_have_a_group(void **state)
{
	check_group(VISO_FEATURE_MEMORY_LIMIT, "memory.limit_in_bytes", "memory.max");
	check_group(VISO_FEATURE_PROCESS_LIMIT, "pids.max", "pids.max");
}

static void test_kvm_makes_a_machine(void **state)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	close(kvm);
	close(vm);
	assert_feature(VISO_FEATURE_KVM, vm >= 0);
	if (vm < 0)
		assert_feature(VISO_FEATURE_GUEST, false);
}

static void test_ring0_is_as_the_processor_says(void **state)
{
	skip_without(viso_machine_feature(machine, VISO_FEATURE_KVM) == 1, "a usable /dev/kvm");
	bool hardware = run_shell("grep -Eq '^flags.* (vmx|svm)' /proc/cpuinfo") == 0;
	bool emulated = access("/sys/module/kvm_pvm", F_OK) == 0;
	skip_without(hardware != emulated, "a KVM driver whose kind is known");
	assert_feature(VISO_FEATURE_KVM_RING0, hardware);
}

/* As root, or in a user namespace. */
static int use_chroot(void)
{
	if (geteuid() == 0)
		return chroot("/") < 0 || setgid(1) < 0 || setuid(1) < 0;
	return in_user_namespace() || chroot("/") < 0;
}

static void test_jail_needs_what_chroot_needs(void **state)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(use_chroot());
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_feature(VISO_FEATURE_JAIL, WEXITSTATUS(status) == 0);
}

/* Runs a program; the probe has promised that this works, or that it fails. */
static void assert_promise(viso_feature feature, viso_sandbox *sandbox)
{
	viso_result *result = NULL;
	viso_command *command = viso_command_new(busybox);
	assert_ok(viso_command_add_arg(command, "true"));
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	int r = viso_sandbox_run(sandbox, command, &result);
	if ((r == 0) != (viso_machine_feature(machine, feature) == 1))
		print_error("%s: %s But: %d %s\n", viso_feature_name(feature), viso_machine_detail(machine, feature), r,
			    viso_error_message());
	assert_int_equal(r == 0, viso_machine_feature(machine, feature));
	if (r == 0)
		assert_int_equal(viso_result_exit_code(result), 0);
	viso_result_unref(result);
	viso_command_unref(command);
}

static void test_strengths_do_what_the_features_promise(void **state)
{
	skip_without(access(busybox, X_OK) == 0, "busybox-static");
	viso_root *root = viso_root_new();
	viso_jail *jail = viso_jail_new();
	viso_container *container = viso_container_new();
	viso_guest *guest = viso_guest_new();
	assert_ok(viso_root_add_program(root, busybox));
	assert_ok(viso_jail_set_root(jail, root));
	assert_ok(viso_container_set_root(container, root));
	assert_promise(VISO_FEATURE_JAIL, viso_jail_sandbox(jail));
	assert_promise(VISO_FEATURE_CONTAINER, viso_container_sandbox(container));
	if (guest) {
		assert_ok(viso_guest_set_root(guest, root));
		assert_promise(VISO_FEATURE_GUEST, viso_guest_sandbox(guest));
	} else {
		assert_feature(VISO_FEATURE_GUEST, false);
	}
	viso_guest_unref(guest);
	viso_container_unref(container);
	viso_jail_unref(jail);
	viso_root_unref(root);
}

static void test_limits_do_what_the_features_promise(void **state)
{
	skip_without(access(busybox, X_OK) == 0, "busybox-static");
	skip_without(viso_machine_feature(machine, VISO_FEATURE_CONTAINER) == 1, "a container");
	viso_root *root = viso_root_new();
	viso_container *memory = viso_container_new(), *processes = viso_container_new();
	assert_ok(viso_root_add_program(root, busybox));
	assert_ok(viso_container_set_root(memory, root));
	assert_ok(viso_container_set_root(processes, root));
	assert_ok(viso_container_set_memory_max(memory, 64 << 20));
	assert_ok(viso_container_set_processes_max(processes, 10));
	assert_promise(VISO_FEATURE_MEMORY_LIMIT, viso_container_sandbox(memory));
	assert_promise(VISO_FEATURE_PROCESS_LIMIT, viso_container_sandbox(processes));
	viso_container_unref(memory);
	viso_container_unref(processes);
	viso_root_unref(root);
}

static int without_user_namespaces(void)
{
	int r = in_user_namespace();
	if (r == 0)
		r = write_file("/proc/sys/user/max_user_namespaces", "0");
	if (r == 0 && run_shell("unshare -U true") == 0)
		r = 1;
	return r ? r : check_missing(VISO_FEATURE_USER_NAMESPACES, "user.max_user_namespaces");
}

static void test_forbidden_user_namespaces_are_explained(void **state)
{
	assert_in_child(without_user_namespaces);
}

static int without_network_namespaces(void)
{
	int r = in_user_namespace();
	if (r == 0)
		r = write_file("/proc/sys/user/max_net_namespaces", "0");
	return r ? r : check_missing(VISO_FEATURE_CONTAINER, "user.max_net_namespaces");
}

static void test_forbidden_network_namespaces_are_explained(void **state)
{
	assert_in_child(without_network_namespaces);
}

/* What rootless container engines call root: it has jails as an ordinary user has them. */
static int as_root_of_one_id(void)
{
	int r = in_user_namespace();
	viso_machine *other = viso_machine_new();
	if (r == 0)
		r = viso_machine_feature(other, VISO_FEATURE_JAIL) != 1 ||
		    !strstr(viso_machine_detail(other, VISO_FEATURE_JAIL), "user namespace");
	viso_machine_unref(other);
	return r;
}

static void test_root_without_ids_is_an_ordinary_user(void **state)
{
	assert_in_child(as_root_of_one_id);
}

static int without_user_namespaces_for_jails(void)
{
	int r = in_user_namespace();
	if (r == 0)
		r = write_file("/proc/sys/user/max_user_namespaces", "0");
	return r ? r : check_missing(VISO_FEATURE_JAIL, "user.max_user_namespaces");
}

static void test_a_jail_of_an_ordinary_user_needs_namespaces(void **state)
{
	assert_in_child(without_user_namespaces_for_jails);
}

static int behind_a_filter(void)
{
	const long hidden[] = {SYS_open_tree, SYS_landlock_create_ruleset};
	if (!refuse_calls(hidden, 2, ENOSYS))
		return 1;
	return check_missing(VISO_FEATURE_NEW_MOUNT_API, "open_tree") ||
	       check_missing(VISO_FEATURE_LANDLOCK, "Landlock") ||
	       check_missing(VISO_FEATURE_LANDLOCK_SCOPE, "Landlock");
}

static void test_calls_hidden_by_a_filter_are_explained(void **state)
{
	assert_in_child(behind_a_filter);
}

static int behind_a_filter_for_the_newest(void)
{
	const long hidden = SYS_mount_setattr;
	bool before = viso_machine_feature(machine, VISO_FEATURE_CONTAINER);
	if (!refuse_calls(&hidden, 1, ENOSYS) || check_missing(VISO_FEATURE_NEW_MOUNT_API, "mount_setattr"))
		return 1;
	viso_machine *other = viso_machine_new();
	int r = viso_machine_feature(other, VISO_FEATURE_CONTAINER) != before;
	viso_machine_unref(other);
	return r;
}

static void test_containers_do_without_mount_setattr(void **state)
{
	assert_in_child(behind_a_filter_for_the_newest);
}

static int behind_a_refusal(void)
{
	const long refused[] = {SYS_clone, SYS_landlock_create_ruleset};
	if (!refuse_calls(refused, 2, EPERM))
		return 1;
	return check_missing(VISO_FEATURE_USER_NAMESPACES, "seccomp") ||
	       check_missing(VISO_FEATURE_LANDLOCK, "seccomp") || check_sentences();
}

static void test_calls_refused_by_a_filter_are_explained(void **state)
{
	assert_in_child(behind_a_refusal);
}

static char *empty_root;

static int in_an_empty_root(void)
{
	if (chroot(empty_root) < 0 || chdir("/") < 0)
		return 1;
	return check_missing(VISO_FEATURE_USER_NAMESPACES, "chroot") || check_missing(VISO_FEATURE_KVM, "/dev/kvm") ||
	       check_missing(VISO_FEATURE_MEMORY_LIMIT, "memory") || check_sentences();
}

static void test_an_empty_chroot_is_explained(void **state)
{
	skip_without(geteuid() == 0, "root");
	empty_root = support_temporary_directory();
	assert_in_child(in_an_empty_root);
	support_remove_tree(empty_root);
	free(empty_root);
}

static int as_nobody(void)
{
	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 1;
	viso_machine *other = viso_machine_new();
	int r = viso_machine_feature(other, VISO_FEATURE_JAIL) !=
		viso_machine_feature(other, VISO_FEATURE_USER_NAMESPACES);
	viso_machine_unref(other);
	return r || check_sentences();
}

static void test_an_ordinary_user_gets_other_findings(void **state)
{
	skip_without(geteuid() == 0, "root");
	assert_in_child(as_nobody);
}

static int without_fds(void)
{
	const struct rlimit none = {0, 0};
	return setrlimit(RLIMIT_NOFILE, &none) < 0 || check_sentences() ||
	       check_missing(VISO_FEATURE_KVM, geteuid() == 0 ? "Too many open files" : "/dev/kvm");
}

static void test_a_host_without_free_fds_gets_sentences(void **state)
{
	skip_without(access("/dev/kvm", F_OK) == 0, "/dev/kvm");
	assert_in_child(without_fds);
}

/* Makes every other call that KVM may be interrupted in fail so, as where a control group is frozen and thawed. */
static void *interrupt_calls(void *listener)
{
	struct seccomp_notif question = {0};
	for (unsigned i = 0;; i++) {
		memset(&question, 0, sizeof(question));
		if (ioctl(*(int *)listener, SECCOMP_IOCTL_NOTIF_RECV, &question) < 0)
			continue;
		struct seccomp_notif_resp answer = {.id = question.id};
		if (i % 2)
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		else
			answer.error = -EINTR;
		ioctl(*(int *)listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	return NULL;
}

static int listen_to_kvm_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KVM_CREATE_VM, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KVM_RUN, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	const struct sock_fprog program = {.len = sizeof(filter) / sizeof(*filter), .filter = filter};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static int with_interruptions(void)
{
	pthread_t thread;
	int listener = listen_to_kvm_calls();
	if (listener < 0)
		return 77;
	if (pthread_create(&thread, NULL, interrupt_calls, &listener))
		return 1;
	viso_machine *other = viso_machine_new();
	int r = 0;
	for (viso_feature feature = VISO_FEATURE_KVM; feature <= VISO_FEATURE_KVM_RING0; feature++)
		if (viso_machine_feature(other, feature) != viso_machine_feature(machine, feature)) {
			fprintf(stderr, "%s\n", viso_machine_detail(other, feature));
			r = 1;
		}
	viso_machine_unref(other);
	return r;
}

static void test_interrupted_calls_are_made_again(void **state)
{
	skip_without(viso_machine_feature(machine, VISO_FEATURE_KVM) == 1, "a usable /dev/kvm");
	skip_without(viso_machine_feature(machine, VISO_FEATURE_SECCOMP) == 1, "seccomp");
	assert_in_child(with_interruptions);
}

static void test_a_forked_child_reads_on(void **state)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(viso_machine_feature(machine, VISO_FEATURE_JAIL) < 0 ||
		      viso_machine_unref(viso_machine_ref(machine)));
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static atomic_int alarms, children, stop;

static void count_signal(int signal)
{
	atomic_fetch_add(signal == SIGALRM ? &alarms : &children, 1);
}

/* Whether it is as the first look found it. */
static bool is_as_before(const viso_machine *mine, viso_feature feature)
{
	if (viso_machine_feature(mine, feature) == viso_machine_feature(machine, feature))
		return true;
	print_error("%s: %s\n", viso_feature_name(feature), viso_machine_detail(mine, feature));
	return false;
}

static void *probe_often(void *argument)
{
	for (int i = 0; i < 5; i++) {
		errno = 99;
		viso_machine *mine = viso_machine_new();
		if (!mine || errno != 99 || !is_as_before(mine, VISO_FEATURE_KVM) ||
		    !is_as_before(mine, VISO_FEATURE_CONTAINER))
			stop = 1;
		viso_machine_unref(mine);
	}
	return NULL;
}

/* Signals keep coming, and none is lost or handled in a child of the probe (on the host's memory). */
static void test_a_busy_host_with_many_threads_is_not_disturbed(void **state)
{
	int fds = support_count_fds();
	struct sigaction old_alarm, old_child, action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
	const struct itimerval often = {{0, 1000}, {0, 1000}}, never = {0};
	sigaction(SIGALRM, &action, &old_alarm);
	sigaction(SIGCHLD, &action, &old_child);
	setitimer(ITIMER_REAL, &often, NULL);

	pthread_t threads[6];
	for (int i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, probe_often, NULL), 0);
	for (int i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);

	struct itimerval now;
	getitimer(ITIMER_REAL, &now);
	assert_int_equal(now.it_interval.tv_usec, 1000);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &old_alarm, NULL);
	sigaction(SIGCHLD, &old_child, NULL);
	assert_int_equal(stop, 0);
	assert_true(alarms > 0);
	assert_int_equal(children, 0);
	support_assert_nothing_left(fds);
}

static void test_success_leaves_error_and_errno_alone(void **state)
{
	assert_int_equal(viso_machine_feature(NULL, VISO_FEATURE_JAIL), -EINVAL);
	errno = 77;
	viso_machine *other = viso_machine_new();
	assert_int_equal(errno, 77);
	assert_int_equal(viso_error_number(), EINVAL);
	assert_ptr_equal(viso_machine_ref(other), other);
	assert_null(viso_machine_unref(other));
	assert_null(viso_machine_unref(other));
	assert_null(viso_machine_unref(NULL));
	assert_null(viso_machine_ref(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_feature_has_name_and_sentence),
		cmocka_unit_test(test_bad_arguments_are_refused),
		cmocka_unit_test(test_user_namespaces_are_those_of_unshare),
		cmocka_unit_test(test_container_namespaces_are_those_of_unshare),
		cmocka_unit_test(test_landlock_makes_rulesets),
		cmocka_unit_test(test_seccomp_filters_work),
		cmocka_unit_test(test_mount_api_is_as_old_as_the_kernel),
		cmocka_unit_test(test_limits_have_a_group),
		cmocka_unit_test(test_kvm_makes_a_machine),
		cmocka_unit_test(test_ring0_is_as_the_processor_says),
		cmocka_unit_test(test_jail_needs_what_chroot_needs),
		cmocka_unit_test(test_strengths_do_what_the_features_promise),
		cmocka_unit_test(test_limits_do_what_the_features_promise),
		cmocka_unit_test(test_forbidden_user_namespaces_are_explained),
		cmocka_unit_test(test_forbidden_network_namespaces_are_explained),
		cmocka_unit_test(test_root_without_ids_is_an_ordinary_user),
		cmocka_unit_test(test_a_jail_of_an_ordinary_user_needs_namespaces),
		cmocka_unit_test(test_calls_hidden_by_a_filter_are_explained),
		cmocka_unit_test(test_containers_do_without_mount_setattr),
		cmocka_unit_test(test_calls_refused_by_a_filter_are_explained),
		cmocka_unit_test(test_an_empty_chroot_is_explained),
		cmocka_unit_test(test_an_ordinary_user_gets_other_findings),
		cmocka_unit_test(test_a_host_without_free_fds_gets_sentences),
		cmocka_unit_test(test_interrupted_calls_are_made_again),
		cmocka_unit_test(test_a_forked_child_reads_on),
		cmocka_unit_test(test_a_busy_host_with_many_threads_is_not_disturbed),
		cmocka_unit_test(test_success_leaves_error_and_errno_alone),
	};
	return cmocka_run_group_tests_name("machine", tests, set_up, tear_down);
}
