/* SPDX-License-Identifier: MIT */
/* Functions of a program in a guest that stays, called by the host. */
#include "guest_support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const callees[] = {"/callee", "/callee-pie", "/callee-dynamic"};

/* Of starts, which take a container each where the guests are contained. */
static int rounds(int count)
{
	return getenv("VISO_TEST_CONTAINED") ? count / 12 + 1 : count;
}

static void test_numbers(void **state)
{
	need_kvm();
	for (size_t i = 0; i < 3; i++) {
		viso_guest *guest = initialised(*state, callees[i], "ready", 0);
		const uint64_t args[6] = {1, 2, 3, 4, 5, 6};
		uint64_t value;
		assert_ok(viso_guest_call(guest, "add", args, 2, 20000, &value));
		assert_int_equal(value, 3);
		assert_ok(viso_guest_call(guest, "weigh", args, 6, -1, &value));
		assert_int_equal(value, 654321);
		for (uint64_t n = 1; n <= 1000; n++)
			assert_int_equal(call(guest, "count", 0), n);
		assert_int_equal(call(guest, "floating", 2), 1414);
		assert_int_equal(call(guest, "stack_is_aligned", 0), 1);
		assert_int_equal(call(guest, "set_direction", 0), 1);
		assert_int_equal(call(guest, "direction_flag", 0), 0);
		assert_int_equal(call(guest, "system_calls", 0), 'p');
		assert_int_equal(call(guest, "use_stack", 100), 100 * 101 / 2);
		call(guest, "use_stack", 1000);
		assert_int_equal(call(guest, "change_base", 0), 5);
		assert_int_equal(call(guest, "floating", 9), 3000);
		assert_int_equal(call(guest, "return_early", 77), 77);
		assert_int_equal(call(guest, "count", 0), 1001);
		assert_ok(viso_guest_call(guest, "count", NULL, 0, -1, NULL));
		viso_guest_unref(guest);
	}
}

/* Other threads of the program run during calls, and stand still between them. */
static void test_threads_of_the_program(void **state)
{
	need_kvm();
	for (size_t i = 0; i < 3; i++) {
		viso_guest *guest = initialised(*state, callees[i], "ready", 0);
		for (int n = 0; n < 3; n++)
			assert_true(call(guest, "thread_counts", 0) > 0);
		for (uint64_t n = 1; n <= 50; n++)
			assert_int_equal(call(guest, "count", 0), n);
		viso_guest_unref(guest);
	}
}

static void test_names(void **state)
{
	need_kvm();
	viso_guest *guest = initialised(*state, "/callee-dynamic", "ready", 0);
	uint64_t value = 42;
	assert_fails(viso_guest_call(guest, "no_such", NULL, 0, 20000, &value), ENOENT, VISO_STAGE_GUEST, "no_such");
	assert_fails(viso_guest_call(guest, "some_data", NULL, 0, 20000, &value), ENOENT, VISO_STAGE_GUEST,
		     "some_data");
	assert_fails(viso_guest_call(guest, "", NULL, 0, 20000, &value), ENOENT, VISO_STAGE_GUEST, "");
	assert_int_equal(value, 42);
	/* In a library, and one that is not global. */
	assert_int_equal(call(guest, "labs", (uint64_t)-5), 5);
	assert_int_equal(call(guest, "local_function", 0), 99);
	/* More names than are remembered. */
	static const char *const names[] = {"abs",     "labs",    "toupper", "tolower", "isalpha",  "isdigit",
					    "isspace", "isupper", "islower", "ispunct", "isxdigit", "isalnum",
					    "isgraph", "isprint", "iscntrl", "llabs",   "getpid",   "getuid"};
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			call(guest, names[i], '1');
	assert_int_equal(call(guest, "toupper", 'x'), 'X');
	/* To look through all of these would take the host minutes. */
	assert_int_equal(call(guest, "map_tables", 0), 1);
	for (int i = 0; i < 3; i++)
		assert_fails(viso_guest_call(guest, "no_such", NULL, 0, 20000, &value), ENOENT, VISO_STAGE_GUEST, "");
	viso_guest_unref(guest);
}

