/* SPDX-License-Identifier: MIT */
/* Guests that stay in a container: what serves them may end, be mute or lie. test_calls.c has what else they do. */
#include "contained_support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <virtiso/guest_calls.h>
#include <virtiso/guest_limits.h>

#include "guest/contained/message.h"

/* One that waits for calls, and what serves it. */
struct ready {
	viso_guest *guest;
	char *input;
	pid_t server;
};

static struct ready make_ready(struct fixture *fixture, viso_guest *guest)
{
	struct ready ready = {.guest = guest, .input = make_file(fixture->base, "ready-input", "")};
	viso_command *command = new_command("/callee", "ready", NULL);
	set_input(command, ready.input);
	initialise(guest, command);
	ready.server = find_server(ready.input);
	assert_true(ready.server > 0);
	return ready;
}

static void release(struct ready *ready)
{
	viso_guest_unref(ready->guest);
	unlink(ready->input);
	free(ready->input);
}

static void assert_poisoned(viso_guest *guest, viso_reason reason)
{
	viso_result *result;
	assert_fails(viso_guest_call(guest, "count", NULL, 0, 1000, NULL), EIO, VISO_STAGE_GUEST, "viso_guest_call");
	assert_ok(viso_guest_last_result(guest, &result));
	assert_reason(result, reason);
}

static void *initialise_in_thread(void *data)
{
	return initialise(data, new_command("/callee", "ready", NULL));
}

/* The thread that has initialised it may end: the guest stays all the same. */
static void test_outlives_its_thread(void **state)
{
	need_kvm();
	pthread_t thread;
	viso_guest *guest = contained(*state);
	assert_int_equal(pthread_create(&thread, NULL, initialise_in_thread, guest), 0);
	pthread_join(thread, NULL);
	for (uint64_t n = 1; n < 20; n++)
		assert_int_equal(call(guest, "count", 0), n);
	viso_guest_unref(guest);
}

static uint64_t count_of(viso_guest *guest, int wanted)
{
	int numbers[512];
	uint64_t counts[512], found = 0;
	int n = viso_guest_syscalls(guest, 0, numbers, counts, 512);
	assert_true(n >= 0);
	for (int i = 0; i < n; i++)
		found += numbers[i] == wanted ? counts[i] : 0;
	return found;
}

static void test_counts_and_output(void **state)
{
	need_kvm();
	viso_guest *guest = contained(*state);
	viso_command *command = new_command("/bin/busybox", "sh", "-c",
					    "echo one; read -r line </dev/virtiso; echo $line; exit 3", NULL);
	skip_without(access("/bin/busybox", X_OK) == 0, "busybox (Debian package busybox-static)");
	initialise(guest, command);
	uint64_t reads = count_of(guest, SYS_read), writes = count_of(guest, SYS_write);
	assert_true(writes >= 1);
	assert_fails(viso_guest_request(guest, "two\n", 4, NULL, 0, 20000), ESRCH, VISO_STAGE_GUEST,
		     "viso_guest_request");
	assert_true(count_of(guest, SYS_read) > reads);
	assert_true(count_of(guest, SYS_write) > writes);
	viso_result *result;
	assert_ok(viso_guest_last_result(guest, &result));
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "one\ntwo\n");
	assert_exited(result, 3);
	viso_guest_unref(guest);
}

static void test_core_files(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	char *core;
	assert_true(asprintf(&core, "%s/core-of-call", fixture->base) > 0);
	viso_guest *guest = contained(fixture);
	assert_ok(viso_guest_set_core_path(guest, core));
	initialise(guest, new_command("/callee", "ready", NULL));
	assert_int_equal(call(guest, "count", 0), 1);
	assert_int_equal(access(core, F_OK), -1);
	assert_fails(viso_guest_call(guest, "crash", NULL, 0, 20000, NULL), EFAULT, VISO_STAGE_GUEST,
		     "viso_guest_call");
	assert_int_equal(access(core, F_OK), 0);
	assert_poisoned(guest, VISO_REASON_SIGNALLED);
	viso_guest_unref(guest);
	unlink(core);
	free(core);
}

/* A hypercall that nobody has taken is gone with its program. */
static void test_the_queue(void **state)
{
	enum { QUEUED = 6 };
	need_kvm();
	viso_guest *guest = contained(*state);
	assert_ok(viso_guest_queue_hypercall(guest, QUEUED));
	initialise(guest, new_command("/asker", "ready", NULL));
	const uint64_t args[2] = {QUEUED};
	viso_hypercall *hypercall;
	assert_fails(viso_guest_call(guest, "ask_in_call", args, 2, 50, NULL), ETIMEDOUT, VISO_STAGE_GUEST,
		     "viso_guest_call");
	assert_fails(viso_guest_next_hypercall(guest, 0, &hypercall), ETIMEDOUT, VISO_STAGE_GUEST, "");
	viso_guest_unref(guest);
}

