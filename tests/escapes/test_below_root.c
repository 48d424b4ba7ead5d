/* SPDX-License-Identifier: MIT */
/*
 * The later plain containers of a host program are cloned from a mount namespace of the launcher's, upon whose root
 * theirs is stacked. What can be done from within must end at their own root. Where an attack can be effective at all,
 * it is so for one who comes from outside, with the capability in the container's user namespace that no program of
 * such a container has.
 */
#include "box.h"
#include "outside.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacks/attack.h"

enum { TRIES = 500, TEXT_MAX = 16384 };

static char *tree;

/* Everything that a program of such a container may have. */
static struct box *new_box(void)
{
	static const char *const capabilities[] = {
		"chown",   "dac_override", "dac_read_search", "fowner", "fsetid",     "kill",       "mknod",
		"setfcap", "setgid",       "setpcap",         "setuid", "sys_chroot", "sys_ptrace", "sys_resource"};
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, tree);
	for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
		assert_ok(viso_container_add_capability(box->container, capabilities[i]));
	assert_ok(viso_container_set_seccomp_profile(box->container, VISO_SECCOMP_NONE));
	return box;
}

static viso_command *attack(const char *way, const char *where)
{
	viso_command *command = viso_command_new("/bin/below_root");
	assert_ok(viso_command_add_arg(command, "-"));
	assert_ok(viso_command_add_arg(command, way));
	assert_ok(viso_command_add_arg(command, where));
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(command, 4096));
	assert_ok(viso_command_set_user(command, 0, 0));
	return command;
}

/* Into its namespaces, as root with all capabilities. */
static void join(int pid, int namespaces)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0 || setns(pidfd, namespaces) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		_exit(BROKEN);
}

static int status_of(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What the attack comes to that has joined the container. */
static int attack_joined(int pid, const char *way)
{
	const char *const argv[] = {"below_root", "-", way, "joined", NULL};
	pid_t joined = fork();
	if (joined == 0) {
		join(pid, CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS);
		pid_t inside = fork();
		if (inside == 0)
			execv("/bin/below_root", (char *const *)argv);
		_exit(inside < 0 ? BROKEN : status_of(inside));
	}
	return status_of(joined);
}

static int attack_in_bare_chroot(const char *way)
{
	const char *const argv[] = {"below_root", "-", way, "here", NULL};
	char *proc = tree_path(tree, "proc");
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		    mount("/proc", proc, NULL, MS_BIND, NULL) == 0 && chroot(tree) == 0)
			execv("/bin/below_root", (char *const *)argv);
		_exit(BROKEN);
	}
	free(proc);
	return status_of(pid);
}

/* A container that is stacked, which takes some starts. The process that keeps it is ended and released by `release`.
 */
static struct box *open_stacked(viso_process **process)
{
	for (int i = 0; i < TRIES; i++) {
		struct box *box = new_box();
		*process = box_spawn(box, probe("sleep", NULL));
		if (attack_joined(viso_process_pid(*process), "umount") == GOT_OUT)
			return box;
		viso_process_unref(*process);
		box_close(box);
		support_pause(); /* the launcher has to get round to it */
	}
	*process = NULL;
	return NULL;
}

static void release(struct box *box, viso_process *process)
{
	assert_ok(viso_process_kill(process));
	viso_result_unref(box_wait(process));
	box_close(box);
}

static void begin(void **state)
{
	skip_without(geteuid() == 0, "root");
	box_open(state);
	if (tree)
		return;
	tree = box_new_tree();
	tree_copy(ATTACKS_PATH "/below_root", tree, "bin/below_root");
}

/* Where the attack must get out, or it would show nothing. */
enum effective { NOWHERE, IN_A_CHROOT, JOINED };

static void must_be_refused(const char *way, const char *where)
{
	struct box *box = new_box();
	viso_result *result = box_run(box, attack(way, where));
	printf("# %s, %s: %s", way, where, viso_result_output(result, VISO_STDOUT, NULL));
	if (viso_result_exit_code(result) != REFUSED)
		print_error("%s, %s: %d\n", way, where, viso_result_exit_code(result));
	check_ended(result, VISO_REASON_EXITED, REFUSED, 0);
	viso_result_unref(result);
	box_close(box);
}

