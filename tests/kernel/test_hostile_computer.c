/* SPDX-License-Identifier: MIT */
/*
 * What runs a contained computer is taken over from its start on (hostile_computer.c, which this program carries in the
 * place of the library's own): the host gets a result that is documented, in time, and nothing stays behind.
 */
#include "kernel_support.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	sem_t is_called;
	int seen;
} all;

static int64_t read_memory(viso_hypercall *hypercall, void *data)
{
	uint64_t address = 0, size = 0;
	char buffer[4096];
	assert_ok(viso_hypercall_argument(hypercall, 0, &address));
	assert_ok(viso_hypercall_argument(hypercall, 1, &size));
	sem_post(&all.is_called);
	all.seen = viso_hypercall_read(hypercall, address, buffer, size < sizeof(buffer) ? (size_t)size : 0);
	return all.seen;
}

static void set_behaviour(struct kernel_fixture *fixture, const char *what)
{
	need_kvm();
	viso_guest_unref(fixture->guest);
	fixture->guest = viso_guest_new();
	assert_non_null(fixture->guest);
	set_code(fixture, HALT);
	assert_ok(viso_guest_set_command_line(fixture->guest, what));
	assert_ok(viso_guest_set_placement(fixture->guest, VISO_PLACEMENT_CONTAINED));
	assert_ok(viso_guest_set_hypercall_handler(fixture->guest, 1, read_memory, NULL, NULL));
	sem_init(&all.is_called, 0, 0);
}

/* Once before anything is counted: the launcher's own stay. */
static int count_fds(struct kernel_fixture *fixture)
{
	set_behaviour(fixture, "answers nothing");
	assert_ended(kernel_run(fixture), VISO_REASON_GUEST_FAULT);
	fixture->guest = viso_guest_unref(fixture->guest);
	return support_count_fds();
}

static void assert_nothing_stays(struct kernel_fixture *fixture, int fds)
{
	fixture->guest = viso_guest_unref(fixture->guest);
	assert_int_equal(support_count_fds(), fds);
}

static void assert_tame(const char *text)
{
	assert_null(strchr(text, '\033'));
}

static void test_bad_reports(void **state)
{
	static const struct {
		const char *what;
		int error;
	} cases[] = {
		{"dies", EPROTO}, {"reports little", EPROTO}, {"reports much", EPROTO}, {"reports an error", ENOEXEC}};
	struct kernel_fixture *fixture = *state;
	viso_process *process = NULL;
	const int fds = count_fds(fixture);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_behaviour(fixture, cases[i].what);
		assert_int_equal(viso_guest_boot(fixture->guest, NULL, &process), -cases[i].error);
		assert_null(process);
		assert_int_equal(viso_error_stage(), VISO_STAGE_GUEST);
		assert_tame(viso_error_message());
		assert_tame(viso_error_object());
		assert_nothing_stays(fixture, fds);
	}
}

static void test_bad_answers(void **state)
{
	static const char *const cases[] = {"answers nothing", "answers little", "answers nonsense"};
	struct kernel_fixture *fixture = *state;
	const int fds = count_fds(fixture);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_behaviour(fixture, cases[i]);
		viso_result *result = kernel_run(fixture);
		assert_int_equal(viso_result_exit_code(result), -1);
		assert_ended(result, VISO_REASON_GUEST_FAULT);
		assert_nothing_stays(fixture, fds);
	}
}

static void test_lies(void **state)
{
	struct kernel_fixture *fixture = *state;
	uint64_t value = 7;
	const int fds = count_fds(fixture);
	set_behaviour(fixture, "lies");
	viso_guest *guest = fixture->guest;
	viso_process *process = kernel_boot(fixture, NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(viso_guest_traffic(guest, VISO_DEVICE_SERIAL, 0, VISO_TRAFFIC_BYTES_TO_GUEST), 12345);
		assert_fails(viso_guest_set_balloon(guest, 4096), EPROTO, VISO_STAGE_GUEST, "viso_guest_set_balloon");
		assert_fails(viso_guest_memory_figure(guest, VISO_MEMORY_BALLOON, &value), 5, VISO_STAGE_GUEST,
			     "viso_guest_memory_figure");
		assert_tame(viso_error_message());
	}
	assert_int_equal(value, 7);
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	assert_fails((int)viso_guest_traffic(guest, VISO_DEVICE_SERIAL, 0, VISO_TRAFFIC_BYTES_TO_GUEST), ESRCH,
		     VISO_STAGE_GUEST, "");
	assert_nothing_stays(fixture, fds);
}

