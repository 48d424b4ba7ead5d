/* SPDX-License-Identifier: MIT */
/* Threads, kill, close, fork, a host without /dev/kvm; and nothing is left behind. */
#include "guest_support.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A figure of /proc/self/status. */
static long status(const char *name)
{
	char line[256];
	long value = -1;
	FILE *file = fopen("/proc/self/status", "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			value = strtol(line + strlen(name) + 1, NULL, 10);
	fclose(file);
	return value;
}

static viso_process *spawn(struct fixture *fixture, viso_command *command)
{
	viso_process *process = NULL;
	assert_ok(viso_sandbox_spawn(viso_guest_sandbox(fixture->guest), command, &process));
	viso_command_unref(command);
	return process;
}

static void test_nothing_is_left(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	assert_exited(run(fixture, "/probe", "exit", "0"), 0);
	int fds = support_count_fds();
	long memory = 0;
	/* Those of the library end when they do, and where two met, the C library keeps the stack of one more. */
	enum { ONE_MORE_KB = 16 << 10 };
	mallopt(M_ARENA_MAX, 1);
	for (int i = 0; i < 50; i++) {
		if (i % 2)
			assert_exited(run(fixture, "/probe", "file"), 0);
		else
			viso_process_unref(spawn(fixture, new_command("/probe", i % 4 ? "loop" : "exit", "3", NULL)));
		if (i == 20)
			memory = status("VmSize");
	}
	assert_int_equal(support_count_fds(), fds);
	/* One that has been joined may still be counted for a moment. */
	await_that(status("Threads") == 1);
	assert_true(status("VmSize") <= memory + ONE_MORE_KB);
}

static void *run_one(void *data)
{
	struct fixture *fixture = data;
	for (int i = 0; i < 5; i++) {
		viso_command *command = viso_command_new("/probe");
		viso_result *result = NULL;
		int r = viso_command_add_arg(command, "file");
		if (r == 0)
			r = viso_sandbox_run(viso_guest_sandbox(fixture->guest), command, &result);
		viso_command_unref(command);
		if (r < 0 || viso_result_exit_code(result) != 0)
			return (void *)viso_result_describe(result);
		viso_result_unref(result);
	}
	return NULL;
}

static void test_eight_at_once(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	pthread_t threads[8];
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_one, fixture), 0);
	for (int i = 0; i < 8; i++) {
		void *failure;
		pthread_join(threads[i], &failure);
		assert_null(failure);
	}
}

static void *kill_later(void *data)
{
	usleep(100000);
	while (viso_sandbox_kill(viso_guest_sandbox(((struct fixture *)data)->guest)) == 0)
		usleep(1000);
	return NULL;
}

static void test_kill_from_another_thread(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	static const char *const probes[] = {"loop", "call-loop", "sleep"};
	for (int i = 0; i < 3; i++) {
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, kill_later, fixture), 0);
		assert_reason(run(fixture, "/probe", probes[i], "60000"), VISO_REASON_KILLED);
		pthread_join(thread, NULL);
	}
}

static void test_kill_and_signal_a_process(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_process *process = spawn(fixture, new_command("/probe", "sleep", "60000", NULL));
	struct pollfd fd = {.fd = viso_process_fd(process), .events = POLLIN};
	assert_int_equal(poll(&fd, 1, 50), 0);
	assert_ok(viso_process_kill(process));
	assert_int_equal(poll(&fd, 1, 20000), 1);
	viso_result *result;
	assert_ok(viso_process_wait(process, 20000, &result));
	assert_int_equal(viso_result_signal(result), SIGKILL);
	assert_reason(result, VISO_REASON_KILLED);
	assert_int_equal(poll(&fd, 1, 0), 1);
	assert_ok(viso_process_kill(process));
	viso_process_unref(process);

	process = spawn(fixture, new_command("/probe", "loop", NULL));
	assert_ok(viso_process_signal(process, SIGCHLD));
	assert_fails(viso_process_signal(process, SIGSTOP), EOPNOTSUPP, VISO_STAGE_PROCESS, "signal");
	usleep(20000);
	assert_ok(viso_process_signal(process, SIGTERM));
	assert_ok(viso_process_wait(process, 20000, &result));
	assert_signalled(result, SIGTERM);
	assert_fails(viso_process_signal(process, SIGTERM), ESRCH, VISO_STAGE_PROCESS, "");
	viso_process_unref(process);
}

static void test_close_ends_all(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_guest *guest = new_guest(fixture, 0);
	viso_process *processes[3];
	viso_command *command = new_command("/probe", "loop", NULL);
	for (int i = 0; i < 3; i++)
		assert_ok(viso_sandbox_spawn(viso_guest_sandbox(guest), command, &processes[i]));
	assert_ok(viso_sandbox_close(viso_guest_sandbox(guest)));
	viso_result *result;
	assert_fails(viso_sandbox_run(viso_guest_sandbox(guest), command, &result), ESTALE, VISO_STAGE_ARGUMENT, "");
	viso_command_unref(command);
	viso_guest_unref(guest);
	for (int i = 0; i < 3; i++) {
		assert_ok(viso_process_wait(processes[i], 0, &result));
		assert_reason(result, VISO_REASON_KILLED);
		viso_process_unref(processes[i]);
	}
}

