/* SPDX-License-Identifier: MIT */
/* The threads of devices that wait for files: here for a test, which lets them go. */
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"
#include "guest/device/virtio/worker.h"
#include "support.h"

enum { TOGETHER = WORKER_HELPERS_MAX + 1, LONG_US = 2000 };

struct device {
	struct worker worker; /* first */
	struct driver *driver;
	pthread_barrier_t barrier;
	atomic_int served;
};

static struct device *device;

/* The first byte says what to do. */
static int64_t serve(struct worker *worker, unsigned queue, const struct chain *chain)
{
	char what = 0;
	chain_read(chain, 0, &what, 1);
	if (what == 's')
		usleep(LONG_US); /* a slow host; how slow is no matter */
	if (what == 'b')
		pthread_barrier_wait(&device->barrier);
	if (what == 'f')
		driver_make_available(device->driver, queue, chain->head); /* again, and for ever */
	if (what == 'x')
		return -EPROTO;
	atomic_fetch_add(&device->served, 1);
	return 0;
}

static void release(struct virtio *virtio)
{
	worker_release(&device->worker);
	pthread_barrier_destroy(&device->barrier);
	free(virtio);
}

static void begin(struct driver *driver, unsigned helpers, const struct rate rates[THROTTLE_KINDS])
{
	static const struct virtio_ops ops = {.id = VIRTIO_ID_BLOCK,
					      .notify = worker_notify,
					      .reset = worker_reset,
					      .start = worker_start,
					      .pause = worker_pause,
					      .stop = worker_stop,
					      .release = release};
	driver_open(driver);
	device = calloc(1, sizeof(*device));
	assert_non_null(device);
	device->driver = driver;
	pthread_barrier_init(&device->barrier, NULL, TOGETHER);
	assert_int_equal(
		virtio_init(&device->worker.virtio, &ops, &driver->ram, driver_interrupt(driver), NULL, 0, 2, 16), 0);
	throttle_init(&device->worker.throttle, rates);
	assert_int_equal(worker_init(&device->worker, helpers, serve), 0);
	driver_take(driver, &device->worker.virtio);
	driver_begin(driver, 0, 1);
}

static void add(struct driver *driver, char what, unsigned count)
{
	const struct part part = {driver_put(driver, &what, 1), 1, false};
	for (unsigned i = 0; i < count; i++)
		driver_add(driver, 0, &part, 1);
}

static void await_used(struct driver *driver, unsigned count)
{
	uint16_t head;
	uint32_t length;
	for (unsigned i = 0; i < count; i++)
		assert_true(driver_wait(driver, 0, &head, &length));
}

/* Those that wait for one another would wait for ever, one after the other. */
static void slow_requests_are_served_together(void **state)
{
	static struct driver driver;
	begin(&driver, WORKER_HELPERS_MAX, (struct rate[THROTTLE_KINDS]){{0}, {0}});
	for (int round = 0; round < 3; round++) {
		add(&driver, 's', 1);
		add(&driver, 'b', TOGETHER);
		driver_kick(&driver, 0);
		await_used(&driver, TOGETHER + 1);
	}
	assert_int_equal(device->worker.helper_count, WORKER_HELPERS_MAX);
	/* Its threads end, and come again. */
	virtio_stop(&device->worker.virtio);
	assert_int_equal(device->worker.helper_count, 0);
	assert_int_equal(virtio_start(&device->worker.virtio), 0);
	add(&driver, 's', 1);
	add(&driver, 'b', TOGETHER);
	driver_kick(&driver, 0);
	await_used(&driver, TOGETHER + 1);
	driver_close(&driver);
}

static void resets_and_stops_amid_them_lose_nothing_else(void **state)
{
	static struct driver driver;
	begin(&driver, WORKER_HELPERS_MAX, (struct rate[THROTTLE_KINDS]){{0}, {0}});
	uint64_t room = driver.next_free;
	for (int round = 0; round < 30; round++) {
		driver.next_free = room;
		driver_begin(&driver, 0, 1);
		add(&driver, 's', 8);
		driver_kick(&driver, 0);
		if (round % 3 == 0)
			usleep(LONG_US);
		if (round % 2)
			virtio_stop(&device->worker.virtio);
		else
			driver_set(&driver, VIRTIO_MMIO_STATUS, 0);
		int served = atomic_load(&device->served);
		usleep(LONG_US);
		assert_int_equal(atomic_load(&device->served), served);
		if (round % 2)
			assert_int_equal(virtio_start(&device->worker.virtio), 0);
		driver_set(&driver, VIRTIO_MMIO_STATUS, 0);
	}
	/* One that breaks the device while others are under way. */
	driver.next_free = room;
	driver_begin(&driver, 0, 1);
	add(&driver, 's', 4);
	add(&driver, 'x', 1);
	add(&driver, 's', 4);
	driver_kick(&driver, 0);
	for (int i = 0; i < 5000 && !(driver_get(&driver, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET); i++)
		usleep(1000);
	assert_true(driver_get(&driver, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	driver_close(&driver);
}

static void a_rate_holds_for_all_of_them(void **state)
{
	static struct driver driver;
	begin(&driver, WORKER_HELPERS_MAX, (struct rate[THROTTLE_KINDS]){{0}, {200, 2}});
	uint64_t from = throttle_now();
	add(&driver, 's', 12);
	driver_kick(&driver, 0);
	await_used(&driver, 12);
	assert_true(throttle_now() - from >= 10 * UINT64_C(5000000));
	driver_close(&driver);
}

static void feed(struct driver *driver)
{
	const char what = 'f';
	uint16_t head;
	uint32_t length;
	const struct part feeding = {driver_put(driver, &what, 1), 1, false};
	const struct part other = {driver_room(driver, 1), 1, false};
	driver_begin(driver, 0, 2);
	driver_add(driver, 0, &feeding, 1);
	driver_add(driver, 1, &other, 1);
	driver_kick(driver, 0);
	assert_true(driver_wait(driver, 1, &head, &length));
}

/* Its other queue is served, and it stops and is reset as others. */
static void a_ring_that_feeds_itself_holds_up_nothing_else(void **state)
{
	static struct driver driver;
	begin(&driver, 1, (struct rate[THROTTLE_KINDS]){{0}, {0}});
	driver_set(&driver, VIRTIO_MMIO_STATUS, 0);
	feed(&driver);
	driver_set(&driver, VIRTIO_MMIO_STATUS, 0);
	int served = atomic_load(&device->served);
	feed(&driver);
	assert_true(atomic_load(&device->served) > served);
	virtio_pause(&device->worker.virtio);
	served = atomic_load(&device->served);
	assert_int_equal(virtio_start(&device->worker.virtio), 0);
	while (atomic_load(&device->served) == served)
		usleep(LONG_US);
	virtio_stop(&device->worker.virtio);
	driver_close(&driver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow_requests_are_served_together),
		cmocka_unit_test(resets_and_stops_amid_them_lose_nothing_else),
		cmocka_unit_test(a_rate_holds_for_all_of_them),
		cmocka_unit_test(a_ring_that_feeds_itself_holds_up_nothing_else),
	};
	return cmocka_run_group_tests_name("virtio-worker", tests, NULL, NULL);
}
