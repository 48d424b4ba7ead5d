/* SPDX-License-Identifier: MIT */
/* Programs that run at certain moments of a container's life. */
#include "box.h"
#include "tree.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A directory of the host to which hooks write. */
static char *notes;

static int make_notes(void **state)
{
	notes = support_temporary_directory();
	chmod(notes, 0777);
	return 0;
}

static int remove_notes(void **state)
{
	support_remove_tree(notes);
	free(notes);
	return box_teardown(state);
}

/* A shell script as a hook, in which $notes is the directory of notes. */
static void add_hook(struct box *box, viso_hook when, const char *script, uint64_t timeout_ms)
{
	viso_command *command = viso_command_new("/bin/sh");
	assert_ok(viso_command_add_arg(command, "-c"));
	assert_ok(viso_command_add_arg(command, script));
	assert_ok(viso_command_set_env(command, "notes", notes));
	assert_ok(viso_command_set_timeout_ms(command, timeout_ms));
	assert_ok(viso_container_add_hook(box->container, when, command));
	viso_command_unref(command);
}

/* What a hook wrote, or "" where it did not. */
static const char *note(const char *name)
{
	static char text[4096];
	char *path = tree_path(notes, name);
	FILE *file = fopen(path, "re");
	text[file ? fread(text, 1, sizeof(text) - 1, file) : 0] = '\0';
	if (file)
		fclose(file);
	free(path);
	return text;
}

static void test_order(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	add_hook(box, VISO_HOOK_POSTSTOP, "umask 0; echo stop >> $notes/order", 0);
	add_hook(box, VISO_HOOK_POSTSTART, "umask 0; echo started >> $notes/order", 0);
	add_hook(box, VISO_HOOK_START_CONTAINER, "test -d /work && test ! -e $notes && cat > /tmp/state", 0);
	add_hook(box, VISO_HOOK_CREATE_CONTAINER, "umask 0; echo created >> $notes/order", 0);
	add_hook(box, VISO_HOOK_CREATE_RUNTIME, "umask 0; echo runtime >> $notes/order", 0);
	add_hook(box, VISO_HOOK_CREATE_RUNTIME, "umask 0; echo again >> $notes/order", 0);
	for (int i = 0; i < 2; i++) {
		assert_prints(box, shell("grep -o '\"status\":\"created\",\"pid\":1}' /tmp/state"),
			      "\"status\":\"created\",\"pid\":1}\n");
		assert_string_equal(note("order"), "runtime\nagain\ncreated\nstarted\nstop\n");
		char *path = tree_path(notes, "order");
		unlink(path);
		free(path);
	}
}

/* With the pid as the hook sees it, whose namespaces are the container's. */
static void test_state(void **state)
{
	struct box *box = box_open(state);
	add_hook(
		box, VISO_HOOK_CREATE_RUNTIME,
		"cat > $notes/state; pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/' $notes/state); "
		"for i in net mnt uts ipc pid; do test $(readlink /proc/$pid/ns/$i) != $(readlink /proc/self/ns/$i) || "
		"exit 1; done",
		0);
	assert_prints(box, shell("echo run"), "run\n");
	const char *text = note("state");
	assert_non_null(strstr(text, "{\"ociVersion\":\"1.1.0\",\"id\":\"viso-"));
	assert_non_null(strstr(text, "\"status\":\"creating\",\"pid\":"));
}

static void assert_hook_fails(struct box *box, int error, const char *object, const char *message)
{
	char found[512];
	viso_process *process = NULL;
	viso_command *command = shell("echo run");
	assert_fails(viso_sandbox_spawn(box->sandbox, command, &process), error, VISO_STAGE_HOOK, object);
	snprintf(found, sizeof(found), "%s", viso_error_message());
	if (!strstr(found, message))
		print_message("%s\n", found);
	assert_non_null(strstr(found, message));
	viso_command_unref(command);
	assert_start_fails(box, shell("echo run"), error, VISO_STAGE_HOOK, object);
}

static void test_failure_ends_the_start(void **state)
{
	static const viso_hook before[] = {VISO_HOOK_CREATE_RUNTIME, VISO_HOOK_CREATE_CONTAINER,
					   VISO_HOOK_START_CONTAINER};
	viso_isolation strength = box_open(state)->strength;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		struct box *box = box_new(strength, box_tree());
		add_hook(box, before[i], "exit 7", 0);
		add_hook(box, VISO_HOOK_POSTSTOP, "echo stop >> $notes/stop", 0);
		assert_hook_fails(box, ECANCELED, "/bin/sh", "exited with 7");
		assert_string_equal(note("stop"), "stop\nstop\nstop\n");
		char *path = tree_path(notes, "stop");
		unlink(path);
		free(path);
		box_close(box);
	}
}