/* The host thread's signals are as before; a signal of the host's own kind is given back; timers are gone. */
static volatile sig_atomic_t urgent_seen;

static void urgent(int signal)
{
	urgent_seen = urgent_seen + 1;
}

/* As a number; what the C library has beside the kernel's 64 bits is undefined. */
static uint64_t signal_mask(void)
{
	sigset_t set;
	uint64_t mask;
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	memcpy(&mask, &set, sizeof(mask));
	return mask;
}

static void test_the_hosts_signals(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	sigset_t pending;
	uint64_t before, after;
	struct sigaction action = {.sa_handler = urgent}, old;
	sigaction(SIGURG, &action, &old);
	before = signal_mask();
	viso_command *command = new_command("/probe", "loop", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 50));
	assert_ok(viso_command_set_cpu_time_ms(command, 40));
	viso_result_unref(run_in(fixture->guest, command));
	usleep(50000);
	assert_int_equal(urgent_seen, 0);
	after = signal_mask();
	sigpending(&pending);
	assert_int_equal(before, after);
	for (int signal = 1; signal < 65; signal++)
		assert_int_not_equal(sigismember(&pending, signal), 1);

	/* One that somebody sends while the guest runs in this thread. */
	pid_t child = fork();
	if (child == 0) {
		usleep(100000);
		kill(getppid(), SIGURG);
		_exit(0);
	}
	assert_exited(run(fixture, "/probe", "sleep", "300"), 0);
	waitpid(child, NULL, 0);
	assert_int_equal(urgent_seen, 1);
	sigaction(SIGURG, &old, NULL);
}

static void test_handles_after_a_fork(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_command *command = new_command("/probe", "sleep", "200", NULL);
	viso_process *process = spawn(fixture, viso_command_ref(command));
	pid_t child = fork();
	if (child == 0) {
		viso_result *result;
		int r = viso_sandbox_run(viso_guest_sandbox(fixture->guest), command, &result);
		bool right = r == -ECHILD && viso_process_kill(process) == -ECHILD;
		viso_process_unref(process);
		viso_guest_unref(fixture->guest);
		_exit(right ? 0 : 1);
	}
	int child_status;
	assert_int_equal(waitpid(child, &child_status, 0), child);
	assert_int_equal(child_status, 0);
	viso_result *result;
	assert_ok(viso_process_wait(process, 20000, &result));
	assert_exited(result, 0);
	viso_process_unref(process);
	viso_command_unref(command);
}

/* In a child whose /dev/kvm is an empty file. */
static void test_a_host_without_kvm(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	skip_without(geteuid() == 0, "root, to mask /dev/kvm");
	pid_t child = fork();
	if (child == 0) {
		char path[] = "/tmp/viso-test-XXXXXX";
		close(mkstemp(path));
		bool masked = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
			      mount(path, "/dev/kvm", NULL, MS_BIND, NULL) == 0;
		unlink(path);
		viso_root *root = viso_root_new();
		viso_guest *guest = viso_guest_new();
		viso_command *command = viso_command_new("/probe");
		viso_result *result;
		bool ready =
			viso_root_use_directory(root, fixture->root_path) == 0 && viso_guest_set_root(guest, root) == 0;
		int r = viso_sandbox_run(viso_guest_sandbox(guest), command, &result);
		print_message("# %s\n", viso_error_message());
		_exit(!masked ? 77
		      : ready && r == -ENODEV && viso_error_stage() == VISO_STAGE_KVM &&
				      !strcmp(viso_error_object(), "/dev/kvm")
			      ? 0
			      : 1);
	}
	int child_status;
	assert_int_equal(waitpid(child, &child_status, 0), child);
	skip_without(child_status != 77 << 8, "mount namespaces");
	assert_int_equal(child_status, 0);
}

static void test_a_user_who_may_not_use_kvm(void **state)
{
	skip_without(access("/dev/kvm", F_OK) == 0 && access("/dev/kvm", R_OK | W_OK) < 0,
		     "a user without rights to /dev/kvm");
	viso_root *root = viso_root_new();
	assert_ok(viso_root_use_directory(root, "/usr"));
	viso_guest *guest = viso_guest_new();
	assert_ok(viso_guest_set_root(guest, root));
	viso_command *command = viso_command_new("/bin/env");
	viso_result *result;
	assert_fails(viso_sandbox_run(viso_guest_sandbox(guest), command, &result), EACCES, VISO_STAGE_KVM, "/dev/kvm");
	viso_command_unref(command);
	viso_guest_unref(guest);
	viso_root_unref(root);
}

