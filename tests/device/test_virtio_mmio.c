/* SPDX-License-Identifier: MIT */
/* The registers of a virtio device, and what a driver may do to them when. */
#include <errno.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"
#include "guest/device/virtio/rng.h"
#include "support.h"

static int set_up(void **state)
{
	static struct driver driver;
	struct virtio *rng;
	driver_open(&driver);
	assert_int_equal(virtio_rng_new(&driver.ram, driver_interrupt(&driver), &driver.loop, &rng), 0);
	driver_take(&driver, rng);
	*state = &driver;
	return 0;
}

static int tear_down(void **state)
{
	driver_close(*state);
	return 0;
}

static bool needs_reset(struct driver *driver)
{
	return driver_get(driver, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void it_says_what_it_is(void **state)
{
	struct driver *driver = *state;
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_RNG);
	uint64_t features = driver_features(driver);
	assert_true(features & BIT(VIRTIO_F_VERSION_1));
	assert_true(features & BIT(VIRTIO_RING_F_INDIRECT_DESC));
	assert_true(features & BIT(VIRTIO_RING_F_EVENT_IDX));
	driver_set(driver, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 7);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_DEVICE_FEATURES), 0);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_SHM_LEN_HIGH), UINT32_MAX);
	driver_set(driver, VIRTIO_MMIO_QUEUE_SEL, 1);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	driver_set(driver, VIRTIO_MMIO_QUEUE_SEL, UINT32_MAX);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
}

static void features_that_were_not_offered_are_refused(void **state)
{
	struct driver *driver = *state;
	assert_false(driver_negotiate(driver, BIT(5)));
	assert_false(driver_negotiate(driver, BIT(40)));
	/* A word beyond those that exist. */
	driver_set(driver, VIRTIO_MMIO_STATUS, 0);
	driver_set(driver, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 2);
	driver_set(driver, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	driver_set(driver, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	driver_set(driver, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	driver_set(driver, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_STATUS), 0);
	/* Without version 1; and what was refused gets no DRIVER_OK either. */
	driver_set(driver, VIRTIO_MMIO_STATUS, 0);
	driver_set(driver, VIRTIO_MMIO_STATUS,
		   VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_STATUS), VIRTIO_CONFIG_S_DRIVER);
	assert_true(driver_negotiate(driver, 0));
}

static void features_are_fixed_once_they_are_taken(void **state)
{
	struct driver *driver = *state;
	assert_true(driver_negotiate(driver, 0));
	driver_set(driver, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	driver_set(driver, VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX);
	driver_add_queue(driver, 0, 16);
	driver_go(driver);
	assert_int_equal(driver->device->accepted, BIT(VIRTIO_F_VERSION_1));
	assert_true(driver_get(driver, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_DRIVER_OK);
}

static void other_widths_do_nothing(void **state)
{
	struct driver *driver = *state;
	uint64_t value = 0;
	for (unsigned size = 1; size <= 8; size++) {
		if (size == 4)
			continue;
		memset(&value, 0, sizeof(value));
		bus_read(&driver->bus, DRIVER_BASE, &value, size);
		assert_int_equal(value, size == 8 ? UINT64_MAX : BIT(8 * size) - 1);
		value = VIRTIO_CONFIG_S_ACKNOWLEDGE;
		bus_write(&driver->bus, DRIVER_BASE + VIRTIO_MMIO_STATUS, &value, size);
		assert_int_equal(driver_get(driver, VIRTIO_MMIO_STATUS), 0);
	}
	uint32_t odd = 1;
	bus_write(&driver->bus, DRIVER_BASE + VIRTIO_MMIO_STATUS + 1, &odd, sizeof(odd));
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_STATUS), 0);
}

static void queues_that_cannot_be_need_a_reset(void **state)
{
	struct driver *driver = *state;
	static const struct {
		uint32_t size;
		uint64_t table, available, used;
	} bad[] = {
		{0, 0x1000, 0x2000, 0x3000},           {3, 0x1000, 0x2000, 0x3000},
		{32, 0x1000, 0x2000, 0x3000},          {UINT32_MAX, 0x1000, 0x2000, 0x3000},
		{16, 0x1008, 0x2000, 0x3000},          {16, 0x1000, 0x2001, 0x3000},
		{16, 0x1000, 0x2000, 0x3002},          {16, LOW_SIZE - 16, 0x2000, 0x3000},
		{16, 0x1000, LOW_SIZE - 2, 0x3000},    {16, 0x1000, 0x2000, LOW_SIZE - 4},
		{16, UINT64_MAX - 15, 0x2000, 0x3000}, {16, 0x1000, 0x2000, 0xd0000000},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(driver_negotiate(driver, 0));
		driver_set(driver, VIRTIO_MMIO_QUEUE_SEL, 0);
		driver_set(driver, VIRTIO_MMIO_QUEUE_NUM, bad[i].size);
		const uint64_t addresses[] = {bad[i].table, bad[i].available, bad[i].used};
		for (unsigned j = 0; j < 3; j++) {
			driver_set(driver, VIRTIO_MMIO_QUEUE_DESC_LOW + 0x10 * j, (uint32_t)addresses[j]);
			driver_set(driver, VIRTIO_MMIO_QUEUE_DESC_HIGH + 0x10 * j, (uint32_t)(addresses[j] >> 32));
		}
		assert_false(needs_reset(driver));
		driver_set(driver, VIRTIO_MMIO_QUEUE_READY, 1);
		assert_int_equal(driver_get(driver, VIRTIO_MMIO_QUEUE_READY), 0);
		assert_true(needs_reset(driver));
		driver_go(driver);
		driver_kick(driver, 0);
	}
	driver_set(driver, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_STATUS), 0);
	driver_begin(driver, 0, 1);
}