static void test_missing_program(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = viso_command_new("/nowhere/hook");
	assert_ok(viso_container_add_hook(box->container, VISO_HOOK_CREATE_RUNTIME, command));
	viso_command_unref(command);
	assert_hook_fails(box, ENOENT, "/nowhere/hook", "hook");
}

static void test_missing_program_in_the_container(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = viso_command_new("/nowhere/hook");
	assert_ok(viso_container_add_hook(box->container, VISO_HOOK_START_CONTAINER, command));
	viso_command_unref(command);
	assert_hook_fails(box, ENOENT, "/nowhere/hook", "hook");
}

/* One that would never end, with a child of its own that holds on to nothing of it. */
static void test_time_limit(void **state)
{
	static const viso_hook before[] = {VISO_HOOK_CREATE_RUNTIME, VISO_HOOK_CREATE_CONTAINER,
					   VISO_HOOK_START_CONTAINER};
	viso_isolation strength = box_open(state)->strength;
	char script[64], search[64];
	/* A number that no other test on this machine has. */
	snprintf(script, sizeof(script), "sleep 4711%d & sleep 4711%d", getpid(), getpid());
	snprintf(search, sizeof(search), "pgrep -f '^sleep 4711%d$' >/dev/null", getpid());
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		struct box *box = box_new(strength, box_tree());
		add_hook(box, before[i], script, 100);
		assert_hook_fails(box, ETIMEDOUT, "/bin/sh", "time limit");
		box_close(box);
		await_that(system(search) != 0);
	}
}

/* What it leaves running is neither the program's nor anybody else's. */
static void test_leftovers(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	add_hook(box, VISO_HOOK_CREATE_RUNTIME, "setsid sleep 4712 & echo $! > $notes/pid", 0);
	add_hook(box, VISO_HOOK_START_CONTAINER, "setsid sleep 4712 & exit 0", 0);
	assert_prints(box, shell("ps -o args | grep -c '[s]leep 4712'; true"), "0\n");
	assert_int_equal(kill(atoi(note("pid")), 0), -1);
}

/* No descriptor of ours, a clean environment, the null device. */
static void test_what_a_hook_has(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	add_hook(box, VISO_HOOK_CREATE_RUNTIME, "ls /proc/self/fd > $notes/fds; env | sort > $notes/env", 0);
	add_hook(box, VISO_HOOK_CREATE_CONTAINER, "ls /proc/self/fd | wc -l > $notes/inner", 0);
	assert_prints(box, shell("echo run"), "run\n");
	assert_string_equal(note("fds"), "0\n1\n2\n3\n");
	assert_non_null(strstr(note("env"), "LANG=C.UTF-8\n"));
	assert_null(strstr(note("env"), "TMPDIR"));
	assert_string_equal(note("inner"), "4\n"); /* that of the directory as well */
}

/* In the container it is as confined as the program. */
static void test_confinement(void **state)
{
	struct box *box = box_open(state);
	add_hook(box, VISO_HOOK_START_CONTAINER, "grep -E 'CapBnd|NoNewPrivs|^Seccomp:' /proc/self/status > /tmp/x", 0);
	assert_prints(box, shell("cat /tmp/x"), "CapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n");
}

/* Hooks of the host in the container have its root's rights, and leave none of them to the program. */
static void test_rights_of_the_program(void **state)
{
	struct box *box = box_open(state);
	add_hook(box, VISO_HOOK_CREATE_CONTAINER, "grep CapBnd /proc/self/status | grep -qv 0000000000000000", 0);
	assert_prints(box, shell("grep -E 'CapBnd|CapPrm' /proc/self/status"),
		      "CapPrm:\t0000000000000000\nCapBnd:\t0000000000000000\n");
}

/* The host program is killed while a hook runs: the hook goes with it. */
static void test_death_of_the_host(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	pid_t host = fork();
	if (host == 0) {
		viso_command *command = shell("echo run");
		viso_result *result = NULL;
		/* A handle is not for a fork: one more. */
		box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
		add_hook(box, VISO_HOOK_CREATE_RUNTIME, "echo $$ > $notes/new; mv $notes/new $notes/pid; sleep 1000",
			 0);
		_exit(viso_sandbox_run(box->sandbox, command, &result) == 0);
	}
	while (!*note("pid"))
		usleep(1000);
	assert_int_equal(kill(host, SIGKILL), 0);
	waitpid(host, NULL, 0);
	/* Fails by the test's time limit. */
	while (kill(atoi(note("pid")), 0) == 0)
		usleep(1000);
}