/* Who asks waits for ten seconds at most; the host's time limit ends it. */
static void test_silence(void **state)
{
	struct kernel_fixture *fixture = *state;
	const int fds = count_fds(fixture);
	set_behaviour(fixture, "is silent");
	viso_guest *guest = fixture->guest;
	viso_process *process = kernel_boot(fixture, NULL);
	assert_fails(viso_guest_call(guest, "add", NULL, 0, 20, NULL), ETIMEDOUT, VISO_STAGE_GUEST, "");
	assert_fails((int)viso_guest_traffic(guest, VISO_DEVICE_SERIAL, 0, VISO_TRAFFIC_BYTES_TO_GUEST), EAGAIN,
		     VISO_STAGE_PROCESS, "");
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	viso_command *streams = viso_command_new("computer");
	assert_ok(viso_command_set_stdio(streams, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(streams, 100));
	assert_ok(viso_command_set_timeout_ms(streams, 50));
	assert_ended(kernel_wait(kernel_boot(fixture, streams)), VISO_REASON_TIMED_OUT);
	viso_command_unref(streams);
	assert_nothing_stays(fixture, fds);
}

/* A handler reads memory: what it gets for that is an errno. */
static void test_memory_that_is_not_brought(void **state)
{
	struct kernel_fixture *fixture = *state;
	const int fds = count_fds(fixture);
	set_behaviour(fixture, "brings nothing");
	assert_switched_off(kernel_run(fixture), NULL);
	assert_int_equal(all.seen, -ESRCH);
	assert_nothing_stays(fixture, fds);
}

static void test_pages_stay(void **state)
{
	struct kernel_fixture *fixture = *state;
	const int fds = count_fds(fixture);
	set_behaviour(fixture, "takes pages");
	assert_switched_off(kernel_run(fixture), NULL);
	assert_nothing_stays(fixture, fds);
}

/* These handlers may last a little longer than their computers, and keep what they use: no fds are counted. */

static void test_an_end_while_memory_is_awaited(void **state)
{
	struct kernel_fixture *fixture = *state;
	set_behaviour(fixture, "brings silence");
	viso_process *process = kernel_boot(fixture, NULL);
	sem_wait(&all.is_called);
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
}

/* All that a guest could do to its doorbell, and more. */
static void test_pages_full_of_anything(void **state)
{
	struct kernel_fixture *fixture = *state;
	char answer[64];
	set_behaviour(fixture, "scribbles");
	viso_process *process = kernel_boot(fixture, NULL);
	for (int i = 0; i < 20; i++) {
		int64_t n = viso_guest_request(fixture->guest, "request", 7, answer, sizeof(answer), 10);
		assert_true(n <= (int64_t)sizeof(answer));
		assert_true(n >= 0 || n == -ETIMEDOUT || n == -EREMOTEIO || n == -EMSGSIZE || n == -EBUSY);
	}
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
}

/* A snapshot of what says anything: the guest goes on, or is killed, as always. */
static void test_bad_snapshots(void **state)
{
	static const struct {
		const char *what;
		int error;
	} cases[] = {
		{"freezes and dies", ESRCH},
		{"freezes for ever", EAGAIN},
		{"freezes with an error", ENOEXEC},
		{"freezes without sense", EPROTO},
		{"freezes in part", EPROTO},
		{"freezes too much state", EPROTO},
		{"freezes too many devices", EPROTO},
		{"freezes beyond the end", EPROTO},
		{"freezes at the last address", EPROTO},
		{"freezes parts of pages", EPROTO},
		{"freezes between pages", EPROTO},
		{"freezes too much at once", EPROTO},
		{"freezes across chunks", EPROTO},
		{"freezes twice", EPROTO},
		{"freezes backwards", EPROTO},
	};
	struct kernel_fixture *fixture = *state;
	const int fds = count_fds(fixture);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		viso_snapshot *snapshot = NULL;
		set_behaviour(fixture, cases[i].what);
		viso_process *process = kernel_boot(fixture, NULL);
		int r = viso_guest_snapshot(fixture->guest, &snapshot);
		if (r != -cases[i].error)
			fail_msg("%s: %d, %s", cases[i].what, r, viso_error_message());
		assert_null(snapshot);
		assert_int_equal(viso_error_number(), cases[i].error);
		assert_tame(viso_error_message());
		assert_tame(viso_error_object());
		(void)!viso_process_kill(process);
		viso_result_unref(kernel_wait(process));
		assert_nothing_stays(fixture, fds);
	}
}

