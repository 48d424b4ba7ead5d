/* SPDX-License-Identifier: MIT */
/* Hypercalls: handlers, answers that come later, a queue, and programs that ask for what is not theirs. */
#include "guest_support.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ADD = 1, FILL = 2, LENGTH = 3, DEFERRED = 5, QUEUED = 6, OTHER = 7, SLOW = 9 };

static void count_destroy(void *userdata)
{
	++*(int *)userdata;
}

static viso_guest *asking(struct fixture *fixture)
{
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_hypercall_handler(guest, ADD, answer_sum, NULL, NULL));
	assert_ok(viso_guest_set_hypercall_handler(guest, FILL, answer_by_filling, NULL, NULL));
	assert_ok(viso_guest_set_hypercall_handler(guest, LENGTH, answer_length, NULL, NULL));
	return guest;
}

static void test_handlers(void **state)
{
	need_kvm();
	viso_guest *guest = asking(*state);
	assert_output(run_in(guest, new_command("/asker", "plain", NULL)), "");
	assert_output(run_in(guest, new_command("/asker-dynamic", "wild", NULL)), "");
	assert_fails(viso_guest_set_hypercall_handler(guest, ADD, answer_sum, NULL, NULL), EBUSY, VISO_STAGE_ARGUMENT,
		     "");
	viso_guest_unref(guest);
}

