/* SPDX-License-Identifier: MIT */
/*
 * test-kernel-many [COUNT]: many computers at once in one process, that several threads pause, ask and end. Without
 * COUNT a moderate number.
 */
#include "kernel_support.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DEFAULT_COUNT = 24, THREADS = 4, ROUNDS = 2, FDS_EACH = 4, THREADS_EACH = 2, COUNTING = 3 };

static unsigned count = DEFAULT_COUNT;

struct computer {
	viso_guest *guest;
	viso_process *process;
	atomic_int times; /* that it was paused */
};

struct crowd {
	struct computer *computers;
	unsigned number; /* of the thread */
	atomic_int *failures;
};

static bool is_ours(const char *thread)
{
	char path[512], name[16] = "";
	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", thread);
	FILE *file = fopen(path, "re");
	bool is_read = file && fgets(name, sizeof(name), file);
	if (file)
		fclose(file);
	return is_read && strncmp(name, "viso-", 5) == 0;
}

/* KVM may have threads of its own in the process. */
static int count_threads(void)
{
	int threads = 0;
	DIR *directory = opendir("/proc/self/task");
	assert_non_null(directory);
	for (const struct dirent *entry; (entry = readdir(directory));)
		threads += entry->d_name[0] != '.' && is_ours(entry->d_name);
	closedir(directory);
	return threads;
}

/*
 * A thread that was joined is listed a moment longer: pthread_join(3) waits for its last word, not for the kernel's.
 * And one that begins takes a moment to its name.
 */
static void assert_threads(int expected)
{
	while (count_threads() != expected)
		usleep(1000);
}

/* Each thread begins elsewhere, so that they meet at some. */
static void *disturb(void *data)
{
	const struct crowd *crowd = data;
	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned i = 0; i < count; i++) {
			struct computer *computer = &crowd->computers[(i + crowd->number * count / THREADS) % count];
			viso_sandbox *sandbox = viso_guest_sandbox(computer->guest);
			bool is_well = viso_sandbox_pause(sandbox) == 1 &&
				       viso_process_usage(computer->process, VISO_USAGE_MEMORY) > 0 &&
				       viso_guest_traffic(computer->guest, VISO_DEVICE_SERIAL, 0,
							  VISO_TRAFFIC_BYTES_TO_GUEST) == 0 &&
				       viso_sandbox_resume(sandbox) == 1;
			atomic_fetch_add(&computer->times, 1);
			if (!is_well)
				atomic_fetch_add(crowd->failures, 1);
		}
	return NULL;
}

/* All of them at once, from each thread: who comes first decides. */
static void *end(void *data)
{
	const struct crowd *crowd = data;
	for (unsigned i = 0; i < count; i++) {
		const struct computer *computer = &crowd->computers[i];
		int r = i % 2 ? viso_guest_press_reset_button(computer->guest) : viso_process_kill(computer->process);
		if (r < 0 && viso_process_wait(computer->process, -1, NULL) < 0)
			atomic_fetch_add(crowd->failures, 1);
	}
	return NULL;
}

static void in_threads(struct computer *computers, void *(*run)(void *data))
{
	pthread_t threads[THREADS];
	struct crowd crowds[THREADS];
	atomic_int failures = 0;
	for (unsigned i = 0; i < THREADS; i++) {
		crowds[i] = (struct crowd){.computers = computers, .number = i, .failures = &failures};
		assert_int_equal(pthread_create(&threads[i], NULL, run, &crowds[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(failures, 0);
}

static void start(struct computer *computer, const char *image)
{
	computer->guest = viso_guest_new();
	assert_non_null(computer->guest);
	assert_ok(viso_guest_set_flat_image(computer->guest, image, CODE));
	assert_ok(viso_guest_set_memory_max(computer->guest, 4 << 20));
	assert_ok(viso_guest_boot(computer->guest, NULL, &computer->process));
}

static void assert_end(struct computer *computer, bool is_reset)
{
	viso_result *result = kernel_wait(computer->process);
	assert_int_equal(viso_result_reason(result), is_reset ? VISO_REASON_EXITED : VISO_REASON_KILLED);
	assert_int_equal(viso_result_exit_code(result), is_reset ? 1 : -1);
	viso_result_unref(result);
	viso_guest_unref(computer->guest);
}

static bool allow_fds(unsigned wanted)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	return limit.rlim_max >= wanted && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void test_many(void **state)
{
	struct kernel_fixture *fixture = *state;
	const unsigned char halted[] = {HALT}, counting[] = {0x40, 0xeb, 0xfd}; /* inc ax; jmp */
	need_kvm();
	skip_without(allow_fds(count * FDS_EACH + 100), "so many fds");
	alarm(280);
	char *idle = kernel_write(fixture, "idle", halted, sizeof(halted)),
	     *busy = kernel_write(fixture, "busy", counting, sizeof(counting));
	struct computer *computers = calloc(count, sizeof(*computers));
	int threads = count_threads();
	assert_non_null(computers);
	/* What the first one makes once for all. */
	start(&computers[0], idle);
	assert_ok(viso_process_kill(computers[0].process));
	assert_end(&computers[0], false);
	int fds = support_count_fds();
	assert_threads(threads);
	for (unsigned i = 0; i < count; i++)
		start(&computers[i], i < COUNTING ? busy : idle);
	assert_int_equal(support_count_fds(), fds + (int)count * FDS_EACH);
	assert_threads(threads + (int)count * THREADS_EACH);
	in_threads(computers, disturb);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(computers[i].times, THREADS * ROUNDS);
	in_threads(computers, end);
	for (unsigned i = 0; i < count; i++)
		assert_end(&computers[i], i % 2);
	assert_int_equal(support_count_fds(), fds);
	assert_threads(threads);
	free(computers);
	free(idle);
	free(busy);
}

static void *start_again(void *sandbox)
{
	/* Its computer switches itself off, or the sandbox is closed: it never succeeds. */
	int r = viso_sandbox_start(sandbox);
	return r < 0 ? NULL : sandbox;
}

/* What is left of the computer before is released by one of the two. AddressSanitizer sees where it is by both. */
static void test_closed_while_it_starts_again(void **state)
{
	enum { TIMES = 40, STEPS = 20, STEP_US = 50 };
	struct kernel_fixture *fixture = *state;
	need_kvm();
	for (useconds_t i = 0; i < TIMES; i++) {
		pthread_t thread;
		void *started;
		const unsigned char code[] = {POWER_OFF32};
		fixture->guest = viso_guest_unref(fixture->guest);
		fixture->guest = viso_guest_new();
		assert_non_null(fixture->guest);
		kernel_set_multiboot(fixture, code, sizeof(code));
		viso_sandbox *sandbox = viso_guest_sandbox(fixture->guest);
		assert_fails(viso_sandbox_start(sandbox), EPIPE, VISO_STAGE_GUEST, "agent");
		while (viso_guest_traffic(fixture->guest, VISO_DEVICE_SERIAL, 0, VISO_TRAFFIC_BYTES_TO_GUEST) >= 0)
			usleep(STEP_US);
		assert_int_equal(pthread_create(&thread, NULL, start_again, sandbox), 0);
		usleep(i % STEPS * STEP_US);
		assert_ok(viso_sandbox_close(sandbox));
		assert_int_equal(pthread_join(thread, &started), 0);
		assert_null(started);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_closed_while_it_starts_again, kernel_setup, kernel_teardown),
	};
	if (argc > 1)
		count = (unsigned)strtoul(argv[1], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
