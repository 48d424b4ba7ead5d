/* SPDX-License-Identifier: MIT */
/* Memory that is given back: seen by what the host has in memory (mincore(2)), and by what the guest says. */
#include <linux/virtio_balloon.h>
#include <string.h>
#include <sys/mman.h>

#include "driver.h"
#include "guest/device/virtio/balloon.h"
#include "support.h"

enum { INFLATE, DEFLATE, STATISTICS, REPORTS, PAGE = 4096 };

static int set_up(void **state)
{
	static struct driver driver;
	struct virtio *balloon;
	driver_open(&driver);
	assert_int_equal(virtio_balloon_new(&driver.ram, driver_interrupt(&driver), &driver.loop, &balloon), 0);
	driver_take(&driver, balloon);
	driver_begin(&driver, BIT(VIRTIO_BALLOON_F_STATS_VQ) | BIT(VIRTIO_BALLOON_F_REPORTING), 4);
	memset(driver.high, 0xaa, HIGH_SIZE);
	*state = &driver;
	return 0;
}

static int tear_down(void **state)
{
	driver_close(*state);
	return 0;
}

static void assert_dropped(const struct driver *driver, unsigned page, bool is_dropped)
{
	assert_int_equal(driver->high[page * (size_t)PAGE], is_dropped ? 0 : 0xaa);
	assert_int_equal(driver->high[page * (size_t)PAGE + PAGE - 1], is_dropped ? 0 : 0xaa);
}

static void pages_in_the_balloon_are_the_hosts(void **state)
{
	struct driver *driver = *state;
	const uint32_t first = HIGH_BASE / PAGE;
	/* Two neighbours, one alone, and what is no memory. */
	const uint32_t pages[] = {first + 3,      first + 4, first + 9, 0xffffffff, first + HIGH_SIZE / PAGE,
				  LOW_SIZE / PAGE};
	const struct part part = {driver_put(driver, pages, sizeof(pages)), sizeof(pages), false};
	unsigned char there = 1;
	driver_do(driver, INFLATE, &part, 1);
	assert_int_equal(mincore(driver->high + 9 * (size_t)PAGE, PAGE, &there), 0);
	assert_int_equal(there & 1, 0);
	for (unsigned page = 0; page < 12; page++)
		assert_dropped(driver, page, page == 3 || page == 4 || page == 9);
	driver_do(driver, DEFLATE, &part, 1);
	assert_false(driver_get(driver, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void reported_pages_are_the_hosts(void **state)
{
	struct driver *driver = *state;
	const struct part parts[] = {{HIGH_BASE + 2 * PAGE, 3 * PAGE, true},
				     {HIGH_BASE + 8 * PAGE + 100, 2 * PAGE, true}};
	driver_do(driver, REPORTS, parts, 2);
	/* Of what does not begin at a page, whole pages. */
	for (unsigned page = 0; page < 12; page++)
		assert_dropped(driver, page, (page >= 2 && page <= 4) || page == 9);
	/* What is for reading is no report. */
	const struct part other = {HIGH_BASE, PAGE, false};
	driver_do(driver, REPORTS, &other, 1);
	assert_dropped(driver, 0, false);
}

static void the_guest_is_asked_and_answers(void **state)
{
	struct driver *driver = *state;
	uint32_t actual = 77;
	uint32_t generation = driver_get(driver, VIRTIO_MMIO_CONFIG_GENERATION);
	virtio_balloon_set(driver->device, 100);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_CONFIG), 100);
	assert_int_not_equal(driver_get(driver, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	assert_true(driver_get(driver, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	driver_set(driver, VIRTIO_MMIO_CONFIG + 4, actual);
	assert_int_equal(virtio_balloon_actual(driver->device), 77);
	/* It cannot write what it is asked for, nor beyond. */
	driver_set(driver, VIRTIO_MMIO_CONFIG, 5);
	driver_set(driver, VIRTIO_MMIO_CONFIG + 2, 5);
	driver_set(driver, VIRTIO_MMIO_CONFIG + 6, 5);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_CONFIG), 100);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_CONFIG + 4), 77);
}

static void statistics_are_told_when_asked_for(void **state)
{
	struct driver *driver = *state;
	struct virtio_balloon_stat entries[] = {
		{VIRTIO_BALLOON_S_MEMFREE, 1000}, {VIRTIO_BALLOON_S_MEMTOT, 2000}, {999, 1}};
	uint64_t value = 0;
	assert_false(virtio_balloon_statistic(driver->device, VIRTIO_BALLOON_S_MEMFREE, &value));
	const struct part part = {driver_put(driver, entries, sizeof(entries)), sizeof(entries), false};
	driver_add(driver, STATISTICS, &part, 1);
	driver_kick(driver, STATISTICS);
	/* The buffer stays with the device until it asks. */
	assert_false(driver_is_used(driver, STATISTICS));
	assert_true(virtio_balloon_statistic(driver->device, VIRTIO_BALLOON_S_MEMFREE, &value));
	assert_int_equal(value, 1000);
	uint16_t head;
	uint32_t length;
	assert_true(driver_wait(driver, STATISTICS, &head, &length));
	entries[0].val = 900;
	memcpy(driver_at(driver, part.address), entries, sizeof(entries));
	driver_add(driver, STATISTICS, &part, 1);
	driver_kick(driver, STATISTICS);
	assert_true(virtio_balloon_statistic(driver->device, VIRTIO_BALLOON_S_MEMFREE, &value));
	assert_int_equal(value, 900);
	assert_false(virtio_balloon_statistic(driver->device, VIRTIO_BALLOON_S_CACHES, &value));
	assert_false(virtio_balloon_statistic(driver->device, 1000, &value));
	/* More buffers than one, and a reset, which forgets all. */
	driver_add(driver, STATISTICS, &part, 1);
	driver_add(driver, STATISTICS, &part, 1);
	driver_kick(driver, STATISTICS);
	driver_set(driver, VIRTIO_MMIO_STATUS, 0);
	assert_false(virtio_balloon_statistic(driver->device, VIRTIO_BALLOON_S_MEMFREE, &value));
	assert_int_equal(virtio_balloon_actual(driver->device), 0);
}

static void without_statistics_the_reports_come_earlier(void **state)
{
	struct driver *driver = *state;
	driver_begin(driver, BIT(VIRTIO_BALLOON_F_REPORTING), 3);
	const struct part part = {HIGH_BASE, PAGE, true};
	driver_do(driver, STATISTICS, &part, 1);
	assert_dropped(driver, 0, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pages_in_the_balloon_are_the_hosts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reported_pages_are_the_hosts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_guest_is_asked_and_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(statistics_are_told_when_asked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_statistics_the_reports_come_earlier, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("virtio-balloon", tests, NULL, NULL);
}