/* What is taken for a snapshot is for such processes alone, of which none changes what it is for the others. */
static void test_clones_of_anything(void **state)
{
	struct kernel_fixture *fixture = *state;
	const int fds = count_fds(fixture);
	viso_snapshot *snapshot = NULL;
	set_behaviour(fixture, "freezes");
	viso_process *process = kernel_boot(fixture, NULL);
	assert_ok(viso_guest_snapshot(fixture->guest, &snapshot));
	assert_true(viso_snapshot_size(snapshot) >= 2 * 4096);
	for (int i = 0; i < 2; i++) {
		struct kernel_fixture clone = {0};
		assert_ok(viso_snapshot_clone(snapshot, &clone.guest));
		viso_result *result = kernel_wait(kernel_boot(&clone, NULL));
		assert_int_equal(viso_result_exit_code(result), 0);
		assert_ended(result, VISO_REASON_EXITED);
		viso_guest_unref(clone.guest);
	}
	viso_snapshot_unref(snapshot);
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	assert_nothing_stays(fixture, fds);
}

static void test_clones_that_die(void **state)
{
	struct kernel_fixture *fixture = *state;
	const int fds = count_fds(fixture);
	viso_snapshot *snapshot = NULL;
	viso_guest *clone = NULL;
	viso_process *process = NULL;
	set_behaviour(fixture, "freezes, and its clones die");
	viso_process *original = kernel_boot(fixture, NULL);
	assert_ok(viso_guest_snapshot(fixture->guest, &snapshot));
	assert_ok(viso_snapshot_clone(snapshot, &clone));
	viso_snapshot_unref(snapshot);
	assert_fails(viso_guest_boot(clone, NULL, &process), EPROTO, VISO_STAGE_GUEST, "");
	assert_null(process);
	viso_guest_unref(clone);
	assert_ok(viso_process_kill(original));
	assert_ended(kernel_wait(original), VISO_REASON_KILLED);
	assert_nothing_stays(fixture, fds);
}

static int64_t used_us(void)
{
	struct timespec now;
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/*
 * Whoever rings without end has no processor of the host's for that, and is heard all the same. Who hears every ring
 * takes about as long as who rings.
 */
static void test_ringing_without_end(void **state)
{
	struct kernel_fixture *fixture = *state;
	set_behaviour(fixture, "rings");
	viso_process *process = kernel_boot(fixture, NULL);
	for (int i = 0; i < 10; i++)
		assert_int_equal(viso_guest_request(fixture->guest, "request", 7, NULL, 0, 30000), 0);
	const int64_t before = used_us();
	usleep(3000000);
	const int64_t used = used_us() - before;
	assert_ok(viso_process_kill(process));
	viso_result *result = kernel_wait(process);
	int64_t ringing =
		viso_result_usage(result, VISO_USAGE_USER_US) + viso_result_usage(result, VISO_USAGE_SYSTEM_US);
	assert_in_range(used, 0, ringing / 4);
	assert_ended(result, VISO_REASON_KILLED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kernel_setup, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bad_reports),
		TEST(test_bad_answers),
		TEST(test_lies),
		TEST(test_silence),
		TEST(test_memory_that_is_not_brought),
		TEST(test_pages_stay),
		TEST(test_bad_snapshots),
		TEST(test_clones_of_anything),
		TEST(test_clones_that_die),
		TEST(test_an_end_while_memory_is_awaited),
		TEST(test_pages_full_of_anything),
		TEST(test_ringing_without_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