static void test_settings(void **state)
{
	int destroyed[2] = {0};
	viso_hypercall *hypercall;
	viso_guest *guest = viso_guest_new();
	assert_fails(viso_guest_set_hypercall_handler(guest, 1024, answer_sum, NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT,
		     "");
	assert_ok(viso_guest_set_hypercall_handler(guest, 1023, answer_sum, &destroyed[0], count_destroy));
	assert_ok(viso_guest_set_hypercall_handler(guest, 1023, answer_sum, &destroyed[1], count_destroy));
	assert_int_equal(destroyed[0], 1);
	assert_ok(viso_guest_set_hypercall_handler(guest, 0, NULL, NULL, NULL));
	assert_fails(viso_guest_hypercall_fd(guest), EBADF, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_next_hypercall(guest, 0, &hypercall), EBADF, VISO_STAGE_ARGUMENT, "");
	assert_ok(viso_guest_queue_hypercall(guest, 3));
	assert_true(viso_guest_hypercall_fd(guest) >= 0);
	assert_fails(viso_guest_next_hypercall(guest, 20, &hypercall), ETIMEDOUT, VISO_STAGE_GUEST, "");
	viso_guest_unref(guest);
	assert_int_equal(destroyed[0], 1);
	assert_int_equal(destroyed[1], 1);
}

struct later {
	viso_hypercall *hypercall;
	pthread_t thread;
	sem_t is_deferred; /* where nobody answers */
	int how;
	int result;
};

static void *answer_later(void *data)
{
	struct later *later = data;
	char text[8];
	usleep(20000);
	int r = viso_hypercall_read(later->hypercall, argument(later->hypercall, 0), text, sizeof(text));
	if (r == 0 && memcmp(text, "question", 8) != 0)
		r = -EPROTO;
	if (r == 0)
		r = later->how ? viso_hypercall_refuse(later->hypercall, EDOM)
			       : viso_hypercall_answer(later->hypercall, 42);
	if (r == 0 && viso_hypercall_answer(later->hypercall, 43) != -EALREADY)
		r = -EPROTO;
	if (r == 0 && viso_hypercall_read(later->hypercall, argument(later->hypercall, 0), text, 1) != -EALREADY)
		r = -EPROTO;
	later->result = r;
	viso_hypercall_unref(later->hypercall);
	return NULL;
}

static int64_t defer(viso_hypercall *hypercall, void *userdata)
{
	struct later *later = userdata;
	later->hypercall = viso_hypercall_ref(hypercall);
	/* Before it is deferred the value of the handler counts. */
	if (viso_hypercall_answer(hypercall, 1) != -EINVAL || viso_hypercall_defer(hypercall) < 0 ||
	    viso_hypercall_defer(hypercall) != -EALREADY)
		return -EPROTO;
	if (later->how < 2)
		pthread_create(&later->thread, NULL, answer_later, later);
	else
		sem_post(&later->is_deferred);
	return 7;
}

static void test_deferred(void **state)
{
	need_kvm();
	struct later later = {0};
	viso_guest *guest = new_guest(*state, 0);
	assert_ok(viso_guest_set_hypercall_handler(guest, DEFERRED, defer, &later, NULL));
	assert_output(run_in(guest, new_command("/asker", "ask", "5", NULL)), "42\n");
	pthread_join(later.thread, NULL);
	assert_int_equal(later.result, 0);
	later.how = 1;
	assert_output(run_in(guest, new_command("/asker-dynamic", "ask", "5", NULL)), "-33\n");
	pthread_join(later.thread, NULL);
	assert_int_equal(later.result, 0);

	/* One whose program is killed meanwhile can be neither read nor answered. */
	later.how = 2;
	assert_int_equal(sem_init(&later.is_deferred, 0, 0), 0);
	viso_command *command = new_command("/asker", "ask", "5", NULL);
	viso_process *process;
	assert_ok(viso_sandbox_spawn(viso_guest_sandbox(guest), command, &process));
	viso_command_unref(command);
	sem_wait(&later.is_deferred);
	viso_result *result;
	assert_ok(viso_process_kill(process));
	assert_ok(viso_process_wait(process, 20000, &result));
	assert_reason(result, VISO_REASON_KILLED);
	viso_process_unref(process);
	char byte;
	assert_fails(viso_hypercall_read(later.hypercall, argument(later.hypercall, 0), &byte, 1), ESRCH,
		     VISO_STAGE_GUEST, "");
	assert_fails(viso_hypercall_answer(later.hypercall, 1), ESRCH, VISO_STAGE_GUEST, "");
	assert_fails(viso_hypercall_answer(later.hypercall, -1), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_hypercall_refuse(later.hypercall, 0), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_hypercall_defer(later.hypercall), EALREADY, VISO_STAGE_GUEST, "");
	assert_int_equal(viso_hypercall_number(later.hypercall), 5);
	viso_guest_unref(guest);
	viso_hypercall_unref(later.hypercall);
}

static int64_t forget(viso_hypercall *hypercall, void *userdata)
{
	if (userdata)
		viso_hypercall_ref(hypercall);
	int r = viso_hypercall_defer(hypercall);
	if (userdata)
		viso_hypercall_unref(hypercall);
	return r;
}

/* What nobody can answer any more is refused. */
static void test_forgotten(void **state)
{
	need_kvm();
	for (int i = 0; i < 2; i++) {
		viso_guest *guest = new_guest(*state, 0);
		assert_ok(viso_guest_set_hypercall_handler(guest, OTHER, forget, i ? guest : NULL, NULL));
		assert_output(run_in(guest, new_command("/asker", "ask", "7", NULL)), "-38\n");
		viso_guest_unref(guest);
	}
}

static void test_queue(void **state)
{
	need_kvm();
	viso_guest *guest = new_guest(*state, 0);
	assert_ok(viso_guest_queue_hypercall(guest, QUEUED));
	viso_process *processes[3];
	viso_result *result;
	for (int i = 0; i < 3; i++) {
		viso_command *command = new_command("/asker", "ask", "6", NULL);
		assert_ok(viso_sandbox_spawn(viso_guest_sandbox(guest), command, &processes[i]));
		viso_command_unref(command);
	}
	viso_hypercall *hypercalls[3];
	struct pollfd fd = {.fd = viso_guest_hypercall_fd(guest), .events = POLLIN};
	assert_int_equal(poll(&fd, 1, 20000), 1);
	for (int i = 0; i < 3; i++)
		assert_ok(viso_guest_next_hypercall(guest, 20000, &hypercalls[i]));
	assert_int_equal(poll(&fd, 1, 0), 0);
	char text[8];
	assert_ok(viso_hypercall_read(hypercalls[0], argument(hypercalls[0], 0), text, 8));
	assert_memory_equal(text, "question", 8);
	assert_ok(viso_hypercall_answer(hypercalls[0], 1));
	assert_ok(viso_hypercall_refuse(hypercalls[1], EPERM));
	for (int i = 0; i < 3; i++)
		viso_hypercall_unref(hypercalls[i]);
	int seen = 0;
	for (int i = 0; i < 3; i++) {
		assert_ok(viso_process_wait(processes[i], 20000, &result));
		const char *output = viso_result_output(result, VISO_STDOUT, NULL);
		seen |= !strcmp(output, "1\n") ? 1 : !strcmp(output, "-1\n") ? 2 : !strcmp(output, "-38\n") ? 4 : 0;
		viso_result_unref(result);
		viso_process_unref(processes[i]);
	}
	assert_int_equal(seen, 7);
	/* One that nobody has taken when its program is killed is gone. */
	viso_command *command = new_command("/asker", "ask", "6", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 50));
	assert_reason(run_in(guest, command), VISO_REASON_TIMED_OUT);
	assert_fails(viso_guest_next_hypercall(guest, 0, &hypercalls[0]), ETIMEDOUT, VISO_STAGE_GUEST, "");
	viso_guest_unref(guest);
}