static void queues_are_fixed_from_driver_ok_on(void **state)
{
	struct driver *driver = *state;
	driver_begin(driver, 0, 1);
	struct virtqueue before = driver->device->queues[0];
	for (unsigned offset = VIRTIO_MMIO_QUEUE_NUM; offset <= VIRTIO_MMIO_QUEUE_USED_HIGH; offset += 4)
		if (offset != VIRTIO_MMIO_QUEUE_NOTIFY && offset != VIRTIO_MMIO_STATUS)
			driver_set(driver, offset, 0x40);
	driver_set(driver, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_memory_equal(&before, &driver->device->queues[0], sizeof(before));
	/* A second set-up after a reset is a new one. */
	driver_begin(driver, 0, 1);
	assert_true(driver->device->queues[0].descriptors != before.descriptors);
}

static void queues_are_not_enabled_before_the_features_are_known(void **state)
{
	struct driver *driver = *state;
	driver_set(driver, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER);
	driver_add_queue(driver, 0, 16);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_false(needs_reset(driver));
}

static void a_queue_twice_made_ready_stays_as_it_was(void **state)
{
	struct driver *driver = *state;
	assert_true(driver_negotiate(driver, 0));
	driver_add_queue(driver, 0, 16);
	uint64_t first = driver->queues[0].table;
	driver_add_queue(driver, 0, 8);
	assert_int_equal(driver->device->queues[0].descriptors, first);
	assert_int_equal(driver->device->queues[0].size, 16);
	/* Taken back, it can be made anew. */
	driver_set(driver, VIRTIO_MMIO_QUEUE_READY, 0);
	driver_add_queue(driver, 0, 8);
	assert_int_equal(driver->device->queues[0].size, 8);
}

static void interrupts_are_acknowledged(void **state)
{
	struct driver *driver = *state;
	driver_begin(driver, 0, 1);
	const struct part part = {driver_room(driver, 64), 64, true};
	assert_int_equal(driver_do(driver, 0, &part, 1), 64);
	assert_int_equal(driver->interrupts, 1);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	driver_set(driver, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	assert_true(driver->is_high);
	driver_set(driver, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	assert_false(driver->is_high);
	driver_do(driver, 0, &part, 1);
	assert_true(driver->is_high);
	driver_set(driver, VIRTIO_MMIO_STATUS, 0);
	assert_false(driver->is_high);
}

static void a_broken_ring_interrupts_and_needs_a_reset(void **state)
{
	struct driver *driver = *state;
	driver_begin(driver, 0, 1);
	driver_make_available(driver, 0, 16);
	driver_kick(driver, 0);
	assert_true(needs_reset(driver));
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	assert_int_equal(driver->interrupts, 1);
	/* It stays silent, and works again after a reset. */
	driver_kick(driver, 0);
	assert_false(driver_is_used(driver, 0));
	driver_begin(driver, 0, 1);
	const struct part part = {driver_room(driver, 64), 64, true};
	assert_int_equal(driver_do(driver, 0, &part, 1), 64);
}

static void a_notification_that_is_too_early_is_none(void **state)
{
	struct driver *driver = *state;
	assert_true(driver_negotiate(driver, 0));
	driver_add_queue(driver, 0, 16);
	const struct part part = {driver_room(driver, 64), 64, true};
	driver_add(driver, 0, &part, 1);
	driver_kick(driver, 0);
	assert_false(driver_is_used(driver, 0));
	/* But it is looked at when the driver is ready. */
	driver_go(driver);
	assert_true(driver_is_used(driver, 0));
	driver_kick(driver, 1);
	driver_kick(driver, UINT32_MAX);
}

static void a_doorbell_notifies(void **state)
{
	struct driver *driver = *state;
	driver_begin(driver, 0, 1);
	int doorbell = virtio_doorbell(driver->device, 0);
	assert_true(doorbell >= 0);
	const struct part part = {driver_room(driver, 64), 64, true};
	driver_add(driver, 0, &part, 1);
	const uint64_t one = 1;
	assert_int_equal(write(doorbell, &one, sizeof(one)), sizeof(one));
	uint16_t head;
	uint32_t length;
	assert_true(driver_wait(driver, 0, &head, &length));
	assert_int_equal(length, 64);
}

static void a_stopped_device_serves_what_came_meanwhile(void **state)
{
	struct driver *driver = *state;
	driver_begin(driver, 0, 1);
	virtio_stop(driver->device);
	const struct part part = {driver_room(driver, 64), 64, true};
	driver_add(driver, 0, &part, 1);
	driver_kick(driver, 0);
	driver_run_loop(driver);
	assert_false(driver_is_used(driver, 0));
	assert_int_equal(virtio_start(driver->device), 0);
	assert_true(driver_is_used(driver, 0));
}

/* Whether a device in the place of this one takes what it was, with another status and more features. */
static int load_changed(struct driver *driver, uint32_t status, uint64_t features)
{
	/* Where virtio_state.c has them. */
	enum { ACCEPTED_AT = 0, STATUS_AT = 12 };
	struct state_writer saved = {0};
	struct virtio *other;
	uint64_t accepted;
	assert_int_equal(virtio_save(driver->device, &saved), 0);
	memcpy(&accepted, saved.data + ACCEPTED_AT, sizeof(accepted));
	accepted ^= features;
	memcpy(saved.data + ACCEPTED_AT, &accepted, sizeof(accepted));
	memcpy(saved.data + STATUS_AT, &status, sizeof(status));
	assert_int_equal(virtio_rng_new(&driver->ram, driver_interrupt(driver), &driver->loop, &other), 0);
	struct state_reader in = {.data = saved.data, .left = saved.size};
	int r = virtio_load(other, &in);
	virtio_release(other);
	state_release(&saved);
	return r;
}

static void a_snapshot_agrees_on_nothing_that_a_driver_could_not(void **state)
{
	struct driver *driver = *state;
	enum { OK = VIRTIO_CONFIG_S_FEATURES_OK, ALL = OK | VIRTIO_CONFIG_S_DRIVER_OK };
	driver_begin(driver, 0, 1);
	virtio_pause(driver->device);
	assert_int_equal(load_changed(driver, ALL, 0), 0);
	assert_int_equal(load_changed(driver, ALL, BIT(40)), -EINVAL);
	assert_int_equal(load_changed(driver, ALL, BIT(VIRTIO_F_VERSION_1)), -EINVAL);
	/* It would be active, and has agreed on nothing. */
	assert_int_equal(load_changed(driver, VIRTIO_CONFIG_S_DRIVER_OK, BIT(40)), -EINVAL);
	assert_int_equal(load_changed(driver, VIRTIO_CONFIG_S_DRIVER, BIT(40)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_says_what_it_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(features_that_were_not_offered_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(features_are_fixed_once_they_are_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_widths_do_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(queues_that_cannot_be_need_a_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(queues_are_fixed_from_driver_ok_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(queues_are_not_enabled_before_the_features_are_known, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_queue_twice_made_ready_stays_as_it_was, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_snapshot_agrees_on_nothing_that_a_driver_could_not, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(interrupts_are_acknowledged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_ring_interrupts_and_needs_a_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_notification_that_is_too_early_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_doorbell_notifies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stopped_device_serves_what_came_meanwhile, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("virtio-mmio", tests, NULL, NULL);
}
