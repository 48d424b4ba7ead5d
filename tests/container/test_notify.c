/* SPDX-License-Identifier: MIT */
/* System calls that the host program answers. */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host.h"

enum { WAIT_MS = 20000 };

static void ask_about(struct box *box, const char *name)
{
	assert_ok(viso_container_add_syscall_rule(box->container, name, VISO_SYSCALL_NOTIFY, 0));
}

static viso_notification *next(viso_process *process, const char *name)
{
	viso_notification *notification = NULL;
	assert_ok(viso_process_next_notification(process, WAIT_MS, &notification));
	assert_non_null(notification);
	assert_string_equal(viso_notification_name(notification), name);
	return notification;
}

static void assert_no_more(viso_process *process)
{
	viso_notification *none = (viso_notification *)-1;
	assert_fails(viso_process_next_notification(process, WAIT_MS, &none), ESRCH, VISO_STAGE_PROCESS, "");
	assert_ptr_equal(none, (viso_notification *)-1);
}

static void test_answer(void **state)
{
	struct box *box = box_open(state);
	ask_about(box, "getpriority");
	viso_process *process = box_spawn(box, call_of(SYS_getpriority, "11", "0x123456789", "13", NULL));
	struct pollfd ready = {.fd = viso_process_notification_fd(process), .events = POLLIN};
	assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
	viso_notification *notification = next(process, "getpriority");
	assert_int_equal(viso_notification_number(notification), SYS_getpriority);
	assert_int_equal(viso_notification_pid(notification), viso_process_pid(process));
	uint64_t value;
	assert_ok(viso_notification_argument(notification, 1, &value));
	assert_int_equal(value, 0x123456789);
	assert_ok(viso_notification_argument(notification, 5, &value));
	assert_int_equal(value, 0);
	assert_fails(viso_notification_argument(notification, 6, &value), EINVAL, VISO_STAGE_ARGUMENT, "argument");
	assert_fails(viso_notification_argument(notification, 0, NULL), EINVAL, VISO_STAGE_ARGUMENT, "argument");
	assert_ok(viso_notification_answer(notification, 4242));
	assert_fails(viso_notification_answer(notification, 1), EALREADY, VISO_STAGE_ARGUMENT, "answer");
	assert_fails(viso_notification_continue(notification), EALREADY, VISO_STAGE_ARGUMENT, "continue");
	assert_ptr_equal(viso_notification_ref(notification), notification);
	assert_null(viso_notification_unref(notification));
	assert_null(viso_notification_unref(notification));
	assert_no_more(process);
	assert_gave(process, 4242);
}

static void test_refuse_and_continue(void **state)
{
	struct box *box = box_open(state);
	ask_about(box, "getppid");
	viso_process *process = box_spawn(box, call_of(SYS_getppid, NULL));
	viso_notification *notification = next(process, "getppid");
	assert_fails(viso_notification_refuse(notification, 0), EINVAL, VISO_STAGE_ARGUMENT, "refuse");
	assert_fails(viso_notification_refuse(notification, 4096), EINVAL, VISO_STAGE_ARGUMENT, "refuse");
	assert_ok(viso_notification_refuse(notification, 77));
	viso_notification_unref(notification);
	assert_gave(process, -77);

	process = box_spawn(box, call_of(SYS_getppid, NULL));
	notification = next(process, "getppid");
	assert_ok(viso_notification_continue(notification));
	viso_notification_unref(notification);
	assert_gave(process, 1);
}