static char logged[512];

static void take_log(viso_log_level level, const char *message, void *userdata)
{
	if (strstr(message, "hook"))
		snprintf(logged, sizeof(logged), "%s", message);
}

static void test_late_failures_are_logged(void **state)
{
	static const viso_hook late[] = {VISO_HOOK_POSTSTART, VISO_HOOK_POSTSTOP};
	viso_isolation strength = box_open(state)->strength;
	assert_ok(viso_log_set_handler(VISO_LOG_WARNING, take_log, NULL, NULL));
	for (int i = 0; i < 2; i++) {
		struct box *box = box_new(strength, box_tree());
		logged[0] = '\0';
		add_hook(box, late[i], "exit 9", 0);
		assert_prints(box, shell("echo run"), "run\n");
		assert_non_null(strstr(logged, "exited with 9"));
		box_close(box);
	}
	assert_ok(viso_log_set_handler(VISO_LOG_WARNING, NULL, NULL, NULL));
}

/* Once for all commands. */
static void test_instance(void **state)
{
	struct box *box = box_open(state);
	add_hook(box, VISO_HOOK_CREATE_RUNTIME, "echo runtime >> $notes/instance", 0);
	add_hook(box, VISO_HOOK_START_CONTAINER, "echo inside > /tmp/inside", 0);
	add_hook(box, VISO_HOOK_POSTSTART, "echo started >> $notes/instance", 0);
	add_hook(box, VISO_HOOK_POSTSTOP, "echo stop >> $notes/instance", 0);
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_string_equal(note("instance"), "runtime\nstarted\n");
	assert_prints(box, shell("cat /tmp/inside"), "inside\n");
	assert_prints(box, shell("cat /tmp/inside"), "inside\n");
	assert_ok(viso_sandbox_close(box->sandbox));
	assert_string_equal(note("instance"), "runtime\nstarted\nstop\n");
}

static void test_failure_ends_the_instance(void **state)
{
	struct box *box = box_open(state);
	add_hook(box, VISO_HOOK_START_CONTAINER, "exit 3", 0);
	assert_fails(viso_sandbox_start(box->sandbox), ECANCELED, VISO_STAGE_HOOK, "/bin/sh");
	assert_non_null(strstr(viso_error_message(), "exited with 3"));
}

static void test_arguments(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = viso_command_new("relative");
	assert_fails(viso_container_add_hook(NULL, VISO_HOOK_POSTSTOP, command), EINVAL, VISO_STAGE_ARGUMENT,
		     "add_hook");
	assert_fails(viso_container_add_hook(box->container, VISO_HOOK_POSTSTOP, NULL), EINVAL, VISO_STAGE_ARGUMENT,
		     "add_hook");
	assert_fails(viso_container_add_hook(box->container, VISO_HOOK_POSTSTOP, command), EINVAL, VISO_STAGE_ARGUMENT,
		     "add_hook");
	viso_command_unref(command);
	command = viso_command_new("/bin/true");
	assert_fails(viso_container_add_hook(box->container, (viso_hook)0, command), EINVAL, VISO_STAGE_ARGUMENT,
		     "add_hook");
	assert_fails(viso_container_add_hook(box->container, (viso_hook)6, command), EINVAL, VISO_STAGE_ARGUMENT,
		     "add_hook");
	assert_ok(viso_command_set_terminal(command, 80, 25));
	assert_fails(viso_container_add_hook(box->container, VISO_HOOK_POSTSTOP, command), EINVAL, VISO_STAGE_ARGUMENT,
		     "add_hook");
	viso_command_unref(command);
}

#define WITH_NOTES(function)                                                                                           \
	{                                                                                                              \
#function, function, make_notes, remove_notes, (void *)(intptr_t)VISO_ISOLATION_CONTAINER              \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_NOTES(test_order),
		WITH_NOTES(test_state),
		WITH_NOTES(test_failure_ends_the_start),
		WITH_NOTES(test_missing_program),
		WITH_NOTES(test_missing_program_in_the_container),
		WITH_NOTES(test_time_limit),
		WITH_NOTES(test_leftovers),
		WITH_NOTES(test_what_a_hook_has),
		WITH_NOTES(test_confinement),
		WITH_NOTES(test_rights_of_the_program),
		WITH_NOTES(test_death_of_the_host),
		WITH_NOTES(test_late_failures_are_logged),
		WITH_NOTES(test_instance),
		WITH_NOTES(test_failure_ends_the_instance),
		WITH_NOTES(test_arguments),
	};
	return cmocka_run_group_tests_name("hooks", tests, NULL, box_group_teardown);
}
