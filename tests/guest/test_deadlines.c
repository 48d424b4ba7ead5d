/* SPDX-License-Identifier: MIT */
/* Time limits of guests that are called again and again, which a thread of the library's keeps: lib/guest/vm/watch.h.
 */
#include "guest_support.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* More than those that have a timer each. */
enum { CALLS = 40, LONG_MS = 20000, TIME_LIMIT_S = 100 };

static void call_often(viso_guest *guest)
{
	for (int i = 0; i < CALLS; i++)
		assert_ok(viso_guest_call(guest, "count", NULL, 0, LONG_MS, NULL));
}

/* It can be reset to where it has been called often. */
static viso_guest *called_often(struct fixture *fixture)
{
	viso_snapshot *snapshot = NULL;
	viso_guest *guest = initialised(fixture, "/callee", "ready", 0);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	viso_snapshot_unref(snapshot);
	call_often(guest);
	return guest;
}

static void check_end(viso_guest *guest, int result)
{
	viso_result *end = NULL;
	assert_ok(viso_guest_last_result(guest, &end));
	assert_reason(end, result == -ETIMEDOUT ? VISO_REASON_TIMED_OUT : VISO_REASON_KILLED);
	assert_ok(viso_guest_reset(guest));
}

/* A time that is over, one that is short, and one that ends before that for which the thread sleeps. */
static void test_times(void **state)
{
	static const char *const symbols[] = {"spin", "sleep_long"};
	need_kvm();
	viso_guest *guest = called_often(*state);
	for (int i = 0; i < 60; i++) {
		int r = viso_guest_call(guest, symbols[i % 2], NULL, 0, i % 5, NULL);
		assert_int_equal(r, -ETIMEDOUT);
		check_end(guest, r);
		assert_ok(viso_guest_call(guest, "count", NULL, 0, i % 3 ? LONG_MS : -1, NULL));
	}
	viso_guest_unref(guest);
}

struct caller {
	viso_guest *guest;
	unsigned seed;
	int failures;
};

/* None ends another's call, and none is missed. */
static void *time_out_often(void *data)
{
	struct caller *caller = data;
	for (int i = 0; i < 25; i++) {
		int r = viso_guest_call(caller->guest, "spin", NULL, 0, rand_r(&caller->seed) % 20, NULL);
		caller->failures += r != -ETIMEDOUT || viso_guest_reset(caller->guest) < 0;
		for (int n = rand_r(&caller->seed) % 10; n > 0; n--)
			caller->failures += viso_guest_call(caller->guest, "count", NULL, 0, LONG_MS, NULL) < 0;
	}
	return NULL;
}

static void test_many_guests(void **state)
{
	enum { GUESTS = 6 };
	need_kvm();
	struct caller callers[GUESTS];
	pthread_t threads[GUESTS];
	for (unsigned i = 0; i < GUESTS; i++)
		callers[i] = (struct caller){called_often(*state), i + 1, 0};
	for (int i = 0; i < GUESTS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, time_out_often, &callers[i]), 0);
	for (int i = 0; i < GUESTS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(callers[i].failures, 0);
		viso_guest_unref(callers[i].guest);
	}
}

struct canceller {
	viso_guest *guest;
	atomic_int round;
	atomic_int cancelled; /* the last round in which a call was told to be */
};

static void *cancel_in_rounds(void *data)
{
	struct canceller *canceller = data;
	unsigned seed = 3;
	for (int round = 1, now; (now = atomic_load(&canceller->round)) >= 0;) {
		if (now < round)
			continue;
		for (volatile int i = rand_r(&seed) % 200000; i > 0; i--)
			;
		if (viso_guest_cancel(canceller->guest) == 1)
			atomic_store(&canceller->cancelled, now);
		round = now + 1;
	}
	return NULL;
}

/* Cancels that meet deadlines: one of both ends the call, and no wake-up that comes late ends the next one. */
static void test_cancels_beside_deadlines(void **state)
{
	enum { ROUNDS = 400 };
	int ends[2] = {0};
	need_kvm();
	struct canceller canceller = {.guest = called_often(*state)};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, cancel_in_rounds, &canceller), 0);
	for (int round = 1; round <= ROUNDS; round++) {
		atomic_store(&canceller.round, round);
		int r = viso_guest_call(canceller.guest, round % 2 ? "spin" : "sleep_long", NULL, 0, round % 4 / 2,
					NULL);
		assert_true(r == -ETIMEDOUT || r == -ECANCELED);
		ends[r == -ECANCELED]++;
		check_end(canceller.guest, r);
		int again = viso_guest_call(canceller.guest, "count", NULL, 0, LONG_MS, NULL);
		/* The round's cancel may meet this one. */
		if (again == -ECANCELED)
			check_end(canceller.guest, again);
		else
			assert_int_equal(again, 0);
	}
	atomic_store(&canceller.round, -1);
	pthread_join(thread, NULL);
	print_message("# %d timed out, %d cancelled\n", ends[0], ends[1]);
	viso_guest_unref(canceller.guest);
}