static void test_read(void **state)
{
	static const char text[] = "/a/path/of/the/program";
	struct box *box = box_open(state);
	ask_about(box, "mkdirat");
	viso_process *process =
		box_spawn(box, call_of(SYS_mkdirat, "-100", "s:/a/path/of/the/program", "0", "8", NULL));
	viso_notification *notification = next(process, "mkdirat");
	char buffer[65536] = "";
	uint64_t address, bad;
	assert_ok(viso_notification_argument(notification, 1, &address));
	assert_ok(viso_notification_argument(notification, 3, &bad));
	assert_int_equal(viso_notification_read(notification, address, buffer, 4), 4);
	assert_string_equal(buffer, "/a/p");
	/* Beyond the end of what is there: up to it. */
	int n = viso_notification_read(notification, address, buffer, sizeof(buffer));
	assert_true(n >= (int)sizeof(text) && n < (int)sizeof(buffer));
	assert_string_equal(buffer, text);
	assert_int_equal(viso_notification_read(notification, address, buffer, 0), 0);
	assert_fails(viso_notification_read(notification, bad, buffer, 1), EFAULT, VISO_STAGE_PROCESS, "read");
	assert_fails(viso_notification_read(notification, address, NULL, 1), EINVAL, VISO_STAGE_ARGUMENT, "read");
	assert_ok(viso_notification_refuse(notification, EROFS));
	assert_fails(viso_notification_read(notification, address, buffer, 1), ESRCH, VISO_STAGE_PROCESS, "read");
	viso_notification_unref(notification);
	assert_gave(process, -EROFS);
}

static int file_with(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Answers all calls about files: one path is a file of the host's, all others go on. Returns how many it gave. */
static int serve_files(viso_process *process, const char *wanted, int fd)
{
	viso_notification *notification;
	int given = 0;
	while (viso_process_next_notification(process, WAIT_MS, &notification) == 0) {
		char path[4096] = "";
		uint64_t address;
		unsigned where = viso_notification_number(notification) == SYS_openat;
		assert_ok(viso_notification_argument(notification, where, &address));
		assert_true(viso_notification_read(notification, address, path, sizeof(path) - 1) > 0);
		if (!strcmp(path, wanted)) {
			assert_ok(viso_notification_answer_fd(notification, fd));
			given++;
		} else {
			assert_ok(viso_notification_continue(notification));
		}
		viso_notification_unref(notification);
	}
	assert_int_equal(viso_error_number(), ESRCH);
	return given;
}

static void test_answer_by_fd(void **state)
{
	struct box *box = box_open(state);
	int fd = file_with("from the host\n");
	ask_about(box, "openat");
#ifdef SYS_open
	ask_about(box, "open");
#endif
	viso_process *process = box_spawn(box, shell("cat /magic"));
	assert_int_equal(serve_files(process, "/magic", fd), 1);
	viso_result *result = box_wait(process);
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "from the host\n");
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
	viso_process_unref(process);
	close(fd);
}

static void test_bad_fds(void **state)
{
	struct box *box = box_open(state);
	ask_about(box, "getppid");
	viso_process *process = box_spawn(box, call_of(SYS_getppid, NULL));
	viso_notification *notification = next(process, "getppid");
	int directory = open("/", O_RDONLY | O_CLOEXEC), path = open("/dev/null", O_PATH | O_CLOEXEC);
	assert_fails(viso_notification_answer_fd(notification, -1), EBADF, VISO_STAGE_ARGUMENT, "answer_fd");
	assert_fails(viso_notification_answer_fd(notification, directory), EISDIR, VISO_STAGE_ARGUMENT, "answer_fd");
	assert_fails(viso_notification_answer_fd(notification, path), EISDIR, VISO_STAGE_ARGUMENT, "answer_fd");
	close(directory);
	close(path);
	int fd = file_with("");
	assert_ok(viso_notification_answer_fd(notification, fd));
	assert_fails(viso_notification_answer_fd(notification, fd), EALREADY, VISO_STAGE_ARGUMENT, "answer_fd");
	close(fd);
	viso_notification_unref(notification);
	assert_gave(process, 3);
}