static void test_a_process_that_ends(void **state)
{
	need_kvm();
	struct ready ready = make_ready(*state, contained(*state));
	assert_int_equal(call(ready.guest, "count", 0), 1);
	skip_without(kill(ready.server, SIGKILL) == 0, "the right to kill the contained process");
	assert_fails(viso_guest_call(ready.guest, "count", NULL, 0, -1, NULL), EFAULT, VISO_STAGE_GUEST,
		     "viso_guest_call");
	assert_poisoned(ready.guest, VISO_REASON_GUEST_FAULT);
	release(&ready);
	/* Nobody has noticed it. */
	ready = make_ready(*state, contained(*state));
	assert_int_equal(kill(ready.server, SIGKILL), 0);
	release(&ready);
}

static void *call_for_ever(void *data)
{
	int *result = malloc(sizeof(*result));
	do
		*result = viso_guest_call(data, "count", NULL, 0, -1, NULL);
	while (*result == -EBUSY);
	return result;
}

/* It takes no call, and gives no answer: the call ends in its time, or by another thread. */
static void test_a_process_that_is_mute(void **state)
{
	need_kvm();
	struct ready ready = make_ready(*state, contained(*state));
	skip_without(kill(ready.server, SIGSTOP) == 0, "the right to stop the contained process");
	assert_fails(viso_guest_call(ready.guest, "count", NULL, 0, 50, NULL), ETIMEDOUT, VISO_STAGE_GUEST,
		     "viso_guest_call");
	assert_poisoned(ready.guest, VISO_REASON_TIMED_OUT);
	release(&ready);

	/* More than a socket holds. */
	enum { LARGE = 16 << 20 };
	uint8_t *bytes = calloc(1, LARGE);
	ready = make_ready(*state, contained(*state));
	assert_int_equal(kill(ready.server, SIGSTOP), 0);
	assert_int_equal(viso_guest_call_bytes(ready.guest, "reverse", bytes, LARGE, bytes, LARGE, 50), -ETIMEDOUT);
	assert_poisoned(ready.guest, VISO_REASON_TIMED_OUT);
	release(&ready);
	free(bytes);

	ready = make_ready(*state, contained(*state));
	assert_int_equal(kill(ready.server, SIGSTOP), 0);
	pthread_t thread;
	void *result;
	assert_int_equal(pthread_create(&thread, NULL, call_for_ever, ready.guest), 0);
	while (viso_guest_cancel(ready.guest) == 0)
		support_pause();
	pthread_join(thread, &result);
	assert_int_equal(*(int *)result, -ECANCELED);
	free(result);
	assert_poisoned(ready.guest, VISO_REASON_KILLED);
	release(&ready);
}

/* Says something in the place of what serves the guest, before its next call. */
static void lie(const struct ready *ready, const struct contained_return *returned, const void *data, size_t size)
{
	struct victim victim = seize_in(ready->server, SYS_recvmsg);
	/* Beyond what it has on its stack. */
	victim.stack = (victim.regs.rsp - 65536) & ~0xfull;
	assert_int_equal(say(&victim, CONTAINED_SOCKET, returned, sizeof(*returned)), sizeof(*returned));
	if (size)
		assert_int_equal(say(&victim, CONTAINED_SOCKET, data, size), size);
	release_victim(&victim);
}

/* What is said so is heard: a return of the first call. */
static void test_the_attack_is_effective(void **state)
{
	need_kvm();
	skip_without(geteuid() == 0, "root, for ptrace(2) of the contained process");
	const struct contained_return said = {.magic = CONTAINED_RETURN_MAGIC, .serial = 1, .value = 4711};
	const struct contained_return bytes = {.magic = CONTAINED_RETURN_MAGIC, .serial = 1, .value = 4};
	char out[8] = "-------";
	struct ready ready = make_ready(*state, contained(*state));
	lie(&ready, &said, NULL, 0);
	assert_int_equal(call(ready.guest, "count", 0), 4711);
	release(&ready);
	ready = make_ready(*state, contained(*state));
	lie(&ready, &bytes, "four", 4);
	assert_int_equal(viso_guest_call_bytes(ready.guest, "reverse", "abc", 3, out, sizeof(out), 20000), 4);
	assert_memory_equal(out, "four---", 7);
	/* The true answer came after it, and belongs to no call. */
	assert_int_equal(viso_guest_call_bytes(ready.guest, "reverse", "abc", 3, out, sizeof(out), 20000), -EFAULT);
	assert_poisoned(ready.guest, VISO_REASON_GUEST_FAULT);
	release(&ready);
}

