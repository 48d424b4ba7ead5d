/* SPDX-License-Identifier: MIT */
/* User space of Linux and the host program call each other (doorbell_peer.c), under Debian's cloud kernel. It needs a
 * KVM that runs ring 0: here in the rig. */
#include "kernel_support.h"

#include <errno.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "initramfs.h"

enum { PRICE = 1, MEET = 2, LATER = 3, PATIENCE_MS = 100000, PATIENCE_S = 60 };

static const char script[] = "grep VISO0001 /proc/iomem /proc/ioports\n"
			     "ls /sys/bus/acpi/devices | grep VISO\n"
			     "/bin/doorbell-peer\n"
			     "poweroff -f\n";

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int there;
	viso_hypercall *later;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Whoever is here waits for the other. */
static int64_t meet(viso_hypercall *hypercall, void *data)
{
	struct timespec until;
	int error = 0;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&all.lock);
	all.there++;
	pthread_cond_broadcast(&all.changed);
	while (all.there < 2 && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&all.changed, &all.lock, &until);
	pthread_mutex_unlock(&all.lock);
	return error == ETIMEDOUT ? -ETIMEDOUT : 42;
}

/* Answers with bytes: what was asked for, and how much it is. */
static int64_t tell_price(viso_hypercall *hypercall, void *data)
{
	uint64_t args[4];
	char thing[16] = {0}, answer[32];
	for (unsigned i = 0; i < 4; i++)
		assert_ok(viso_hypercall_argument(hypercall, i, &args[i]));
	if (args[1] >= sizeof(thing) || viso_hypercall_read(hypercall, args[0], thing, args[1]) < 0)
		return -EFAULT;
	int size = snprintf(answer, sizeof(answer), "%s cost 3", thing);
	assert_true((uint64_t)size < args[3]);
	assert_ok(viso_hypercall_write(hypercall, args[2], answer, (size_t)size));
	return size;
}

static int64_t put_off(viso_hypercall *hypercall, void *data)
{
	assert_ok(viso_hypercall_defer(hypercall));
	pthread_mutex_lock(&all.lock);
	all.later = viso_hypercall_ref(hypercall);
	pthread_cond_broadcast(&all.changed);
	pthread_mutex_unlock(&all.lock);
	return 0;
}

static void answer_later(void)
{
	pthread_mutex_lock(&all.lock);
	while (!all.later)
		pthread_cond_wait(&all.changed, &all.lock);
	pthread_mutex_unlock(&all.lock);
	assert_ok(viso_hypercall_answer(all.later, 77));
	viso_hypercall_unref(all.later);
}

/* The file below the directory where the rig has unpacked the kernel. */
static char *kernel_path(const char *kernel)
{
	char *pattern;
	glob_t found;
	assert_true(asprintf(&pattern, "%s/boot/vmlinu*", kernel) > 0);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	free(pattern);
	char *path = strdup(found.gl_pathv[0]);
	globfree(&found);
	return path;
}

static void prepare(struct kernel_fixture *fixture)
{
	const char *kernel = getenv("VISO_TEST_KERNELS");
	need_kernels();
	skip_without(kernel, "a kernel to boot (see tests/rig)");
	char *image = kernel_path(kernel), *initramfs;
	assert_true(asprintf(&initramfs, "%s/initramfs", fixture->directory) > 0);
	initramfs_write(initramfs, script);
	initramfs_add(initramfs, "bin/doorbell-peer", DOORBELL_PEER);
	assert_ok(viso_guest_set_kernel(fixture->guest, image));
	assert_ok(viso_guest_set_initramfs(fixture->guest, initramfs));
	/* As test_linux.c. */
	assert_ok(viso_guest_set_command_line(fixture->guest, KERNEL_LINE " cryptomgr.notests"));
	assert_ok(viso_guest_set_processors(fixture->guest, 2));
	free(image);
	free(initramfs);
}

static void assert_says(const char *output, const char *text)
{
	if (!strstr(output, text))
		fail_msg("not in the output: %s; it is\n%s", text, output);
}

static void talk(struct kernel_fixture *fixture)
{
	viso_guest *guest = fixture->guest;
	const uint64_t numbers[2] = {40, 2};
	uint64_t sum = 0;
	char answer[16];
	all.there = 0;
	all.later = NULL;
	prepare(fixture);
	assert_ok(viso_guest_set_hypercall_handler(guest, PRICE, tell_price, NULL, NULL));
	assert_ok(viso_guest_set_hypercall_handler(guest, MEET, meet, NULL, NULL));
	assert_ok(viso_guest_set_hypercall_handler(guest, LATER, put_off, NULL, NULL));
	viso_process *process = kernel_boot(fixture, NULL);
	answer_later();
	assert_ok(viso_guest_call(guest, "add", numbers, 2, PATIENCE_MS, &sum));
	assert_int_equal(sum, 42);
	assert_fails(viso_guest_call(guest, "other", NULL, 0, PATIENCE_MS, NULL), ENOENT, VISO_STAGE_GUEST, "other");
	assert_int_equal(viso_guest_request(guest, "echo", 4, answer, sizeof(answer), PATIENCE_MS), 4);
	assert_memory_equal(answer, "echo", 4);
	assert_int_equal(viso_guest_request(guest, "off", 3, answer, sizeof(answer), PATIENCE_MS), 3);
	viso_result *result = kernel_wait(process);
	const char *output = viso_result_output(result, VISO_STDOUT, NULL);
	assert_says(output, "d0100000-d0180fff : VISO0001:00\r\n");
	assert_says(output, "0610-0610 : VISO0001:00\r\n");
	assert_says(output, "met 42 0\r\nlater 77\r\nprice 13 apples cost 3\r\nnowhere -14\r\nend\r\n");
	assert_switched_off(result, NULL);
}

static void test_user_space_calls_and_is_called(void **state)
{
	talk(*state);
}

/* Its two processors ask at once there, too. */
static void test_the_same_in_a_container(void **state)
{
	struct kernel_fixture *fixture = *state;
	need_kernels();
	assert_ok(viso_guest_set_placement(fixture->guest, VISO_PLACEMENT_CONTAINED));
	talk(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_user_space_calls_and_is_called, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_the_same_in_a_container, kernel_setup, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