static void test_program_without_room(void **state)
{
	struct box *box = box_open(state);
	char script[64];
	int fd = file_with("");
	ask_about(box, "mkdirat");
	snprintf(script, sizeof(script), "ulimit -n 3; exec /bin/probe call %d", SYS_mkdirat);
	viso_process *process = box_spawn(box, shell(script));
	viso_notification *notification = next(process, "mkdirat");
	assert_fails(viso_notification_answer_fd(notification, fd), EMFILE, VISO_STAGE_PROCESS, "answer_fd");
	assert_ok(viso_notification_answer(notification, 5));
	viso_notification_unref(notification);
	assert_gave(process, 5);
	close(fd);
}

static void test_given_up(void **state)
{
	struct box *box = box_open(state);
	ask_about(box, "getppid");
	viso_process *process = box_spawn(box, call_of(SYS_getppid, NULL));
	viso_notification_unref(next(process, "getppid"));
	assert_gave(process, -ENOSYS);
}

static void test_killed_while_it_waits(void **state)
{
	struct box *box = box_open(state);
	ask_about(box, "getppid");
	viso_process *process = box_spawn(box, call_of(SYS_getppid, NULL));
	viso_notification *notification = next(process, "getppid");
	assert_ok(viso_process_kill(process));
	assert_no_more(process);
	assert_ended(box_wait(process), VISO_REASON_KILLED, -1, SIGKILL);
	assert_fails(viso_notification_answer(notification, 1), ENOENT, VISO_STAGE_PROCESS, "answer");
	char byte;
	assert_fails(viso_notification_read(notification, 4096, &byte, 1), ESRCH, VISO_STAGE_PROCESS, "read");
	assert_no_more(process);
	/* The notification may outlive the process. */
	viso_process_unref(process);
	assert_string_equal(viso_notification_name(notification), "getppid");
	viso_notification_unref(notification);

	/* So may one that waits when the process goes. */
	process = box_spawn(box, call_of(SYS_getppid, NULL));
	notification = next(process, "getppid");
	viso_process_unref(process);
	assert_fails(viso_notification_continue(notification), ENOENT, VISO_STAGE_PROCESS, "continue");
	viso_notification_unref(notification);

	/* And nobody need look. */
	process = box_spawn(box, call_of(SYS_getppid, NULL));
	viso_process_unref(process);
}

static void test_time_out(void **state)
{
	struct box *box = box_open(state);
	viso_notification *none = NULL;
	ask_about(box, "getppid");
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_fails(viso_process_next_notification(process, 0, &none), ETIMEDOUT, VISO_STAGE_PROCESS, "notification");
	assert_fails(viso_process_next_notification(process, 5, &none), ETIMEDOUT, VISO_STAGE_PROCESS, "notification");
	assert_fails(viso_process_next_notification(process, -2, &none), EINVAL, VISO_STAGE_ARGUMENT, "next");
	assert_fails(viso_process_next_notification(process, 0, NULL), EINVAL, VISO_STAGE_ARGUMENT, "next");
	assert_null(none);
	viso_process_unref(process);
}

/* The start itself makes these calls. It is neither stopped by a rule about them nor an exception from it. */
static void test_calls_of_the_start(void **state)
{
	struct box *box = box_open(state);
	ask_about(box, "execve");
	ask_about(box, "sendmsg");
	ask_about(box, "exit_group");
	viso_process *process = box_spawn(box, call_of(SYS_execve, "s:/bin/probe", "z", "z", NULL));
	viso_notification *notification = next(process, "execve");
	assert_ok(viso_notification_refuse(notification, EACCES));
	viso_notification_unref(notification);
	notification = next(process, "exit_group");
	assert_ok(viso_notification_continue(notification));
	viso_notification_unref(notification);
	assert_gave(process, -EACCES);

	process = NULL;
	viso_command *command = viso_command_new("/bin/not-there");
	assert_fails(viso_sandbox_spawn(box->sandbox, command, &process), ENOENT, VISO_STAGE_EXEC, "/bin/not-there");
	viso_command_unref(command);
}

