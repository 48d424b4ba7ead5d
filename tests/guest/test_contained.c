/* SPDX-License-Identifier: MIT */
/* Guests that are served in a container: alike to use, and what serves them reaches nothing of the host. */
#include "contained_support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <virtiso/guest_calls.h>
#include <virtiso/guest_limits.h>

#include "guest/contained/message.h"

static viso_process *spawn(viso_guest *guest, viso_command *command)
{
	viso_process *process;
	assert_ok(viso_sandbox_spawn(viso_guest_sandbox(guest), command, &process));
	viso_command_unref(command);
	return process;
}

/* A command that sleeps, by which its server is found. */
static viso_command *new_sleeper(const char *input)
{
	viso_command *command = new_command("/probe", "sleep", "60000", NULL);
	set_input(command, input);
	return command;
}

static void test_runs_alike(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_guest *guest = contained(fixture);
	assert_exited(run_in(guest, new_command("/probe", "exit", "7", NULL)), 7);
	viso_result *result = NULL;
	viso_command *command = new_command("/absent", NULL);
	assert_int_equal(viso_sandbox_run(viso_guest_sandbox(guest), command, &result), -ENOENT);
	viso_process *process;
	assert_int_equal(viso_sandbox_spawn(viso_guest_sandbox(guest), command, &process), -ENOENT);
	viso_command_unref(command);
	viso_guest_unref(guest);
}

static void test_limits_and_signals(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_guest *guest = contained(fixture);
	viso_command *command = new_command("/probe", "loop", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 200));
	assert_reason(run_in(guest, command), VISO_REASON_TIMED_OUT);

	viso_process *process = spawn(guest, new_command("/probe", "loop", NULL));
	viso_result *result;
	assert_ok(viso_process_signal(process, SIGTERM));
	assert_ok(viso_process_wait(process, 20000, &result));
	assert_signalled(result, SIGTERM);
	viso_process_unref(process);

	process = spawn(guest, new_command("/probe", "loop", NULL));
	assert_ok(viso_process_kill(process));
	assert_ok(viso_process_wait(process, 20000, &result));
	assert_reason(result, VISO_REASON_KILLED);
	viso_process_unref(process);
	viso_guest_unref(guest);
}

static void test_what_needs_the_host_is_refused(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_guest *guest = contained(fixture);
	assert_fails(viso_guest_set_ring(guest, 10), EOPNOTSUPP, VISO_STAGE_ARGUMENT, "viso_guest_set_ring");
	viso_guest_unref(guest);

	guest = new_guest(fixture, 0);
	if (viso_guest_set_ring(guest, 10) == 0)
		assert_fails(viso_guest_set_placement(guest, VISO_PLACEMENT_CONTAINED), EOPNOTSUPP, VISO_STAGE_ARGUMENT,
			     "viso_guest_set_ring");
	viso_guest_unref(guest);
}

static viso_result *shell_in(viso_guest *guest, const char *line)
{
	return run_in(guest, new_command("busybox", "sh", "-c", line, NULL));
}

static char *make_directory(struct fixture *fixture, const char *name)
{
	char *path;
	assert_true(asprintf(&path, "%s/%s", fixture->base, name) > 0);
	assert_int_equal(mkdir(path, 0755), 0);
	return path;
}

static void test_binds_and_files(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	skip_without(access("/bin/busybox", X_OK) == 0, "busybox (Debian package busybox-static)");
	viso_guest *guest = contained(fixture);
	char *read_only = make_directory(fixture, "read-only"), *writable = make_directory(fixture, "writable");
	char *own = make_file(read_only, "own", "of its owner\n"),
	     *single = make_file(fixture->base, "single", "one\n");
	char *made, *text;
	assert_ok(viso_guest_add_bind(guest, read_only, "/r", 0));
	assert_ok(viso_guest_add_file(guest, "/etc/made", "made up\n", 8, 0444));
	assert_ok(viso_guest_add_bind(guest, writable, "/w", 1));
	assert_ok(viso_guest_add_bind(guest, single, "/single", 0));
	assert_output(shell_in(guest, "cat /r/own /single /etc/made && ! echo x >/r/x && ! echo x >/r/own"),
		      "of its owner\none\nmade up\n");
	assert_output(shell_in(guest, "mkdir /w/d && echo y >/w/d/e && mv /w/d/e /w/f && rmdir /w/d && cat /w/f"),
		      "y\n");
	/* What it has made belongs to the host program's user, and has no bit that would run it as that one. */
	assert_exited(shell_in(guest, "chmod 6755 /w/f"), 0);
	assert_true(asprintf(&made, "%s/f", writable) > 0);
	struct stat st;
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_true(asprintf(&text, "cat %s %s", made, own) > 0);
	char *output = host_output(text);
	assert_string_equal(output, "y\nof its owner\n");
	viso_guest_unref(guest);
	free(output);
	free(text);
	free(made);
	free(single);
	free(own);
	free(writable);
	free(read_only);
}