/* KVM has threads of its own in the process. The last one is put to `*out`. */
static int find_threads(pid_t *out)
{
	int count = 0;
	DIR *tasks = opendir("/proc/self/task");
	for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
		char path[64], name[32] = "";
		snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", entry->d_name);
		FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		bool is_one = file && fgets(name, sizeof(name), file) && !strcmp(name, "viso-deadlines\n");
		if (is_one)
			*out = atoi(entry->d_name);
		count += is_one;
		if (file)
			fclose(file);
	}
	if (tasks)
		closedir(tasks);
	return count;
}

static int count_threads(void)
{
	pid_t thread;
	return find_threads(&thread);
}

/* One that has been joined may still be counted for a moment. */
static void check_threads(int wanted)
{
	await_that(count_threads() == wanted);
}

/* One for all guests, which goes with the last of them. */
static void test_the_thread(void **state)
{
	need_kvm();
	check_threads(0);
	for (int round = 0; round < 3; round++) {
		viso_guest *guests[3];
		for (int i = 0; i < 3; i++) {
			guests[i] = called_often(*state);
			check_threads(1);
		}
		for (int i = 0; i < 3; i++)
			viso_guest_unref(guests[i]);
		check_threads(0);
	}
}

/* With handles of its own; its end is not that of a test. */
static bool child_is_right(void)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/callee", getenv("VISO_TEST_PROBES"));
	viso_root *root = viso_root_new();
	viso_guest *guest = viso_guest_new();
	viso_command *command = viso_command_new("/callee");
	bool right = viso_root_add_file(root, path, "/callee") == 0 && viso_guest_set_root(guest, root) == 0 &&
		     viso_command_add_arg(command, "ready") == 0 && viso_guest_initialise(guest, command, NULL) == 0;
	for (int i = 0; i < CALLS && right; i++)
		right = viso_guest_call(guest, "count", NULL, 0, LONG_MS, NULL) == 0;
	right = right && viso_guest_call(guest, "spin", NULL, 0, 5, NULL) == -ETIMEDOUT;
	viso_guest_unref(guest);
	viso_command_unref(command);
	viso_root_unref(root);
	return right;
}

/* The thread is the parent's alone. */
static void test_after_a_fork(void **state)
{
	need_kvm();
	skip_without(MALLOC_SURVIVES_FORK, "a malloc that works in the fork of a process with threads");
	viso_guest *guest = called_often(*state);
	pid_t child = fork();
	if (child == 0) {
		support_time_limit(TIME_LIMIT_S);
		viso_guest_unref(guest);
		_exit(child_is_right() ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(viso_guest_call(guest, "spin", NULL, 0, 5, NULL), -ETIMEDOUT);
	viso_guest_unref(guest);
}

static void *spin_with_priority(void *data)
{
	struct caller *caller = data;
	const struct sched_param parameters = {.sched_priority = 1};
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0 ||
	    pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters) != 0) {
		caller->failures = -1;
		return NULL;
	}
	for (int i = 0; i < CALLS; i++)
		caller->failures += viso_guest_call(caller->guest, "count", NULL, 0, LONG_MS, NULL) < 0;
	caller->failures += viso_guest_call(caller->guest, "spin", NULL, 0, 20, NULL) != -ETIMEDOUT;
	return NULL;
}

/* On its processor nothing else runs meanwhile. */
static void test_of_realtime_priority(void **state)
{
	need_kvm();
	struct caller caller = {.guest = called_often(*state)};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, spin_with_priority, &caller), 0);
	pthread_join(thread, NULL);
	viso_guest_unref(caller.guest);
	skip_without(caller.failures >= 0, "real-time priority");
	assert_int_equal(caller.failures, 0);
}

/* Calls on one processor, and says how late it may be woken: by hours. */
static void *call_with_slack(void *data)
{
	const unsigned long hours_ns = 36000ul * 1000000000;
	struct caller *caller = data;
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	caller->failures += pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0;
	caller->failures += prctl(PR_SET_TIMERSLACK, hours_ns, 0, 0, 0) != 0;
	for (int i = 0; i < CALLS; i++)
		caller->failures += viso_guest_call(caller->guest, "count", NULL, 0, LONG_MS, NULL) < 0;
	caller->failures += viso_guest_call(caller->guest, "spin", NULL, 0, 20, NULL) != -ETIMEDOUT;
	return NULL;
}