static void test_bytes(void **state)
{
	need_kvm();
	viso_guest *guest = initialised(*state, "/callee-pie", "ready", 0);
	char out[8] = "-------";
	assert_int_equal(viso_guest_call_bytes(guest, "reverse", "abc", 3, out, sizeof(out), 20000), 3);
	assert_memory_equal(out, "cba----", 7);
	assert_fails(viso_guest_call_bytes(guest, "reverse", "abcdef", 6, out, 2, 20000), EREMOTEIO, VISO_STAGE_GUEST,
		     "reverse");
	assert_fails(viso_guest_call_bytes(guest, "too_much", NULL, 0, out, 2, 20000), EREMOTEIO, VISO_STAGE_GUEST,
		     "too_much");
	assert_fails(viso_guest_call_bytes(guest, "unmap_answer", NULL, 0, out, 8, 20000), EREMOTEIO, VISO_STAGE_GUEST,
		     "unmap_answer");
	assert_memory_equal(out, "cba----", 7);
	assert_int_equal(viso_guest_call_bytes(guest, "reverse", NULL, 0, NULL, 0, 20000), 0);
	size_t size = 16 << 20;
	uint8_t *in = malloc(size), *back = malloc(size);
	for (size_t i = 0; i < size; i++)
		in[i] = (uint8_t)(i * 7 + i / 1000);
	assert_int_equal(viso_guest_call_bytes(guest, "reverse", in, size, back, size, 20000), size);
	for (size_t i = 0; i < size; i += 997)
		assert_int_equal(back[i], in[size - 1 - i]);
	assert_fails(viso_guest_call_bytes(guest, "reverse", in, size + 1, back, size, 1), EINVAL, VISO_STAGE_ARGUMENT,
		     "");
	free(in);
	free(back);
	viso_guest_unref(guest);
}

struct end {
	const char *symbol;
	uint64_t argument;
	int timeout_ms;
	int error;
	viso_reason reason;
};

static void check_poisoned(viso_guest *guest, viso_reason reason)
{
	viso_result *result;
	assert_fails(viso_guest_call(guest, "add", NULL, 0, 1000, NULL), EIO, VISO_STAGE_GUEST, "viso_guest_call");
	assert_fails(viso_guest_request(guest, NULL, 0, NULL, 0, 1000), EIO, VISO_STAGE_GUEST, "viso_guest_request");
	for (int i = 0; i < 2; i++) {
		assert_ok(viso_guest_last_result(guest, &result));
		assert_int_equal(viso_result_reason(result), reason);
		viso_result_unref(result);
	}
	assert_int_equal(viso_guest_cancel(guest), 0);
	assert_int_equal(viso_sandbox_kill(viso_guest_sandbox(guest)), 0);
}

static void test_ends(void **state)
{
	need_kvm();
	static const struct end ends[] = {
		{"crash", 0, 20000, EFAULT, VISO_REASON_SIGNALLED},
		{"use_stack", 1000000, 20000, EFAULT, VISO_REASON_SIGNALLED},
		{"unmap_stack", 0, 20000, EFAULT, VISO_REASON_SIGNALLED},
		{"spin", 0, 50, ETIMEDOUT, VISO_REASON_TIMED_OUT},
		{"spin", 0, 0, ETIMEDOUT, VISO_REASON_TIMED_OUT},
		{"sleep_long", 0, 50, ETIMEDOUT, VISO_REASON_TIMED_OUT},
		{"leave", 6, 20000, ESRCH, VISO_REASON_EXITED},
		{"eat_memory", 0, 20000, ENOMEM, VISO_REASON_OUT_OF_MEMORY},
		{"jump_out", 0, 20000, ESRCH, VISO_REASON_EXITED},
	};
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		viso_guest *guest = initialised(*state, callees[i % 3], "ready", 0);
		viso_result *result;
		uint64_t value = 42;
		assert_fails(viso_guest_last_result(guest, &result), ENODATA, VISO_STAGE_GUEST, "");
		assert_fails(viso_guest_call(guest, ends[i].symbol, &ends[i].argument, 1, ends[i].timeout_ms, &value),
			     ends[i].error, VISO_STAGE_GUEST, "viso_guest_call");
		assert_int_equal(value, 42);
		check_poisoned(guest, ends[i].reason);
		viso_guest_unref(guest);
	}
}