static void test_under_strict_profiles(void **state)
{
	static const viso_seccomp_profile profiles[] = {VISO_SECCOMP_DENY, VISO_SECCOMP_KILL};
	box_open(state);
	for (size_t i = 0; i < 2; i++) {
		struct box *box = box_with_profile(profiles[i]);
		allow_probe(box);
		ask_about(box, "getppid");
		viso_process *process = box_spawn(box, call_of(SYS_getppid, NULL));
		viso_notification *notification = next(process, "getppid");
		assert_ok(viso_notification_answer(notification, 8));
		viso_notification_unref(notification);
		assert_gave(process, 8);
		box_close(box);
	}
}

/* Wherever the launcher's own fd happens to lie, one that is handed in may want its number. */
static void test_beside_handed_in_fds(void **state)
{
	struct box *box = box_open(state);
	ask_about(box, "getppid");
	viso_command *command = call_of(SYS_getppid, NULL);
	for (int number = 3; number < 35; number++)
		assert_ok(viso_command_add_fd(command, 1, number));
	viso_process *process = box_spawn(box, command);
	viso_notification *notification = next(process, "getppid");
	assert_ok(viso_notification_answer(notification, 6));
	viso_notification_unref(notification);
	assert_gave(process, 6);
}

static void test_in_an_instance(void **state)
{
	struct box *box = box_open(state);
	ask_about(box, "getppid");
	int r = viso_sandbox_start(box->sandbox);
	skip_without(r != -EOPNOTSUPP, "instances of containers");
	assert_ok(r);
	for (int i = 0; i < 2; i++) {
		viso_process *process = box_spawn(box, call_of(SYS_getppid, NULL));
		viso_notification *notification = next(process, "getppid");
		assert_ok(viso_notification_answer(notification, 7 + i));
		viso_notification_unref(notification);
		assert_gave(process, 7 + i);
	}
}

static void test_nobody_to_answer(void **state)
{
	struct box *box = box_open(state);
	ask_about(box, "getppid");
	viso_command *command = probe("exit", NULL);
	assert_fails(viso_sandbox_run(box->sandbox, command, NULL), EINVAL, VISO_STAGE_SECCOMP, "viso_sandbox_run");
	viso_command_unref(command);
}

static void test_no_rule(void **state)
{
	struct box *box = box_open(state);
	viso_notification *none = NULL;
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_fails(viso_process_notification_fd(process), EBADF, VISO_STAGE_SECCOMP, "notification_fd");
	assert_fails(viso_process_next_notification(process, 0, &none), EBADF, VISO_STAGE_SECCOMP, "next");
	viso_process_unref(process);
	assert_fails(viso_process_notification_fd(NULL), EINVAL, VISO_STAGE_ARGUMENT, "notification_fd");
	assert_null(viso_notification_name(NULL));
	assert_fails(viso_notification_pid(NULL), EINVAL, VISO_STAGE_ARGUMENT, "pid");
	assert_null(viso_notification_unref(NULL));
	assert_null(viso_notification_ref(NULL));
}

static void *answer_all(void *argument)
{
	viso_notification *notification;
	intptr_t count = 0;
	while (viso_process_next_notification(argument, -1, &notification) == 0) {
		count += viso_notification_answer(notification, 3) == 0;
		viso_notification_unref(notification);
	}
	return (void *)count;
}

static void test_several_threads(void **state)
{
	enum { THREADS = 4 };
	struct box *box = box_open(state);
	pthread_t threads[THREADS];
	intptr_t sum = 0;
	ask_about(box, "rmdir");
	ask_about(box, "unlinkat");
	viso_process *process = box_spawn(box, shell("i=0; while [ $i -lt 50 ]; do rmdir /x; i=$((i+1)); done"));
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, answer_all, process), 0);
	for (int i = 0; i < THREADS; i++) {
		void *count;
		pthread_join(threads[i], &count);
		sum += (intptr_t)count;
	}
	assert_int_equal(sum, 50);
	viso_result_unref(box_wait(process));
	viso_process_unref(process);
}