static void test_way(void **state, const char *way, enum effective effective)
{
	viso_process *process;
	begin(state);
	struct box *box = open_stacked(&process);
	assert_non_null(box);
	if (effective == IN_A_CHROOT)
		assert_int_equal(attack_in_bare_chroot(way), GOT_OUT);
	if (effective == JOINED)
		assert_int_equal(attack_joined(viso_process_pid(process), way), GOT_OUT);
	must_be_refused(way, "here");
	must_be_refused(way, "nested");
	release(box, process);
	/* What was attacked was stacked, too. */
	box = open_stacked(&process);
	assert_non_null(box);
	release(box, process);
}

#define WAY(name, effective)                                                                                           \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		test_way(state, #name, effective);                                                                     \
	}
WAY(chroot, IN_A_CHROOT)
WAY(kept_fd, IN_A_CHROOT)
WAY(setns, IN_A_CHROOT)
WAY(umount, JOINED)
WAY(pivot_root, JOINED)
WAY(beneath, NOWHERE)
WAY(move, NOWHERE)
WAY(copy, NOWHERE)
WAY(proc, IN_A_CHROOT)
WAY(listmount, NOWHERE)
WAY(nest_again, NOWHERE)

static void test_file_handle(void **state)
{
	begin(state);
	skip_without(attack_in_bare_chroot("file_handle") != UNABLE, "a file system whose root has the inode number 2");
	test_way(state, "file_handle", IN_A_CHROOT);
}

/* What is below is of all such containers: even who sees it finds nothing there, and can change nothing. */
static void test_nothing_is_below(void **state)
{
	viso_process *process;
	begin(state);
	struct box *box = open_stacked(&process);
	assert_non_null(box);
	assert_int_equal(attack_joined(viso_process_pid(process), "read"), REFUSED);
	assert_int_equal(attack_joined(viso_process_pid(process), "write"), REFUSED);
	release(box, process);
}