static void test_uppers(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	skip_without(access("/bin/busybox", X_OK) == 0, "busybox (Debian package busybox-static)");
	char *upper = make_directory(fixture, "upper");
	viso_guest *guest = contained(fixture);
	assert_ok(viso_guest_set_upper_discarded(guest, 1 << 20));
	assert_output(
		shell_in(guest, "echo new >/fruit && rm /table && cat /fruit && ls /table 2>/dev/null || echo gone"),
		"new\ngone\n");
	assert_output(shell_in(guest, "head -c 3000000 /dev/zero >/too-much 2>/dev/null || head -n 1 /fruit"),
		      "pear\n");
	viso_guest_unref(guest);
	for (int i = 0; i < 2; i++) {
		guest = contained(fixture);
		assert_ok(viso_guest_set_upper_directory(guest, upper));
		assert_output(shell_in(guest, i ? "cat /fruit; ls /table 2>/dev/null || echo gone"
						: "echo kept >/fruit && rm /table && echo written"),
			      i ? "kept\ngone\n" : "written\n");
		viso_guest_unref(guest);
	}
	free(upper);
}

static long open_by(const struct victim *victim, long directory, const char *path)
{
	put_string(victim, path);
	return remote_call(victim->pid, &victim->regs, victim->text, SYS_openat, directory, (long)victim->stack,
			   O_RDONLY);
}

/* What a hostile one tries; `expected` is whether it succeeds. */
static void attack(const struct victim *victim, const char *secret, bool expected)
{
	long fd = open_by(victim, AT_FDCWD, secret);
	assert_int_equal(fd >= 0, expected);
	const int families[] = {AF_INET, AF_UNIX, AF_NETLINK};
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		assert_int_equal(remote_call(victim->pid, &victim->regs, victim->text, SYS_socket, families[i],
					     families[i] == AF_NETLINK ? SOCK_RAW : SOCK_STREAM, 0) >= 0,
				 expected);
	assert_int_equal(remote_call(victim->pid, &victim->regs, victim->text, SYS_kill, getpid(), 0, 0) == 0,
			 expected);
}

/* A process of the host's own, without a container around. */
static pid_t unguarded_process(void)
{
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			syscall(SYS_pause);
	assert_true(pid > 0);
	return pid;
}