static void test_lies(void **state)
{
	need_kvm();
	skip_without(geteuid() == 0, "root, for ptrace(2) of the contained process");
	static const struct {
		struct contained_return returned;
		const char *data;
	} lies[] = {
		{{.serial = 2, .value = 4}, "four"},                 /* of another call */
		{{.serial = 0}, ""},                                 /* ready once more */
		{{.serial = 1, .value = 9}, "nine byte"},            /* more than was asked for */
		{{.serial = 1, .value = UINT64_MAX}, ""},            /* likewise */
		{{.serial = 1, .value = 4}, "fives"},                /* not what it said */
		{{.serial = 1, .value = 4}, "two"},                  /* likewise */
		{{.serial = 1, .error = EBUSY}, ""},                 /* what the host alone may say */
		{{.serial = 1, .error = INT32_MIN}, ""},             /* no errno */
		{{.magic = CONTAINED_MAGIC, .serial = 1}, ""},       /* neither this nor that */
		{{.magic = CONTAINED_EVENT_MAGIC, .serial = 1}, ""}, /* an event that is none */
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct contained_return returned = lies[i].returned;
		char out[8] = "-------";
		returned.magic = returned.magic ? returned.magic : CONTAINED_RETURN_MAGIC;
		struct ready ready = make_ready(*state, contained(*state));
		lie(&ready, &returned, lies[i].data, strlen(lies[i].data));
		assert_fails(viso_guest_call_bytes(ready.guest, "reverse", "abc", 3, out, sizeof(out), 20000), EFAULT,
			     VISO_STAGE_GUEST, "viso_guest_call_bytes");
		assert_memory_equal(out, "-------", 7);
		assert_poisoned(ready.guest, VISO_REASON_GUEST_FAULT);
		release(&ready);
	}
}

/* An error's text steers no terminal, and ends. */
static void test_texts(void **state)
{
	need_kvm();
	skip_without(geteuid() == 0, "root, for ptrace(2) of the contained process");
	struct contained_return returned = {.magic = CONTAINED_RETURN_MAGIC, .serial = 1, .error = ENOENT, .stage = -7};
	memset(returned.object, 'o', sizeof(returned.object));
	memset(returned.message, '\033', sizeof(returned.message));
	struct ready ready = make_ready(*state, contained(*state));
	lie(&ready, &returned, NULL, 0);
	assert_int_equal(viso_guest_call(ready.guest, "count", NULL, 0, 20000, NULL), -ENOENT);
	assert_int_equal(viso_error_stage(), VISO_STAGE_GUEST);
	assert_null(strchr(viso_error_message(), '\033'));
	assert_true(strlen(viso_error_object()) < sizeof(returned.object));
	release(&ready);
}

/* In a forked child nothing of it is left with the handle. */
static void test_fork(void **state)
{
	need_kvm();
	viso_guest_unref(initialise(contained(*state), new_command("/callee", "ready", NULL)));
	int fds = support_count_fds(), status;
	viso_guest *guest = initialise(contained(*state), new_command("/callee", "ready", NULL));
	pid_t child = fork();
	if (child == 0) {
		int r = viso_guest_call(guest, "count", NULL, 0, 1000, NULL);
		viso_guest_unref(guest);
		_exit(r != -ECHILD ? 1 : support_count_fds() > fds ? 2 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(call(guest, "count", 0), 1);
	viso_guest_unref(guest);
	assert_int_equal(support_count_fds(), fds);
}

static void be_host(const struct fixture *fixture, const char *input, int told)
{
	/* Handles of the parent are not ours. */
	viso_root *root = viso_root_new();
	viso_guest *guest = viso_guest_new();
	viso_command *command = new_command("/callee", "ready", NULL);
	set_input(command, input);
	if (viso_root_use_directory(root, fixture->root_path) < 0 || viso_guest_set_root(guest, root) < 0 ||
	    viso_guest_set_placement(guest, VISO_PLACEMENT_CONTAINED) < 0 ||
	    viso_guest_initialise(guest, command, NULL) < 0)
		_exit(1);
	pid_t server = find_server(input);
	if (write(told, &server, sizeof(server)) != sizeof(server))
		_exit(1);
	for (;;)
		pause();
}

/* A host program that is killed leaves nothing. */
static void test_ends_with_the_host(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	char *input = make_file(fixture->base, "host-input", "");
	int ends[2];
	pid_t server = 0;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t host = fork();
	if (host == 0)
		be_host(fixture, input, ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &server, sizeof(server)), sizeof(server));
	close(ends[0]);
	assert_true(server > 0 && is_server(server));
	kill(host, SIGKILL);
	waitpid(host, NULL, 0);
	await_that(!is_server(server));
	free(input);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outlives_its_thread),
		cmocka_unit_test(test_counts_and_output),
		cmocka_unit_test(test_core_files),
		cmocka_unit_test(test_the_queue),
		cmocka_unit_test(test_a_process_that_ends),
		cmocka_unit_test(test_a_process_that_is_mute),
		cmocka_unit_test(test_the_attack_is_effective),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_ends_with_the_host),
	};
	return cmocka_run_group_tests_name("contained guests that stay", tests, fixture_setup, fixture_teardown);
}