/* In a process that has joined: all mounts from below on, as the host's /proc tells them. */
static void read_all_mounts(int proc, const char *self, char *text)
{
	int fd = openat(proc, self, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	size_t used = 0;
	while (fd >= 0 && used < TEXT_MAX - 1 && (n = read(fd, text + used, TEXT_MAX - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	if (fd < 0 || close(fd) < 0)
		_exit(BROKEN);
}

/* With `mounts` of its own, made from below on for all who might share them. */
static void look_below(int pid, bool mounts, char *text)
{
	char self[64], path[64];
	snprintf(self, sizeof(self), "%d/mountinfo", getpid());
	snprintf(path, sizeof(path), "%d/ns/mnt", pid);
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int namespace = openat(proc, path, O_RDONLY | O_CLOEXEC);
	join(pid, CLONE_NEWUSER | CLONE_NEWNS);
	if (umount2("/", MNT_DETACH) < 0 || setns(namespace, CLONE_NEWNS) < 0)
		_exit(BROKEN);
	read_all_mounts(proc, self, text);
	if (!mounts)
		return;
	/* Below its own root nobody has a peer or a master. */
	if (!strstr(text, " /dev/null ") || strstr(text, " shared:") || strstr(text, " master:"))
		_exit(GOT_OUT);
	if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0 || mount("none", "/proc", "tmpfs", 0, NULL) < 0 ||
	    mount("none", "/dev/shm", "tmpfs", 0, NULL) < 0 || mount("none", "/", "tmpfs", 0, NULL) < 0)
		_exit(BROKEN);
	read_all_mounts(proc, self, text);
}

/* How many mounts there are; only those of the container's root are taken off, from a copy of it. */
static int count_below(int pid, bool mounts)
{
	static char text[TEXT_MAX];
	int ends[2], count = 0;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t joined = fork();
	if (joined == 0) {
		look_below(pid, mounts, text);
		for (const char *at = text; (at = strchr(at, '\n')); at++)
			count++;
		_exit(write(ends[1], &count, sizeof(count)) == sizeof(count) ? REFUSED : BROKEN);
	}
	assert_int_equal(status_of(joined), REFUSED);
	assert_int_equal(read(ends[0], &count, sizeof(count)), sizeof(count));
	close(ends[0]);
	close(ends[1]);
	return count;
}

/* Two containers have copies of the same mounts: what is mounted in one does not show in another, nor in those to come.
 */
static void test_mounts_are_of_one_alone(void **state)
{
	viso_process *process[4];
	struct box *box[4];
	begin(state);
	for (int i = 0; i < 3; i++)
		assert_non_null(box[i] = open_stacked(&process[i]));
	int before = count_below(viso_process_pid(process[0]), false);
	assert_true(before > 0);
	assert_true(count_below(viso_process_pid(process[1]), true) > before);
	assert_int_equal(count_below(viso_process_pid(process[2]), false), before);
	assert_non_null(box[3] = open_stacked(&process[3]));
	assert_int_equal(count_below(viso_process_pid(process[3]), false), before);
	for (int i = 0; i < 4; i++)
		release(box[i], process[i]);
}

static bool is_stacked(void (*configure)(struct box *))
{
	struct box *box = new_box();
	configure(box);
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	bool stacked = attack_joined(viso_process_pid(process), "umount") == GOT_OUT;
	release(box, process);
	return stacked;
}

static void as_it_is(struct box *box)
{
	(void)box;
}

static void with_sys_admin(struct box *box)
{
	assert_ok(viso_container_add_capability(box->container, "sys_admin"));
}

static void with_sys_admin_to_be_gained(struct box *box)
{
	assert_ok(viso_container_add_capability_to(box->container, VISO_CAPABILITY_BOUNDING, "sys_admin"));
}

static void with_a_mount(struct box *box)
{
	assert_ok(viso_container_add_tmpfs(box->container, "/tmp/more", 1 << 20, 0755, 0));
}

static void with_a_mask(struct box *box)
{
	assert_ok(viso_container_add_mask(box->container, "/proc/keys"));
}

static void with_a_parameter(struct box *box)
{
	assert_ok(viso_container_set_sysctl(box->container, "kernel.msgmax", "4096"));
}

static void with_a_clock(struct box *box)
{
	assert_ok(viso_container_set_clock_offset(box->container, VISO_CLOCK_MONOTONIC, 1000000000));
}

static void with_an_upper(struct box *box)
{
	assert_ok(viso_container_set_upper_discarded(box->container, 1 << 20));
}

static void with_a_hook(struct box *box)
{
	viso_command *command = viso_command_new("/bin/true");
	assert_ok(viso_container_add_hook(box->container, VISO_HOOK_CREATE_CONTAINER, command));
	viso_command_unref(command);
}

static void with_an_instance(struct box *box)
{
	assert_ok(viso_sandbox_start(box->sandbox));
}

static void with_one_prepared(struct box *box)
{
	assert_ok(viso_container_prepare(box->container, 1));
}

/* Whose program could unmount its root, and what needs the mounts of the host, is not stacked. */
static void test_others_are_not_stacked(void **state)
{
	static void (*const others[])(struct box *) = {with_sys_admin,   with_sys_admin_to_be_gained,
						       with_a_mount,     with_a_mask,
						       with_an_upper,    with_a_parameter,
						       with_a_clock,     with_a_hook,
						       with_an_instance, with_one_prepared};
	viso_process *process;
	begin(state);
	struct box *box = open_stacked(&process);
	assert_non_null(box);
	release(box, process);
	assert_true(is_stacked(as_it_is));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(is_stacked(others[i]));
}

static int remove_trees(void **state)
{
	if (tree)
		support_remove_tree(tree);
	free(tree);
	return box_group_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_chroot),
		AT_CONTAINER(test_kept_fd),
		AT_CONTAINER(test_setns),
		AT_CONTAINER(test_umount),
		AT_CONTAINER(test_pivot_root),
		AT_CONTAINER(test_beneath),
		AT_CONTAINER(test_move),
		AT_CONTAINER(test_copy),
		AT_CONTAINER(test_proc),
		AT_CONTAINER(test_listmount),
		AT_CONTAINER(test_nest_again),
		AT_CONTAINER(test_file_handle),
		AT_CONTAINER(test_nothing_is_below),
		AT_CONTAINER(test_mounts_are_of_one_alone),
		AT_CONTAINER(test_others_are_not_stacked),
	};
	return cmocka_run_group_tests_name("below the root", tests, NULL, remove_trees);
}