static void test_a_process_that_misbehaves_reaches_nothing(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	skip_without(geteuid() == 0, "root, for ptrace(2) of the contained process");
	char *secret, *up, *input;
	assert_true(asprintf(&input, "%s/input", fixture->base) > 0);
	close(open(input, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	assert_true(asprintf(&secret, "%s/secret", fixture->base) > 0);
	assert_true(asprintf(&up, "/guest/../../../../../../..%s/secret", fixture->base) > 0);

	/* The attack works where there is no defence. */
	pid_t unguarded = unguarded_process();
	struct victim victim = seize(unguarded);
	attack(&victim, secret, true);
	kill(unguarded, SIGKILL);
	waitpid(unguarded, NULL, 0);

	viso_guest *guest = contained(fixture);
	viso_process *process = spawn(guest, new_sleeper(input));
	pid_t server = find_server(input);
	assert_true(server > 0);
	victim = seize(server);
	attack(&victim, secret, false);
	assert_true(open_by(&victim, AT_FDCWD, "/guest/fruit") >= 0);
	assert_true(open_by(&victim, AT_FDCWD, up) < 0);
	assert_true(open_by(&victim, AT_FDCWD, "/proc/1/root/etc/passwd") < 0);
	/* Every directory that it was handed leads nowhere either. */
	char *relative;
	assert_true(asprintf(&relative, "../../../../../../../..%s/secret", fixture->base) > 0);
	for (long fd = 0; fd < 64; fd++)
		assert_true(open_by(&victim, fd, relative) < 0);
	put_string(&victim, "/viso-guest");
	assert_true(remote_call(server, &victim.regs, victim.text, SYS_execve, (long)victim.stack, 0, 0) < 0);
	assert_true(remote_call(server, &victim.regs, victim.text, SYS_clone, SIGCHLD, 0, 0) < 0);

	/* An answer that is none: the host says so, and is none the worse. */
	put_string(&victim, "a result that is none");
	assert_int_equal(remote_call(server, &victim.regs, victim.text, SYS_write, 3, (long)victim.stack, 21), 21);
	struct user_regs_struct regs = victim.regs;
	regs.rip = victim.text;
	regs.rax = SYS_exit_group;
	regs.orig_rax = (unsigned long)-1;
	regs.rdi = 0;
	assert_int_equal(ptrace(PTRACE_SETREGS, server, NULL, &regs), 0);
	assert_int_equal(ptrace(PTRACE_DETACH, server, NULL, NULL), 0);
	viso_result *result;
	assert_ok(viso_process_wait(process, 10000, &result));
	assert_reason(result, VISO_REASON_GUEST_FAULT);
	viso_process_unref(process);
	viso_guest_unref(guest);
	free(input);
	free(relative);
	free(secret);
	free(up);
}

/* A file that is made with these bits, by all that makes files; whether one of the calls has made one that has them. */
static bool makes_file(const struct victim *victim, const char *host_directory, mode_t mode)
{
	static const long calls[] = {SYS_open, SYS_openat, SYS_openat2, SYS_creat, SYS_mkdirat};
	const long flags = O_WRONLY | O_CREAT | O_EXCL;
	const struct open_how how = {.flags = (uint64_t)flags, .mode = mode};
	char *path;
	bool made = false;
	assert_true(asprintf(&path, "%s/made", host_directory) > 0);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct victim at = *victim;
		struct stat st;
		put_string(&at, "/binds/0/made");
		at.stack -= 64;
		put_bytes(&at, &how, sizeof(how));
		const long arguments[][4] = {
			{(long)victim->stack, flags, mode, 0},
			{AT_FDCWD, (long)victim->stack, flags, mode},
			{AT_FDCWD, (long)victim->stack, (long)at.stack, sizeof(how)},
			{(long)victim->stack, mode, 0, 0},
			{AT_FDCWD, (long)victim->stack, mode, 0},
		};
		const long *args = arguments[i];
		remote_call4(at.pid, &at.regs, at.text, calls[i], args[0], args[1], args[2], args[3]);
		made = made || (stat(path, &st) == 0 && (st.st_mode & mode) == mode);
		remove(path);
	}
	free(path);
	return made;
}

/* What a guest may change it may change alone: no other file, and nothing that would run as the host's user. */
static void test_a_process_that_misbehaves_with_a_bind(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	skip_without(geteuid() == 0, "root, for ptrace(2) of the contained process");
	char *bound = make_directory(fixture, "bound"), *input = make_file(fixture->base, "bound-input", "");
	char *file = make_file(bound, "file", "text"), *up;
	const char *own = "/binds/0/file";
	viso_guest *guest = contained(fixture);
	assert_ok(viso_guest_add_bind(guest, bound, "/b", 1));
	assert_ok(viso_guest_add_bind(guest, bound, "/r", 0));
	viso_process *process = spawn(guest, new_sleeper(input));
	pid_t server = find_server(input);
	assert_true(server > 0);
	struct victim victim = seize(server);
	assert_true(asprintf(&up, "../../../../../../../..%s/secret", fixture->base) > 0);
	for (long fd = 0; fd < 64; fd++)
		assert_true(open_by(&victim, fd, up) < 0);
	/* The call that makes the bit is effective but for the bit. */
	put_string(&victim, own);
	assert_int_equal(remote_call(server, &victim.regs, victim.text, SYS_chmod, (long)victim.stack, 0755, 0), 0);
	put_string(&victim, own);
	assert_true(remote_call(server, &victim.regs, victim.text, SYS_chmod, (long)victim.stack, 04755, 0) < 0);
	assert_true(makes_file(&victim, bound, 0755));
	assert_false(makes_file(&victim, bound, 04755));
	assert_false(makes_file(&victim, bound, 02755));
	put_string(&victim, own);
	assert_true(remote_call(server, &victim.regs, victim.text, SYS_chown, (long)victim.stack, 1, 1) < 0);
	put_string(&victim, "/binds/1/file");
	assert_int_equal(remote_call(server, &victim.regs, victim.text, SYS_chmod, (long)victim.stack, 0700, 0),
			 -EROFS);
	put_string(&victim, "/guest/fruit");
	assert_int_equal(remote_call(server, &victim.regs, victim.text, SYS_chmod, (long)victim.stack, 0700, 0),
			 -EROFS);
	put_string(&victim, "/binds/0/file");
	long fd = remote_call(server, &victim.regs, victim.text, SYS_open, (long)victim.stack, O_RDWR, 0);
	assert_true(fd >= 0);
	struct stat st;
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(ptrace(PTRACE_DETACH, server, NULL, NULL), 0);
	viso_process_unref(process);
	viso_guest_unref(guest);
	free(up);
	free(file);
	free(input);
	free(bound);
}

enum { DEFERRED = 5, QUEUED = 6, OTHER = 7 };

/* A guest whose server asks the host for all that there is. */
static viso_guest *asking(struct fixture *fixture, viso_hypercall_fn handler, void *userdata)
{
	viso_guest *guest = contained(fixture);
	char *core;
	assert_true(asprintf(&core, "%s/core-of-contained", fixture->base) > 0);
	assert_ok(viso_guest_set_core_path(guest, core));
	assert_ok(viso_guest_queue_hypercall(guest, QUEUED));
	assert_ok(viso_guest_set_hypercall_handler(guest, DEFERRED, handler, userdata, NULL));
	free(core);
	return guest;
}

/* Starts a program that waits in a hypercall, so that its server, found by its input, is not saying anything. */
static viso_process *spawn_asker(viso_guest *guest, const char *input, pid_t *out_server, viso_hypercall **out)
{
	viso_command *command = new_command("/asker", "ask", "6", NULL);
	set_input(command, input);
	viso_process *process = spawn(guest, command);
	assert_ok(viso_guest_next_hypercall(guest, 10000, out));
	*out_server = find_server(input);
	assert_true(*out_server > 0);
	return process;
}

/* The same, where it may be the last that it does. */
static void say_at_last(const struct victim *victim, int fd, const void *data, size_t size)
{
	struct user_regs_struct regs = victim->regs;
	put_bytes(victim, data, size);
	regs.rip = victim->text;
	regs.rax = SYS_write;
	regs.orig_rax = (unsigned long)-1;
	regs.rdi = (unsigned long)fd;
	regs.rsi = victim->stack;
	regs.rdx = size;
	assert_int_equal(ptrace(PTRACE_SETREGS, victim->pid, NULL, &regs), 0);
	assert_int_equal(ptrace(PTRACE_DETACH, victim->pid, NULL, NULL), 0);
}

static void assert_lie_ends(struct fixture *fixture, const struct contained_event *event, const char *data)
{
	char *input = make_file(fixture->base, "lying-input", "");
	viso_guest *guest = asking(fixture, NULL, NULL);
	pid_t server;
	viso_hypercall *hypercall;
	viso_process *process = spawn_asker(guest, input, &server, &hypercall);
	struct victim victim = seize(server);
	char message[512];
	memcpy(message, event, sizeof(*event));
	memcpy(message + sizeof(*event), data, event->size);
	say_at_last(&victim, CONTAINED_SOCKET, message, sizeof(*event) + event->size);
	viso_result *result;
	assert_ok(viso_process_wait(process, 10000, &result));
	assert_reason(result, VISO_REASON_GUEST_FAULT);
	viso_hypercall_unref(hypercall);
	viso_process_unref(process);
	viso_guest_unref(guest);
	unlink(input);
	free(input);
}

static void test_lies_end_the_guest(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	skip_without(geteuid() == 0, "root, for ptrace(2) of the contained process");
	static const struct {
		struct contained_event event;
		const char *data;
	} lies[] = {
		{{.kind = EVENT_CORE_DATA, .size = 4}, "none"},
		{{.kind = EVENT_CONNECT, .size = 8}, "tcp:host"},
		{{.kind = EVENT_CONNECT, .size = 21}, "tcp:192.0.2.1:99999\0"},
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct contained_event event = lies[i].event;
		event.magic = CONTAINED_EVENT_MAGIC;
		assert_lie_ends(fixture, &event, lies[i].data);
	}
}

/* A core file of one whose program has not crashed: no more than a guest has memory, and it is gone with the guest. */
static void test_a_core_that_is_none(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	skip_without(geteuid() == 0, "root, for ptrace(2) of the contained process");
	char *input = make_file(fixture->base, "core-input", ""), *core;
	assert_true(asprintf(&core, "%s/core-of-contained", fixture->base) > 0);
	viso_guest *guest = asking(fixture, NULL, NULL);
	pid_t server;
	viso_hypercall *hypercall;
	viso_process *process = spawn_asker(guest, input, &server, &hypercall);
	struct victim victim = seize(server);
	struct contained_event event = {.magic = CONTAINED_EVENT_MAGIC, .kind = EVENT_CORE_OPEN};
	assert_int_equal(say(&victim, CONTAINED_SOCKET, &event, sizeof(event)), sizeof(event));
	await_that(access(core, F_OK) == 0);
	assert_int_equal(ptrace(PTRACE_DETACH, server, NULL, NULL), 0);
	assert_ok(viso_process_kill(process));
	viso_result *result;
	assert_ok(viso_process_wait(process, 10000, &result));
	assert_reason(result, VISO_REASON_KILLED);
	assert_int_equal(access(core, F_OK), -1);
	viso_hypercall_unref(hypercall);
	viso_process_unref(process);
	viso_guest_unref(guest);
	free(core);
	free(input);
}

/* What it answers to a request is not believed, and it is asked no more. */
static void test_false_answers(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	skip_without(geteuid() == 0, "root, for ptrace(2) of the contained process");
	char *input = make_file(fixture->base, "false-input", ""), buffer[64];
	viso_guest *guest = asking(fixture, NULL, NULL);
	pid_t server;
	viso_hypercall *hypercall;
	viso_process *process = spawn_asker(guest, input, &server, &hypercall);
	struct victim victim = seize(server);
	const struct contained_response response = {.serial = 77, .size = 1u << 31};
	assert_int_equal(say(&victim, CONTAINED_CONTROL, &response, sizeof(response)), sizeof(response));
	assert_fails(viso_hypercall_read(hypercall, 0x400000, buffer, sizeof(buffer)), ESRCH, VISO_STAGE_GUEST,
		     "viso_hypercall_read");
	assert_fails(viso_hypercall_answer(hypercall, 0), ESRCH, VISO_STAGE_GUEST, "viso_hypercall_answer");
	/* A hypercall that the guest has not made, and events without end. */
	struct contained_event event = {.magic = CONTAINED_EVENT_MAGIC, .kind = EVENT_GONE};
	for (int i = 0; i < 300; i++)
		assert_int_equal(say(&victim, CONTAINED_SOCKET, &event, sizeof(event)), sizeof(event));
	assert_int_equal(ptrace(PTRACE_DETACH, server, NULL, NULL), 0);
	assert_ok(viso_process_kill(process));
	viso_result *result;
	assert_ok(viso_process_wait(process, 10000, &result));
	assert_reason(result, VISO_REASON_KILLED);
	viso_hypercall_unref(hypercall);
	viso_process_unref(process);
	viso_guest_unref(guest);
	free(input);
}

static int64_t read_for_long(viso_hypercall *hypercall, void *userdata)
{
	char buffer[4096];
	int *pipe_end = userdata;
	int64_t started = 1;
	int r = write(pipe_end[1], &started, sizeof(started)) < 0 ? -EIO : 0;
	for (int i = 0; r == 0 && i < 1000; i++, usleep(10000))
		r = viso_hypercall_read(hypercall, 0, buffer, 0);
	return r < 0 && write(pipe_end[1], &(int64_t){r}, sizeof(int64_t)) < 0 ? -EIO : 0;
}

/* A process that does not go on: its time ends it, and with it whatever waits for its answers. */
static void test_no_answer(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	char *input = make_file(fixture->base, "mute-input", "");
	int ends[2];
	int64_t told;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	viso_guest *guest = asking(fixture, read_for_long, ends);
	viso_command *command = new_command("/asker", "ask", "5", NULL);
	set_input(command, input);
	/* For a process that starts, asks, and is found by then. */
	assert_ok(viso_command_set_timeout_ms(command, 5000));
	viso_process *process = spawn(guest, command);
	assert_int_equal(read(ends[0], &told, sizeof(told)), sizeof(told));
	pid_t server = find_server(input);
	assert_true(server > 0);
	skip_without(kill(server, SIGSTOP) == 0, "the right to stop the contained process");
	assert_int_equal(read(ends[0], &told, sizeof(told)), sizeof(told));
	assert_int_equal(told, -ESRCH);
	viso_result *result;
	assert_ok(viso_process_wait(process, 10000, &result));
	assert_reason(result, VISO_REASON_TIMED_OUT);
	viso_process_unref(process);
	viso_guest_unref(guest);
	close(ends[0]);
	close(ends[1]);
	free(input);
}

static int64_t give_guest_back(viso_hypercall *hypercall, void *userdata)
{
	viso_guest **guest = userdata;
	if (viso_sandbox_close(viso_guest_sandbox(*guest)) != -EDEADLK)
		return -EPROTO;
	*guest = viso_guest_unref(*guest);
	return 0;
}

static void count_destroy(void *userdata)
{
	++*(int *)userdata;
}

/* The last reference of the guest is a handler's to give: the program ends with it. */
static void test_a_handler_ends_the_guest(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	int destroyed = 0;
	viso_guest *guest = asking(fixture, NULL, NULL);
	assert_ok(viso_guest_set_hypercall_handler(guest, DEFERRED, give_guest_back, &guest, NULL));
	assert_ok(viso_guest_set_hypercall_handler(guest, OTHER, give_guest_back, &destroyed, count_destroy));
	viso_command *command = new_command("/asker", "ask", "5", NULL);
	viso_result *result;
	assert_ok(viso_sandbox_run(viso_guest_sandbox(guest), command, &result));
	viso_command_unref(command);
	assert_reason(result, VISO_REASON_KILLED);
	assert_null(guest);
	assert_int_equal(destroyed, 1);
}

/* In a forked child nothing of it is left with the handles, and the guest goes on. */
static void test_fork(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_result_unref(run_in(fixture->guest, new_command("/probe", "exit", "0", NULL)));
	int fds = support_count_fds(), status;
	char *input = make_file(fixture->base, "fork-input", "");
	viso_guest *guest = asking(fixture, NULL, NULL);
	pid_t server;
	viso_hypercall *hypercall;
	viso_process *process = spawn_asker(guest, input, &server, &hypercall);
	pid_t pid = fork();
	if (pid == 0) {
		int r = viso_hypercall_answer(hypercall, 1);
		viso_hypercall_unref(hypercall);
		viso_process_unref(process);
		viso_guest_unref(guest);
		_exit(r != -ECHILD ? 1 : support_count_fds() > fds ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_ok(viso_hypercall_answer(hypercall, 7));
	viso_hypercall_unref(hypercall);
	viso_result *result;
	assert_ok(viso_process_wait(process, 10000, &result));
	assert_exited(result, 0);
	viso_process_unref(process);
	viso_guest_unref(guest);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(support_count_fds(), fds);
	free(input);
}

/* A host program that is killed leaves nothing. */
static void test_ends_with_the_host(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	int ready[2];
	char *input;
	assert_true(asprintf(&input, "%s/other-input", fixture->base) > 0);
	close(open(input, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t host = fork();
	if (host == 0) {
		/* Handles of the parent are not ours. */
		viso_root *root = viso_root_new();
		viso_guest *guest = viso_guest_new();
		viso_process *process;
		if (viso_root_use_directory(root, fixture->root_path) < 0 || viso_guest_set_root(guest, root) < 0 ||
		    viso_guest_set_placement(guest, VISO_PLACEMENT_CONTAINED) < 0 ||
		    viso_sandbox_spawn(viso_guest_sandbox(guest), new_sleeper(input), &process) < 0)
			_exit(1);
		pid_t server = find_server(input);
		if (write(ready[1], &server, sizeof(server)) != sizeof(server))
			_exit(1);
		for (;;)
			pause();
	}
	pid_t server = 0;
	close(ready[1]);
	assert_int_equal(read(ready[0], &server, sizeof(server)), sizeof(server));
	close(ready[0]);
	assert_true(server > 0 && is_server(server));
	kill(host, SIGKILL);
	waitpid(host, NULL, 0);
	await_that(!is_server(server));
	free(input);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_alike),
		cmocka_unit_test(test_limits_and_signals),
		cmocka_unit_test(test_what_needs_the_host_is_refused),
		cmocka_unit_test(test_binds_and_files),
		cmocka_unit_test(test_uppers),
		cmocka_unit_test(test_a_process_that_misbehaves_reaches_nothing),
		cmocka_unit_test(test_a_process_that_misbehaves_with_a_bind),
		cmocka_unit_test(test_lies_end_the_guest),
		cmocka_unit_test(test_a_core_that_is_none),
		cmocka_unit_test(test_false_answers),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_a_handler_ends_the_guest),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_ends_with_the_host),
	};
	return cmocka_run_group_tests_name("contained guests", tests, fixture_setup, fixture_teardown);
}