/* What the program does wrong, and it learns so by an errno. */
static void test_out_of_turn(void **state)
{
	need_kvm();
	viso_guest *guest = initialised(*state, "/callee", "early", 0);
	assert_int_equal((int64_t)call(guest, "ready_again", 0), -EBUSY);
	assert_int_equal((int64_t)call(guest, "receive_in_call", 0), -EBUSY);
	assert_int_equal((int64_t)call(guest, "reply_in_call", 0), -EINVAL);
	assert_fails(viso_guest_request(guest, NULL, 0, NULL, 0, 20000), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_int_equal(call(guest, "count", 0), 1);
	viso_guest_unref(guest);
	/* Run to its end, the program is told that nobody will call it. */
	assert_exited(run((struct fixture *)*state, "/callee", "status"), 0);
}

static void test_arguments(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_guest *guest = new_guest(fixture, 0);
	const uint64_t args[7] = {0};
	viso_result *result = NULL;
	assert_fails(viso_guest_call(guest, "add", NULL, 0, 0, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_last_result(guest, &result), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_int_equal(viso_guest_cancel(guest), 0);
	viso_command *command = new_command("/callee", "exit", NULL);
	assert_fails(viso_guest_initialise(guest, command, &result), ESRCH, VISO_STAGE_GUEST, "viso_guest_initialise");
	assert_exited(result, 4);
	viso_command_unref(command);
	command = new_command("/callee", "spin", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 50));
	assert_fails(viso_guest_initialise(guest, command, &result), ESRCH, VISO_STAGE_GUEST, "viso_guest_initialise");
	assert_reason(result, VISO_REASON_TIMED_OUT);
	viso_command_unref(command);
	command = new_command("/missing", NULL);
	assert_fails(viso_guest_initialise(guest, command, NULL), ENOENT, VISO_STAGE_EXEC, "/missing");
	viso_command_unref(command);
	command = new_command("/callee", NULL);
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_PIPE));
	assert_fails(viso_guest_initialise(guest, command, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	viso_command_unref(command);
	command = new_command("/callee", NULL);
	assert_ok(viso_guest_initialise(guest, command, NULL));
	assert_fails(viso_guest_initialise(guest, command, NULL), EALREADY, VISO_STAGE_ARGUMENT, "");
	viso_command_unref(command);
	assert_fails(viso_guest_call(guest, NULL, NULL, 0, 0, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_call(guest, "add", args, 7, 0, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_call(guest, "add", NULL, 1, 0, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_call(guest, "add", args, 1, -2, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_int_equal(call(guest, "add", 5), 5);
	/* A command of its own runs beside. */
	assert_exited(run_in(guest, new_command("/callee", "exit", NULL)), 4);
	assert_ok(viso_sandbox_close(viso_guest_sandbox(guest)));
	assert_fails(viso_guest_call(guest, "add", args, 1, 0, NULL), ESTALE, VISO_STAGE_ARGUMENT, "");
	viso_guest_unref(guest);
}

struct caller {
	viso_guest *guest;
	const char *symbol;
	int result;
};

static void *call_in_thread(void *data)
{
	struct caller *caller = data;
	/* wait_until_called() may be in the way. */
	do
		caller->result = viso_guest_call(caller->guest, caller->symbol, NULL, 0, -1, NULL);
	while (caller->result == -EBUSY);
	return NULL;
}

/* The thread may take its time; before its call the guest is idle, and is killed as such. */
static void wait_until_called(viso_guest *guest)
{
	viso_result *result;
	while (viso_guest_last_result(guest, &result) != -EBUSY)
		usleep(100);
}

static void test_cancel(void **state)
{
	need_kvm();
	for (int how = 0; how < 6; how++) {
		struct caller caller = {initialised(*state, callees[how % 3], "ready", 0),
					how % 2 ? "spin" : "sleep_long", 0};
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, call_in_thread, &caller), 0);
		usleep(how * 5000);
		if (how < 2) {
			while (viso_guest_cancel(caller.guest) == 0)
				usleep(100);
		} else if (how < 4) {
			wait_until_called(caller.guest);
			assert_int_equal(viso_sandbox_kill(viso_guest_sandbox(caller.guest)), 1);
		} else {
			wait_until_called(caller.guest);
			assert_fails(viso_guest_call(caller.guest, "add", NULL, 0, 0, NULL), EBUSY, VISO_STAGE_ARGUMENT,
				     "");
			assert_ok(viso_sandbox_close(viso_guest_sandbox(caller.guest)));
		}
		pthread_join(thread, NULL);
		assert_int_equal(caller.result, -ECANCELED);
		viso_guest_unref(caller.guest);
	}
}

/* From any thread; the thread's signals stay as they were. */
static void *call_often(void *data)
{
	struct caller *caller = data;
	for (int i = 0; i < 200; i++)
		do
			caller->result =
				viso_guest_call(caller->guest, caller->symbol, NULL, 0, i % 2 ? 20000 : -1, NULL);
		while (caller->result == -EBUSY);
	return NULL;
}

static void test_many_threads(void **state)
{
	need_kvm();
	struct caller callers[4];
	pthread_t threads[4];
	viso_guest *guest = initialised(*state, "/callee", "ready", 0);
	for (int i = 0; i < 4; i++) {
		callers[i] = (struct caller){guest, "count", 0};
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(callers[i].result, 0);
	}
	assert_int_equal(call(guest, "count", 0), 801);
	viso_guest_unref(guest);
}

/* A cancel that has found a call on its way has cancelled it, and no other one. */
static void *cancel_often(void *data)
{
	struct caller *caller = data;
	unsigned seed = 1;
	while (viso_guest_cancel(caller->guest) == 0)
		for (volatile int i = rand_r(&seed) % 20000; i > 0; i--)
			;
	return NULL;
}

static void test_cancels_at_any_moment(void **state)
{
	need_kvm();
	for (int round = 0; round < rounds(60); round++) {
		struct caller caller = {initialised(*state, "/callee", "ready", 0), "count", 0};
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, cancel_often, &caller), 0);
		int r;
		do
			r = viso_guest_call(caller.guest, round % 3 ? "count" : "spin", NULL, 0, 10000, NULL);
		while (r == 0);
		assert_int_equal(r, -ECANCELED);
		pthread_join(thread, NULL);
		viso_guest_unref(caller.guest);
	}
}

struct refused {
	viso_guest *guest;
	atomic_bool cancelled;
};

static void *cancel_refused(void *data)
{
	struct refused *refused = data;
	while (viso_guest_cancel(refused->guest) == 0)
		;
	atomic_store(&refused->cancelled, true);
	return NULL;
}

/* Also one that fails before the program runs: it must not end the next one instead. */
static void test_cancels_of_refused_calls(void **state)
{
	static const char *const ways[][2] = {{"/callee-dynamic", "ready"}, {"/callee", "serve"}};
	need_kvm();
	for (int round = 0; round < rounds(20); round++) {
		struct refused refused = {.guest = initialised(*state, ways[round % 2][0], ways[round % 2][1], 0)};
		pthread_t thread;
		char answer[8];
		int64_t r;
		assert_int_equal(pthread_create(&thread, NULL, cancel_refused, &refused), 0);
		do
			r = round % 2 ? viso_guest_call(refused.guest, "add", NULL, 0, 20000, NULL)
				      : viso_guest_call_bytes(refused.guest, "no_such", NULL, 0, answer, 8, 20000);
		while (r != -ECANCELED && !atomic_load(&refused.cancelled));
		pthread_join(thread, NULL);
		assert_int_equal(r, -ECANCELED);
		assert_int_equal(viso_guest_call(refused.guest, "add", NULL, 0, 20000, NULL), -EIO);
		viso_guest_unref(refused.guest);
	}
}

/* What was just about to return: the host still copies what the function has answered. */
static void *cancel_late(void *data)
{
	struct caller *caller = data;
	unsigned seed = (unsigned)(uintptr_t)caller->guest;
	struct timespec moment = {.tv_nsec = rand_r(&seed) % 10000000};
	nanosleep(&moment, NULL);
	caller->result = viso_guest_cancel(caller->guest);
	return NULL;
}

static void test_cancels_at_the_end(void **state)
{
	enum { ROUNDS = 60, LARGE = 16 << 20 };
	need_kvm();
	uint8_t *out = malloc(LARGE);
	for (int round = 0; round < rounds(ROUNDS); round++) {
		struct caller caller = {initialised(*state, "/callee", "ready", 0), NULL, 0};
		pthread_t thread;
		assert_int_equal(viso_guest_call_bytes(caller.guest, "large_answer", NULL, 0, out, LARGE, 20000),
				 LARGE);
		assert_int_equal(pthread_create(&thread, NULL, cancel_late, &caller), 0);
		int64_t n = viso_guest_call_bytes(caller.guest, "large_answer", NULL, 0, out, LARGE, 20000);
		pthread_join(thread, NULL);
		assert_int_equal(n, caller.result == 1 ? -ECANCELED : LARGE);
		viso_guest_unref(caller.guest);
	}
	free(out);
}

static void test_signals_of_the_host(void **state)
{
	need_kvm();
	viso_guest *guest = initialised(*state, "/callee", "ready", 0);
	assert_int_equal(viso_sandbox_signal(viso_guest_sandbox(guest), SIGCHLD), 1);
	assert_int_equal(call(guest, "count", 0), 1);
	assert_int_equal(viso_sandbox_signal(viso_guest_sandbox(guest), SIGTERM), 1);
	assert_fails(viso_guest_call(guest, "count", NULL, 0, 20000, NULL), EFAULT, VISO_STAGE_GUEST, "");
	check_poisoned(guest, VISO_REASON_SIGNALLED);
	viso_guest_unref(guest);

	guest = initialised(*state, "/callee", "ready", 0);
	assert_int_equal(viso_sandbox_kill(viso_guest_sandbox(guest)), 1);
	check_poisoned(guest, VISO_REASON_KILLED);
	viso_guest_unref(guest);
}

static void test_after_a_fork(void **state)
{
	need_kvm();
	viso_guest *guest = initialised(*state, "/callee", "ready", 0);
	pid_t child = fork();
	if (child == 0) {
		bool right = viso_guest_call(guest, "count", NULL, 0, 1000, NULL) == -ECHILD &&
			     viso_guest_cancel(guest) == -ECHILD;
		viso_guest_unref(guest);
		_exit(right ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(call(guest, "count", 0), 1);
	viso_guest_unref(guest);
}

static void test_nothing_is_left(void **state)
{
	need_kvm();
	viso_guest_unref(initialised(*state, "/callee", "ready", 0));
	int fds = support_count_fds();
	for (int i = 0; i < rounds(20); i++) {
		viso_guest *guest = initialised(*state, callees[i % 3], "ready", 0);
		call(guest, "count", 0);
		viso_guest_unref(guest);
	}
	assert_int_equal(support_count_fds(), fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_threads_of_the_program),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_out_of_turn),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_many_threads),
		cmocka_unit_test(test_cancels_at_any_moment),
		cmocka_unit_test(test_cancels_of_refused_calls),
		cmocka_unit_test(test_cancels_at_the_end),
		cmocka_unit_test(test_signals_of_the_host),
		cmocka_unit_test(test_after_a_fork),
		cmocka_unit_test(test_nothing_is_left),
	};
	return cmocka_run_group_tests_name("guest calls", tests, fixture_setup, fixture_teardown);
}