/* The thread is everybody's: of the one that made it it has neither the slack nor the processors. */
static void test_made_by_one_with_slack(void **state)
{
	need_kvm();
	struct caller caller = {.guest = initialised(*state, "/callee", "ready", 0)};
	pthread_t thread;
	pid_t watch = 0;
	cpu_set_t of_process, of_watch;
	check_threads(0);
	assert_int_equal(pthread_create(&thread, NULL, call_with_slack, &caller), 0);
	pthread_join(thread, NULL);
	assert_int_equal(caller.failures, 0);
	assert_int_equal(find_threads(&watch), 1);
	assert_int_equal(sched_getaffinity(getpid(), sizeof(of_process), &of_process), 0);
	assert_int_equal(sched_getaffinity(watch, sizeof(of_watch), &of_watch), 0);
	assert_true(CPU_EQUAL(&of_process, &of_watch));
	viso_guest_unref(caller.guest);
}

static void *call_nicely(void *data)
{
	struct caller *caller = data;
	caller->failures += setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + 1) != 0;
	for (int i = 0; i < CALLS; i++)
		caller->failures += viso_guest_call(caller->guest, "count", NULL, 0, LONG_MS, NULL) < 0;
	caller->failures += viso_guest_call(caller->guest, "spin", NULL, 0, 5, NULL) != -ETIMEDOUT;
	return NULL;
}

/* One that stands back for the others of the process makes no thread that others would wait for. */
static void test_not_made_by_a_nice_one(void **state)
{
	need_kvm();
	struct caller caller = {.guest = initialised(*state, "/callee", "ready", 0)};
	pthread_t thread;
	check_threads(0);
	assert_int_equal(pthread_create(&thread, NULL, call_nicely, &caller), 0);
	pthread_join(thread, NULL);
	assert_int_equal(caller.failures, 0);
	assert_int_equal(count_threads(), 0);
	viso_guest_unref(caller.guest);
}

/* Of a control group of threads, of version 1, which goes again. */
struct group {
	char path[64];
	char tasks[80];
};

static bool write_thread(const char *path)
{
	FILE *file = fopen(path, "we");
	bool is_open = file;
	bool right = is_open && fprintf(file, "%d", gettid()) > 0;
	return (!is_open || fclose(file) == 0) && right;
}

struct elsewhere {
	struct caller caller;
	struct group group;
};

static void *call_elsewhere(void *data)
{
	struct elsewhere *elsewhere = data;
	elsewhere->caller.failures += !write_thread(elsewhere->group.tasks);
	for (int i = 0; i < CALLS; i++)
		elsewhere->caller.failures +=
			viso_guest_call(elsewhere->caller.guest, "count", NULL, 0, LONG_MS, NULL) < 0;
	elsewhere->caller.failures += viso_guest_call(elsewhere->caller.guest, "spin", NULL, 0, 5, NULL) != -ETIMEDOUT;
	elsewhere->caller.failures += !write_thread("/sys/fs/cgroup/cpu/tasks");
	return NULL;
}

/* One of a control group of its own, which may be frozen, makes no thread that others would wait for. */
static void test_not_made_by_one_of_another_group(void **state)
{
	need_kvm();
	struct elsewhere elsewhere = {.caller.guest = NULL};
	struct group *group = &elsewhere.group;
	pthread_t thread;
	snprintf(group->path, sizeof(group->path), "/sys/fs/cgroup/cpu/viso-test-deadlines-%d", getpid());
	snprintf(group->tasks, sizeof(group->tasks), "%s/tasks", group->path);
	skip_without(access("/sys/fs/cgroup/cpu/tasks", W_OK) == 0 && mkdir(group->path, 0755) == 0,
		     "control groups of version 1");
	elsewhere.caller.guest = initialised(*state, "/callee", "ready", 0);
	check_threads(0);
	assert_int_equal(pthread_create(&thread, NULL, call_elsewhere, &elsewhere), 0);
	pthread_join(thread, NULL);
	int threads = count_threads();
	viso_guest_unref(elsewhere.caller.guest);
	await_that(rmdir(group->path) == 0);
	assert_int_equal(elsewhere.caller.failures, 0);
	assert_int_equal(threads, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_many_guests),
		cmocka_unit_test(test_cancels_beside_deadlines),
		cmocka_unit_test(test_the_thread),
		cmocka_unit_test(test_after_a_fork),
		cmocka_unit_test(test_of_realtime_priority),
		cmocka_unit_test(test_made_by_one_with_slack),
		cmocka_unit_test(test_not_made_by_a_nice_one),
		cmocka_unit_test(test_not_made_by_one_of_another_group),
	};
	support_time_limit(TIME_LIMIT_S);
	return cmocka_run_group_tests_name("guest deadlines", tests, fixture_setup, fixture_teardown);
}
