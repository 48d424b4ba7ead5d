/* SPDX-License-Identifier: MIT */
/* The clock of a PC. */
#include "support.h"

#include "guest/device/pc/rtc.h"
#include "ports.h"

#define SECOND INT64_C(1000000000)
/* 2026-11-26 18:32:07 UTC, a Thursday. */
#define BEGIN (INT64_C(1795717927) * SECOND)

static struct rtc rtc;
static struct line line;

static int set_up(void **state)
{
	ports = (struct bus){0};
	line = (struct line){0};
	test_time = BEGIN + SECOND / 2;
	const struct interrupt interrupt = line_of(&line);
	rtc_init(&rtc, &interrupt, test_now);
	assert_true(bus_add(&ports, RTC_PORTS, RTC_PORT_COUNT, &rtc_ops, &rtc));
	return 0;
}

static int tear_down(void **state)
{
	rtc_release(&rtc);
	return 0;
}

static uint8_t get(uint8_t index)
{
	out8(0x70, index);
	return in8(0x71);
}

static void set(uint8_t index, uint8_t value)
{
	out8(0x70, index | 0x80);
	out8(0x71, value);
}

static void assert_time(int hour, int minute, int second)
{
	assert_int_equal(get(4), hour);
	assert_int_equal(get(2), minute);
	assert_int_equal(get(0), second);
}

static void test_reading_it(void **state)
{
	assert_int_equal(get(11), 0x02);
	assert_int_equal(get(13), 0x80);
	assert_time(0x18, 0x32, 0x07);
	assert_int_equal(get(6), 5);
	assert_int_equal(get(7), 0x26);
	assert_int_equal(get(8), 0x11);
	assert_int_equal(get(9), 0x26);
	assert_int_equal(get(0x32), 0x20);
	set(11, 0x04); /* binary, 12 hours */
	assert_time(0x80 | 6, 32, 7);
	assert_int_equal(get(7), 26);
	set(11, 0x00);
	assert_time(0x80 | 6, 0x32, 7);
}

static void test_setting_it(void **state)
{
	set(11, 0x82);
	set(4, 0x23);
	set(2, 0x59);
	set(0, 0x58);
	set(7, 0x31);
	set(8, 0x12);
	set(9, 0x99);
	set(0x32, 0x19);
	test_time += 10 * SECOND; /* it stands still */
	assert_time(0x23, 0x59, 0x58);
	set(11, 0x02);
	test_time += 3 * SECOND;
	assert_time(0, 0, 1);
	assert_int_equal(get(7), 1);
	assert_int_equal(get(8), 1);
	assert_int_equal(get(9), 0);
	assert_int_equal(get(0x32), 0x20);
}

static void test_setting_nonsense(void **state)
{
	for (int value = 0; value < 256; value++) {
		set(11, (uint8_t)(0x80 | (value & 6)));
		for (uint8_t index = 0; index < 10; index++)
			set(index, (uint8_t)value);
		set(0x32, (uint8_t)value);
		set(11, (uint8_t)(value & 6));
		get(0);
		test_time += SECOND;
	}
	/* And one by one, while it runs. */
	for (int value = 0; value < 256; value++)
		for (uint8_t index = 0; index < 10; index++)
			set(index, (uint8_t)value);
	assert_true(rtc_wait(&rtc) == INT64_MAX);
}

static void test_update_in_progress(void **state)
{
	assert_int_equal(get(10), 0x26);
	test_time = BEGIN + SECOND - 100000;
	assert_int_equal(get(10), 0xa6);
	test_time = BEGIN + SECOND;
	assert_int_equal(get(10), 0x26);
}

static void test_update_interrupt(void **state)
{
	get(12);
	set(11, 0x12);
	assert_int_equal(rtc_wait(&rtc), SECOND / 2);
	test_time += SECOND / 2 - 1;
	rtc_advance(&rtc);
	assert_false(line.level);
	test_time += 1;
	rtc_advance(&rtc);
	assert_true(line.level);
	assert_int_equal(rtc_wait(&rtc), INT64_MAX); /* until the guest has seen it */
	assert_int_equal(get(12) & 0x90, 0x90);
	assert_false(line.level);
	assert_int_equal(rtc_wait(&rtc), SECOND);
	assert_int_equal(get(12) & 0x90, 0);
}

static void test_periodic_interrupt(void **state)
{
	get(12);
	set(10, 0x2f); /* twice a second */
	set(11, 0x42);
	assert_in_range(rtc_wait(&rtc), 1, SECOND / 2);
	for (int i = 0; i < 5; i++) {
		test_time += rtc_wait(&rtc);
		rtc_advance(&rtc);
		assert_true(line.level);
		assert_int_equal(get(12) & 0xc0, 0xc0);
	}
	assert_int_equal(line.edges, 5);
	set(10, 0x20); /* off */
	assert_int_equal(rtc_wait(&rtc), INT64_MAX);
}

static void test_alarm(void **state)
{
	set(1, 0x10);
	set(3, 0x32);
	set(5, 0x18);
	get(12);
	set(11, 0x22);
	for (int i = 8; i < 10; i++) {
		test_time += SECOND;
		rtc_advance(&rtc);
		assert_false(line.level);
	}
	test_time += SECOND;
	rtc_advance(&rtc);
	assert_true(line.level);
	assert_int_equal(get(12) & 0xa0, 0xa0);
	/* At each tenth second of any minute, also where nobody looked for long. */
	set(3, 0xff);
	set(5, 0xff);
	test_time += 86400 * 3 * SECOND;
	rtc_advance(&rtc);
	assert_true(line.level);
}

static void test_memory(void **state)
{
	const struct rtc_equipment equipment = {
		.low_memory = 0x40000000, .high_memory = 0x180000000, .processors = 4, .disks = 1};
	rtc_describe(&rtc, &equipment);
	assert_int_equal(get(0x15) | get(0x16) << 8, 640);
	assert_int_equal(get(0x17) | get(0x18) << 8, 0xffff);
	assert_int_equal(get(0x34) | get(0x35) << 8, (0x40000000 - 0x1000000) >> 16);
	assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 0x18000);
	assert_int_equal(get(0x5f), 3);
	assert_int_equal(get(0x3d), 0x32);
	set(0x40, 0x99);
	assert_int_equal(get(0x40), 0x99);
	set(12, 0xff);
	set(13, 0);
	assert_int_equal(get(13), 0x80);
	assert_int_equal(in8(0x70), 0xff);
}

#define case_(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_(test_reading_it),
		case_(test_setting_it),
		case_(test_setting_nonsense),
		case_(test_update_in_progress),
		case_(test_update_interrupt),
		case_(test_periodic_interrupt),
		case_(test_alarm),
		case_(test_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