/* A /dev/kvm for everybody, in a mount namespace of its own, and a user who may not have a further thread. */
static bool become_user_without_threads(const struct fixture *fixture)
{
	enum { USER = 3055171 };
	const struct rlimit one = {1, 1};
	char node[PATH_MAX];
	struct stat st;
	snprintf(node, sizeof(node), "%s/kvm", fixture->base);
	return stat("/dev/kvm", &st) == 0 && unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mknod(node, S_IFCHR | 0600, st.st_rdev) == 0 &&
	       chmod(node, 0666) == 0 && mount(node, "/dev/kvm", NULL, MS_BIND, NULL) == 0 &&
	       chmod(fixture->base, 0755) == 0 && setrlimit(RLIMIT_NPROC, &one) == 0 &&
	       setresgid(USER, USER, USER) == 0 && setresuid(USER, USER, USER) == 0 &&
	       access("/dev/kvm", R_OK | W_OK) == 0;
}

/* 0, the step that went wrong, or -1 where it cannot be tried. */
static int run_without_threads(const struct fixture *fixture)
{
	if (!become_user_without_threads(fixture))
		return -1;
	viso_root *root = viso_root_new();
	viso_guest *guest = viso_guest_new();
	viso_command *command = viso_command_new("/probe");
	viso_result *result = NULL;
	if (viso_root_use_directory(root, fixture->root_path) < 0 || viso_guest_set_root(guest, root) < 0 ||
	    viso_command_add_arg(command, "exit") < 0 || viso_command_add_arg(command, "7") < 0 ||
	    viso_command_set_timeout_ms(command, 20000) < 0)
		return 1;
	int r = viso_sandbox_run(viso_guest_sandbox(guest), command, &result);
	/* An older kernel makes the thread by itself. */
	if (r != 0 && (r != -EAGAIN || viso_error_stage() != VISO_STAGE_KVM))
		return 2;
	if (r == 0 && viso_result_exit_code(result) != 7)
		return 3;
	viso_result_unref(result);
	viso_command_unref(command);
	viso_guest_unref(guest);
	viso_root_unref(root);
	return 0;
}

/* KVM makes a thread of the host program's: where it cannot, the guest must not be tried to be run for ever. */
static void test_a_user_without_threads(void **state)
{
	struct fixture *fixture = *state;
	int status;
	need_kvm();
	skip_without(geteuid() == 0, "root");
	skip_without(!getenv("VISO_TEST_CONTAINED"), "a guest that is served in this process");
	pid_t pid = fork();
	if (pid == 0)
		_exit(run_without_threads(fixture));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	skip_without(WEXITSTATUS(status) != 0xff, "/dev/kvm for another user");
	assert_int_equal(WEXITSTATUS(status), 0);
}

static bool streams_are_free(void)
{
	return fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0;
}

/* In a child with handles of its own, whose end is not that of a test. The step that went wrong, or 0. */
static int run_without_streams(const struct fixture *fixture)
{
	viso_root *root = viso_root_new();
	viso_guest *guest = viso_guest_new(), *staying = viso_guest_new();
	viso_command *loop = new_command("/probe", "loop", NULL), *callee = new_command("/callee", "ready", NULL);
	viso_process *process = NULL;
	viso_snapshot *snapshot = NULL;
	close(0);
	close(1);
	close(2);
	if (viso_root_use_directory(root, fixture->root_path) < 0 || viso_guest_set_root(guest, root) < 0 ||
	    viso_guest_set_root(staying, root) < 0 || !streams_are_free())
		return 1;
	if (viso_sandbox_spawn(viso_guest_sandbox(guest), loop, &process) < 0 || !streams_are_free())
		return 2;
	if (viso_guest_initialise(staying, callee, NULL) < 0 || !streams_are_free())
		return 3;
	if (viso_guest_snapshot(staying, &snapshot) < 0 || !streams_are_free())
		return 4;
	viso_guest *clone = NULL;
	if (viso_snapshot_clone(snapshot, &clone) < 0 || viso_guest_call(clone, "count", NULL, 0, -1, NULL) < 0 ||
	    !streams_are_free())
		return 5;
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
	viso_process_unref(process);
	viso_guest_unref(staying);
	viso_guest_unref(guest);
	viso_root_unref(root);
	viso_command_unref(loop);
	viso_command_unref(callee);
	return 0;
}

/* What the library opens must not come to lie where the host program's printf() writes. */
static void test_a_host_without_streams(void **state)
{
	need_kvm();
	skip_without(MALLOC_SURVIVES_FORK, "a malloc that works in the fork of a process with threads");
	int status;
	pid_t child = fork();
	if (child == 0) {
		support_time_limit(60);
		_exit(run_without_streams(*state));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_eight_at_once),
		cmocka_unit_test(test_kill_from_another_thread),
		cmocka_unit_test(test_kill_and_signal_a_process),
		cmocka_unit_test(test_close_ends_all),
		cmocka_unit_test(test_the_hosts_signals),
		cmocka_unit_test(test_handles_after_a_fork),
		cmocka_unit_test(test_a_host_without_streams),
		cmocka_unit_test(test_a_user_without_threads),
		cmocka_unit_test(test_a_host_without_kvm),
		cmocka_unit_test(test_a_user_who_may_not_use_kvm),
	};
	return cmocka_run_group_tests_name("guest lifetime", tests, fixture_setup, fixture_teardown);
}