/* Those that wait hold fds of the host, of which a guest gets a part only. */
static void test_fds_of_the_queue(void **state)
{
	struct rlimit old, limit;
	need_kvm();
	skip_without(!getenv("VISO_TEST_CONTAINED"), "a guest that is served in this process");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit = old;
	limit.rlim_cur = 240;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	viso_guest *guest = new_guest(*state, 0);
	assert_ok(viso_guest_queue_hypercall(guest, QUEUED));
	for (int i = 0; i < 2; i++)
		assert_output(run_in(guest, new_command("/asker", "many", NULL)), "some\n");
	viso_guest_unref(guest);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

static int64_t defer_to_queue(viso_hypercall *hypercall, void *userdata)
{
	int *pipe_end = userdata;
	viso_hypercall_ref(hypercall);
	if (viso_hypercall_defer(hypercall) < 0 || write(pipe_end[1], &hypercall, sizeof(hypercall)) < 0)
		return -EPROTO;
	return 0;
}

static void *answer_all(void *data)
{
	int *pipe_end = data;
	viso_hypercall *hypercall;
	while (read(pipe_end[0], &hypercall, sizeof(hypercall)) == sizeof(hypercall)) {
		if (viso_hypercall_answer(hypercall, (int64_t)argument(hypercall, 0) + 1) < 0)
			return hypercall;
		viso_hypercall_unref(hypercall);
	}
	return NULL;
}

static void test_threads(void **state)
{
	need_kvm();
	int ends[2];
	pthread_t thread;
	void *failed;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pthread_create(&thread, NULL, answer_all, ends), 0);
	viso_guest *guest = asking(*state);
	assert_ok(viso_guest_set_hypercall_handler(guest, SLOW, defer_to_queue, ends, NULL));
	assert_output(run_in(guest, new_command("/asker", "threads", NULL)), "");
	assert_output(run_in(guest, new_command("/asker-dynamic", "threads", NULL)), "");
	viso_guest_unref(guest);
	close(ends[1]);
	pthread_join(thread, &failed);
	assert_null(failed);
	close(ends[0]);
}

struct inside {
	viso_guest *guest;
	viso_guest *other;
	int results[6];
};

static int64_t misuse(viso_hypercall *hypercall, void *userdata)
{
	struct inside *inside = userdata;
	inside->results[0] = viso_guest_call(inside->guest, "ask_in_call", NULL, 0, 100, NULL);
	inside->results[1] = viso_sandbox_close(viso_guest_sandbox(inside->guest));
	inside->results[2] = viso_guest_cancel(NULL);
	/* Another guest may run from within. */
	viso_command *command = new_command("/asker", "ask", "999", NULL);
	viso_result *result = NULL;
	inside->results[3] = viso_sandbox_run(viso_guest_sandbox(inside->other), command, &result);
	inside->results[4] = viso_result_exit_code(result);
	viso_result_unref(result);
	viso_command_unref(command);
	return 5;
}

static void test_re_entrancy(void **state)
{
	need_kvm();
	struct inside inside = {.guest = new_guest(*state, 0), .other = new_guest(*state, 0)};
	assert_ok(viso_guest_set_hypercall_handler(inside.guest, OTHER, misuse, &inside, NULL));
	viso_command *command = new_command("/asker", "ready", NULL);
	assert_ok(viso_guest_initialise(inside.guest, command, NULL));
	viso_command_unref(command);
	const uint64_t args[2] = {OTHER};
	uint64_t value = 0;
	for (int i = 0; i < 3; i++) {
		assert_ok(viso_guest_call(inside.guest, "ask_in_call", args, 2, 60000, &value));
		assert_int_equal(value, 5);
		assert_int_equal(inside.results[0], -EBUSY);
		assert_int_equal(inside.results[1], -EDEADLK);
		assert_int_equal(inside.results[2], -EINVAL);
		assert_int_equal(inside.results[3], 0);
		assert_int_equal(inside.results[4], 0);
	}
	viso_guest_unref(inside.guest);
	viso_guest_unref(inside.other);
}

static int64_t stop_from_within(viso_hypercall *hypercall, void *userdata)
{
	struct inside *inside = userdata;
	if (inside->other)
		viso_guest_unref(inside->guest);
	else
		viso_guest_cancel(inside->guest);
	return 1;
}

/* A handler that cancels its own call, or gives the last reference of the guest back, in a call and in a command. */
static void test_ends_from_within(void **state)
{
	need_kvm();
	const uint64_t args[2] = {OTHER};
	for (int i = 0; i < 3; i++) {
		int destroyed = 0;
		struct inside inside = {.guest = new_guest(*state, 0)};
		inside.other = i ? inside.guest : NULL;
		assert_ok(viso_guest_set_hypercall_handler(inside.guest, OTHER, stop_from_within, &inside, NULL));
		assert_ok(viso_guest_set_hypercall_handler(inside.guest, 8, answer_sum, &destroyed, count_destroy));
		if (i == 2) {
			viso_result *result = run_in(inside.guest, new_command("/asker", "ask", "7", NULL));
			assert_reason(result, VISO_REASON_KILLED);
			assert_int_equal(destroyed, 1);
			continue;
		}
		viso_command *command = new_command("/asker", "ready", NULL);
		assert_ok(viso_guest_initialise(inside.guest, command, NULL));
		viso_command_unref(command);
		int r = viso_guest_call(inside.guest, "ask_in_call", args, 2, 60000, NULL);
		assert_int_equal(r, i ? 0 : -ECANCELED);
		if (i == 0)
			viso_guest_unref(inside.guest);
		assert_int_equal(destroyed, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handlers),    cmocka_unit_test(test_settings),
		cmocka_unit_test(test_deferred),    cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_queue),       cmocka_unit_test(test_fds_of_the_queue),
		cmocka_unit_test(test_re_entrancy), cmocka_unit_test(test_ends_from_within),
		cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests_name("guest hypercalls", tests, fixture_setup, fixture_teardown);
}
