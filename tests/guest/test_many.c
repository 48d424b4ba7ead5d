/* SPDX-License-Identifier: MIT */
/*
 * test-guest-many [COUNT]: hundreds of clones of one snapshot at once, or up to two thousand. Several threads make them
 * and give them back, so that on a busy machine they get on where one alone would not. Each machine costs more than the
 * one before: KVM_CREATE_VM locks all mappings of the process (mm_take_all_locks() of mm/vma.c).
 */
#include "guest_support.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { COUNT_MAX = 2000, THREADS = 8, EACH_MAX = COUNT_MAX / THREADS, SECONDS = 280 };

static int each = 500 / THREADS;

static struct {
	viso_snapshot *snapshot;
	pthread_barrier_t all_are_made;
	struct worker {
		pthread_t thread;
		viso_guest *clones[EACH_MAX];
		int made, error, wrong;
	} workers[THREADS];
} many;

/* Calls each seventh: the first, and whoever else was made when most of the others were there. */
static void call_some(struct worker *worker)
{
	uint64_t value, argument = 0;
	for (int i = 0; i < worker->made; i += 7)
		worker->wrong +=
			viso_guest_call(worker->clones[i], "count", &argument, 1, 60000, &value) < 0 || value != 2;
}

static void *make_and_call(void *data)
{
	struct worker *worker = data;
	while (worker->made < each && !worker->error)
		if (viso_snapshot_clone(many.snapshot, &worker->clones[worker->made]) == 0)
			worker->made++;
		else
			worker->error = viso_error_number();
	pthread_barrier_wait(&many.all_are_made);
	call_some(worker);
	pthread_barrier_wait(&many.all_are_made);
	for (int i = 0; i < worker->made; i++)
		viso_guest_unref(worker->clones[i]);
	return NULL;
}

static long long memory_available(void)
{
	char line[128];
	long long kib = 0;
	FILE *file = fopen("/proc/meminfo", "re");
	while (file && !kib && fgets(line, sizeof(line), file))
		if (!strncmp(line, "MemAvailable:", 13))
			kib = strtoll(line + 13, NULL, 10);
	if (file)
		fclose(file);
	return kib >> 10;
}

static void test_many_at_once(void **state)
{
	struct rlimit files;
	const int count = each * THREADS;
	need_kvm();
	support_time_limit(SECONDS);
	getrlimit(RLIMIT_NOFILE, &files);
	skip_without(files.rlim_max >= (rlim_t)(2 * count + 200), "4,200 open files (ulimit -Hn)");
	skip_without(memory_available() >= count + 500, "2.5 GiB of free memory");
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	viso_guest *guest = initialised(*state, "/frozen-static", "plain", 0);
	assert_ok(viso_guest_snapshot(guest, &many.snapshot));
	int fds = support_count_fds();
	pthread_barrier_init(&many.all_are_made, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&many.workers[i].thread, NULL, make_and_call, &many.workers[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(many.workers[i].thread, NULL);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(many.workers[i].error, 0);
		assert_int_equal(many.workers[i].made, each);
		assert_int_equal(many.workers[i].wrong, 0);
	}
	/* The snapshot keeps four. */
	assert_in_range(support_count_fds(), fds, fds + 4 * 3);
	assert_int_equal(call(guest, "count", 0), 2);
	viso_guest_unref(guest);
	viso_snapshot_unref(many.snapshot);
	pthread_barrier_destroy(&many.all_are_made);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_at_once)};
	if (argc == 2)
		each = atoi(argv[1]) / THREADS;
	if (each < 1 || each > EACH_MAX)
		return 2;
	return cmocka_run_group_tests_name("guest many", tests, fixture_setup, fixture_teardown);
}