static void test_no_fd_is_left(void **state)
{
	struct box *box = box_open(state);
	int fds = 0;
	ask_about(box, "getppid");
	for (int i = 0; i < 3; i++) {
		viso_process *process = box_spawn(box, call_of(SYS_getppid, NULL));
		viso_notification_unref(next(process, "getppid"));
		assert_gave(process, -ENOSYS);
		if (i == 0)
			fds = support_count_fds();
		assert_int_equal(support_count_fds(), fds);
	}
}

/* The host's end of all: nothing waits for ever, and nothing is left. */
static void host_that_never_answers(void *argument)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	ask_about(box, "getppid");
	viso_process *process = box_spawn(box, call_of(SYS_getppid, NULL));
	next(process, "getppid");
	char line[16];
	snprintf(line, sizeof(line), "%d", viso_process_pid(process));
	ready_tell(argument, line);
	for (;;)
		pause();
}

/* However few fds there are: either the start fails cleanly, or the host has the listener. */
static void host_with_few_fds(void *argument)
{
	struct rlimit limit;
	bool has_failed = false, has_worked = false;
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	ask_about(box, "getppid");
	viso_process_unref(box_spawn(box, probe("exit", NULL)));
	int fds = support_count_fds(), lowest = dup(0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int more = 0; more < 24; more++) {
		viso_process *process = NULL;
		viso_command *command = call_of(SYS_getppid, NULL);
		limit.rlim_cur = (rlim_t)(lowest + more);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		int r = viso_sandbox_spawn(box->sandbox, command, &process);
		/* -ENOMEM is what opening the root says then. */
		assert_true(r == 0 || r == -EMFILE || r == -ENOMEM);
		has_failed |= r < 0;
		has_worked |= r == 0;
		if (r == 0)
			assert_true(viso_process_notification_fd(process) >= 0);
		viso_process_unref(process);
		viso_command_unref(command);
		limit.rlim_cur = limit.rlim_max;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		assert_int_equal(support_count_fds(), fds);
	}
	assert_true(has_failed && has_worked);
	box_close(box);
}

static void test_few_fds(void **state)
{
	box_open(state);
	in_a_host(host_with_few_fds, NULL);
}

static void test_host_killed(void **state)
{
	struct ready_pipe ready;
	char line[16];
	box_open(state);
	ready_init(&ready);
	pid_t host = host_start(host_that_never_answers, &ready);
	assert_true(ready_wait(&ready, line, sizeof(line)));
	pid_t program = atoi(line);
	assert_int_equal(kill(program, 0), 0);
	host_kill(host);
	for (int i = 0; i < 1000 && kill(program, 0) == 0; i++)
		usleep(10000);
	assert_int_equal(kill(program, 0), -1);
	ready_close(&ready);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_answer),
		AT_CONTAINER(test_refuse_and_continue),
		AT_CONTAINER(test_read),
		AT_CONTAINER(test_answer_by_fd),
		AT_CONTAINER(test_bad_fds),
		AT_CONTAINER(test_program_without_room),
		AT_CONTAINER(test_given_up),
		AT_CONTAINER(test_killed_while_it_waits),
		AT_CONTAINER(test_time_out),
		AT_CONTAINER(test_calls_of_the_start),
		AT_CONTAINER(test_under_strict_profiles),
		AT_CONTAINER(test_beside_handed_in_fds),
		AT_CONTAINER(test_in_an_instance),
		AT_CONTAINER(test_nobody_to_answer),
		AT_CONTAINER(test_no_rule),
		AT_CONTAINER(test_several_threads),
		AT_CONTAINER(test_no_fd_is_left),
		AT_CONTAINER(test_few_fds),
		AT_CONTAINER(test_host_killed),
	};
	return cmocka_run_group_tests_name("notify", tests, NULL, box_group_teardown);
}
