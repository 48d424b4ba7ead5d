/* SPDX-License-Identifier: MIT */
/* Requests of the host through memory that it shares with the guest. */
#include "guest_support.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ADD = 1, LATE = 2, RING_BYTES = 16376 };

static viso_guest *ringing(struct fixture *fixture, unsigned poll_us, const char *program, const char *how)
{
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_ring(guest, poll_us));
	assert_ok(viso_guest_set_hypercall_handler(guest, ADD, answer_sum, NULL, NULL));
	return initialise(guest, new_command(program, how, NULL));
}

static int64_t ask_value(viso_guest *guest, const char *request)
{
	int64_t value = INT64_MIN;
	assert_int_equal(viso_guest_request(guest, request, strlen(request), &value, sizeof(value), 20000),
			 sizeof(value));
	return value;
}

static void test_requests(void **state)
{
	need_kvm();
	static const char *const programs[] = {"/ringer", "/ringer-pie", "/ringer-dynamic"};
	for (int i = 0; i < 3; i++) {
		viso_guest *guest = ringing(*state, 200, programs[i], "serve");
		for (int n = 0; n < 500; n++)
			assert_answer(guest, "request", "tseuqer");
		assert_answer(guest, "", "");
		assert_answer(guest, "Nothing", "");
		assert_answer(guest, "abc", "cba");
		assert_int_equal(ask_value(guest, "A"), 21);
		/* By the one way or by the other. */
		assert_int_equal(ask_value(guest, "X"), -EBUSY);
		assert_int_equal(ask_value(guest, "R"), -EINVAL);
		assert_fails(viso_guest_call(guest, "answer", NULL, 0, 1000, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
		assert_answer(guest, "abc", "cba");
		viso_guest_unref(guest);
	}
	/* In a command that is run to its end nobody sends requests. */
	viso_guest *guest = new_guest(*state, 0);
	assert_ok(viso_guest_set_ring(guest, 100));
	assert_output(run_in(guest, new_command("/ringer", "command", NULL)), "");
	viso_guest_unref(guest);
}

static void test_sizes(void **state)
{
	need_kvm();
	viso_guest *guest = ringing(*state, 100, "/ringer", "serve");
	char *in = malloc(RING_BYTES + 1), *out = malloc(RING_BYTES + 1);
	memset(in, 'x', RING_BYTES + 1);
	in[0] = 'a';
	out[0] = '-';
	assert_fails(viso_guest_request(guest, in, RING_BYTES + 1, out, RING_BYTES + 1, 20000), EMSGSIZE,
		     VISO_STAGE_GUEST, "");
	assert_fails(viso_guest_request(guest, in, 100, out, 99, 20000), EMSGSIZE, VISO_STAGE_GUEST, "");
	assert_fails(viso_guest_request(guest, in, 1, NULL, 0, 20000), EMSGSIZE, VISO_STAGE_GUEST, "");
	/* A length that cannot be, with room for more than there is. */
	assert_fails(viso_guest_request(guest, "T", 1, out, RING_BYTES + 1, 20000), EMSGSIZE, VISO_STAGE_GUEST, "");
	assert_int_equal(out[0], '-');
	assert_int_equal(viso_guest_request(guest, in, RING_BYTES, out, RING_BYTES, 20000), RING_BYTES);
	assert_int_equal(out[RING_BYTES - 1], 'a');
	assert_int_equal(out[0], 'x');
	assert_int_equal(ask_value(guest, "M"), -EMSGSIZE);
	assert_int_equal(viso_guest_request(guest, in, 0, NULL, 0, 20000), 0);
	free(in);
	free(out);
	viso_guest_unref(guest);
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* So many, or as many as there is time for, with pauses on both sides, so that each of them sleeps at times. A lost
 * wake-up is a request without an answer. */
static void exchange_many(viso_guest *guest, unsigned count, double most)
{
	uint64_t random = 7;
	double end = seconds() + most;
	for (unsigned i = 0; i < count && (i % 256 || seconds() < end); i++) {
		char in[32], out[32];
		size_t size = (size_t)snprintf(in, sizeof(in), "%u", i);
		assert_int_equal(viso_guest_request(guest, in, size, out, sizeof(out), 20000), size);
		assert_memory_equal(in, out, size);
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		if (random >> 33 & 1)
			for (volatile uint64_t left = (random >> 40) % (i % 64 ? 50 : 20000); left > 0; left--)
				;
		if (i % 8192 == 0)
			usleep(random >> 44 & 4095);
	}
}

static void test_many(void **state)
{
	need_kvm();
	static const unsigned poll_us[] = {1, 20, 100, 2000};
	for (int i = 0; i < 4; i++) {
		viso_guest *guest = ringing(*state, poll_us[i], "/ringer", i % 2 ? "threads" : "serve");
		exchange_many(guest, 20000, 1);
		viso_guest_unref(guest);
	}
}

static void test_million(void **state)
{
	need_kvm();
	viso_guest *guest = ringing(*state, 2000, "/ringer", "serve");
	exchange_many(guest, 1000000, 60);
	viso_guest_unref(guest);
}

/* The program that receives by exits first, and is asked for the ring meanwhile. */
static void test_later(void **state)
{
	need_kvm();
	viso_guest *guest = ringing(*state, 100, "/ringer", "later"), *clone;
	viso_snapshot *snapshot;
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	assert_ok(viso_snapshot_clone(snapshot, &clone));
	for (int i = 0; i < 3; i++) {
		assert_answer(clone, "a", "a");
		for (int n = 0; n < 50; n++)
			assert_answer(clone, "abc", "cba");
		viso_snapshot *none = NULL;
		assert_fails(viso_guest_snapshot(clone, &none), EOPNOTSUPP, VISO_STAGE_GUEST, "");
		assert_answer(clone, "abc", "cba");
		assert_ok(viso_guest_reset(clone));
	}
	viso_guest_unref(clone);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
	guest = ringing(*state, 100, "/ringer", "asked");
	assert_answer(guest, "a", "busy");
	assert_answer(guest, "abc", "cba");
	viso_guest_unref(guest);
}

static void assert_poisoned(viso_guest *guest, viso_reason reason)
{
	viso_result *result;
	assert_fails(viso_guest_request(guest, "abc", 3, NULL, 0, 200), EIO, VISO_STAGE_GUEST, "");
	assert_ok(viso_guest_last_result(guest, &result));
	assert_int_equal(viso_result_reason(result), reason);
	viso_result_unref(result);
}

static void test_ends(void **state)
{
	need_kvm();
	static const struct {
		const char *request;
		int timeout_ms;
		int error;
		viso_reason reason;
	} cases[] = {
		{"Exit", 20000, ESRCH, VISO_REASON_EXITED},      {"Crash", 20000, EFAULT, VISO_REASON_SIGNALLED},
		{"Spin", 100, ETIMEDOUT, VISO_REASON_TIMED_OUT}, {"Long", 100, ETIMEDOUT, VISO_REASON_TIMED_OUT},
		{"Has", 100, ETIMEDOUT, VISO_REASON_TIMED_OUT},
	};
	for (int i = 0; i < 10; i++) {
		viso_guest *guest = ringing(*state, i % 2 ? 20 : 5000, "/ringer", i < 5 ? "serve" : "threads");
		char out[8] = "-";
		const char *request = cases[i % 5].request;
		if (i % 3)
			assert_answer(guest, "abc", "cba");
		assert_fails(
			viso_guest_request(guest, request, strlen(request), out, sizeof(out), cases[i % 5].timeout_ms),
			cases[i % 5].error, VISO_STAGE_GUEST, "");
		assert_string_equal(out, "-");
		assert_poisoned(guest, cases[i % 5].reason);
		viso_guest_unref(guest);
	}
}

static void *cancel_soon(void *data)
{
	viso_guest *guest = data;
	usleep(20000);
	while (viso_guest_cancel(guest) == 0)
		usleep(1000);
	return NULL;
}

static void test_cancel(void **state)
{
	need_kvm();
	static const char *const requests[] = {"Spin", "Long", "Has"};
	for (int i = 0; i < 6; i++) {
		viso_guest *guest = ringing(*state, i % 2 ? 20 : 5000, "/ringer", "serve");
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, cancel_soon, guest), 0);
		assert_fails(viso_guest_request(guest, requests[i / 2], 4, NULL, 0, -1), ECANCELED, VISO_STAGE_GUEST,
			     "");
		pthread_join(thread, NULL);
		assert_poisoned(guest, VISO_REASON_KILLED);
		viso_guest_unref(guest);
	}
	/* Amid many, wherever the guest is. */
	for (int i = 0; i < 20; i++) {
		viso_guest *guest = ringing(*state, i % 2 ? 20 : 500, "/ringer", "serve");
		pthread_t thread;
		char out[4];
		int64_t n = 0;
		assert_int_equal(pthread_create(&thread, NULL, cancel_soon, guest), 0);
		while (n >= 0)
			n = viso_guest_request(guest, "abc", 3, out, sizeof(out), 20000);
		assert_true(n == -ECANCELED || n == -EIO);
		pthread_join(thread, NULL);
		viso_guest_unref(guest);
	}
}

/* What the guest does between two requests comes to an end, whatever it does. */
static int64_t cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void test_idle(void **state)
{
	need_kvm();
	viso_guest *guest = ringing(*state, 100, "/ringer", "threads");
	assert_answer(guest, "abc", "cba");
	usleep(100000);
	int64_t before = cpu_ns();
	usleep(300000);
	assert_in_range(cpu_ns() - before, 0, 100000000);
	assert_true(ask_value(guest, "K") >= 0);
	viso_guest_unref(guest);

	guest = ringing(*state, 100, "/ringer", "serve");
	assert_answer(guest, "F", "");
	usleep(100000);
	before = cpu_ns();
	usleep(300000);
	assert_in_range(cpu_ns() - before, 0, 100000000);
	assert_fails(viso_guest_request(guest, "abc", 3, NULL, 0, 50), ETIMEDOUT, VISO_STAGE_GUEST, "");
	viso_guest_unref(guest);
}

/* Signals, other calls and the end, while the guest may still look for requests; at its end, and after it. */
static void test_between(void **state)
{
	need_kvm();
	int fds = support_count_fds();
	for (int i = 0; i < 12; i++) {
		viso_guest *guest = ringing(*state, i % 2 ? 20 : 100000, "/ringer", i % 3 ? "serve" : "threads");
		viso_result *result = NULL;
		if (i % 4)
			assert_answer(guest, "abc", "cba");
		assert_fails(viso_guest_last_result(guest, &result), ENODATA, VISO_STAGE_GUEST, "");
		assert_answer(guest, "abc", "cba");
		if (i % 4 == 1)
			assert_ok(viso_sandbox_close(viso_guest_sandbox(guest)));
		if (i % 4 == 2) {
			assert_int_equal(viso_sandbox_kill(viso_guest_sandbox(guest)), 1);
			assert_poisoned(guest, VISO_REASON_KILLED);
		}
		if (i % 4 == 3) {
			assert_int_equal(ask_value(guest, "Z"), 0);
			usleep((useconds_t)i * 2000);
			/* Who asks may come before it has ended. */
			int64_t n = viso_guest_request(guest, "abc", 3, NULL, 0, 20000);
			assert_true(n == -EIO || n == -ESRCH);
			assert_poisoned(guest, VISO_REASON_EXITED);
		}
		viso_guest_unref(guest);
	}
	assert_int_equal(support_count_fds(), fds);
}

static void test_syscalls_max(void **state)
{
	need_kvm();
	viso_guest *guest = new_guest(*state, 0);
	assert_ok(viso_guest_set_ring(guest, 20));
	assert_ok(viso_guest_set_syscalls_max(guest, 200));
	initialise(guest, new_command("/ringer", "serve", NULL));
	for (int i = 0; i < 300; i++) {
		assert_answer(guest, "abc", "cba");
		if (i % 64 == 0)
			usleep(2000);
	}
	assert_fails(viso_guest_request(guest, "Has", 3, NULL, 0, 20000), EDQUOT, VISO_STAGE_GUEST, "");
	viso_guest_unref(guest);
}

struct asker {
	viso_guest *guest;
	atomic_bool ends;
	int64_t failure;
};

static void *ask_on(void *data)
{
	struct asker *asker = data;
	char out[4];
	while (!atomic_load(&asker->ends) && asker->failure == 0) {
		int64_t n = viso_guest_request(asker->guest, "abc", 3, out, sizeof(out), 20000);
		asker->failure = n == 3 ? 0 : n;
	}
	return NULL;
}

static void stand_still(int signal)
{
	usleep(50000);
}

/* A guest that has answered looks for the next request until the host has seen the answer, be that late: it has not
 * made calls of its own. */
static void test_syscalls_max_of_a_late_host(void **state)
{
	const struct sigaction action = {.sa_handler = stand_still};
	struct sigaction old;
	pthread_t thread;
	need_kvm();
	struct asker asker = {.guest = new_guest(*state, 0)};
	assert_ok(viso_guest_set_ring(asker.guest, 1));
	assert_ok(viso_guest_set_syscalls_max(asker.guest, 30));
	initialise(asker.guest, new_command("/ringer", "serve", NULL));
	assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
	assert_int_equal(pthread_create(&thread, NULL, ask_on, &asker), 0);
	for (int i = 0; i < 20; i++) {
		usleep(5000);
		pthread_kill(thread, SIGUSR1);
	}
	atomic_store(&asker.ends, true);
	pthread_join(thread, NULL);
	assert_int_equal(asker.failure, 0);
	assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
	viso_guest_unref(asker.guest);
}

/* Whatever the guest writes, the host gets an answer or an error, and nobody else is harmed. */
static void test_hostile(void **state)
{
	need_kvm();
	viso_guest *other = ringing(*state, 100, "/ringer", "serve");
	for (int i = 0; i < 4; i++) {
		viso_guest *guest = ringing(*state, i % 2 ? 20 : 1000, "/ringer", "serve");
		char out[64];
		int64_t n = 0;
		for (int k = 0; k < 2000 && n >= -EMSGSIZE && n != -ETIMEDOUT && n != -EIO; k++) {
			n = viso_guest_request(guest, "Wild", 4, out, sizeof(out), 500);
			assert_true(n <= (int64_t)sizeof(out));
		}
		assert_answer(other, "abc", "cba");
		viso_guest_unref(guest);
	}
	viso_guest_unref(other);
}

static void test_fork(void **state)
{
	need_kvm();
	viso_guest *guest = ringing(*state, 50000, "/ringer", "serve");
	assert_answer(guest, "abc", "cba");
	pid_t pid = fork();
	if (pid == 0) {
		char out[4];
		int64_t n = viso_guest_request(guest, "abc", 3, out, sizeof(out), 1000);
		viso_guest_unref(guest);
		_exit(n == -ECHILD ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_answer(guest, "abc", "cba");
	viso_guest_unref(guest);
}

struct late {
	sem_t entered, left, destroyed;
};

static int64_t answer_late(viso_hypercall *hypercall, void *userdata)
{
	struct late *late = userdata;
	sem_post(&late->entered);
	sem_wait(&late->left);
	return 0;
}

static void note_end(void *userdata)
{
	sem_post(&((struct late *)userdata)->destroyed);
}

static bool comes(sem_t *semaphore)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	return sem_timedwait(semaphore, &until) == 0;
}

/* Of the program, after it has answered, and by a handler in a thread of the library, with which the guest ends: by the
 * ring, by its doorbell and by an exit. */
static void test_last_reference(void **state)
{
	need_kvm();
	static const struct {
		const char *request;
		unsigned poll_us;
	} cases[] = {{"B", 100000}, {"B", 1}, {"D", 100}};
	int fds = support_count_fds();
	for (int i = 0; i < 9; i++) {
		struct late late;
		sem_init(&late.entered, 0, 0);
		sem_init(&late.left, 0, 0);
		sem_init(&late.destroyed, 0, 0);
		viso_guest *guest = new_guest(*state, 0);
		assert_ok(viso_guest_set_ring(guest, cases[i % 3].poll_us));
		assert_ok(viso_guest_set_hypercall_handler(guest, LATE, answer_late, &late, note_end));
		initialise(guest, new_command("/ringer", "serve", NULL));
		assert_int_equal(ask_value(guest, cases[i % 3].request), 0);
		assert_true(comes(&late.entered));
		viso_guest_unref(guest);
		sem_post(&late.left);
		assert_true(comes(&late.destroyed));
	}
	await_that(support_count_fds() == fds);
}

/* "million" runs what takes longer. */
int main(int argc, char **argv)
{
	const struct CMUnitTest million[] = {cmocka_unit_test(test_million)};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),       cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_many),           cmocka_unit_test(test_later),
		cmocka_unit_test(test_ends),           cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_idle),           cmocka_unit_test(test_between),
		cmocka_unit_test(test_syscalls_max),   cmocka_unit_test(test_syscalls_max_of_a_late_host),
		cmocka_unit_test(test_hostile),        cmocka_unit_test(test_fork),
		cmocka_unit_test(test_last_reference),
	};
	if (argc > 1 && !strcmp(argv[1], "million"))
		return cmocka_run_group_tests_name("guest ring million", million, fixture_setup, fixture_teardown);
	return cmocka_run_group_tests_name("guest ring requests", tests, fixture_setup, fixture_teardown);
}
