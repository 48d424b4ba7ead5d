/* SPDX-License-Identifier: MIT */
/* Keyboard and mouse of a PC. */
#include "support.h"

#include <errno.h>
#include <string.h>

#include "guest/device/pc/i8042.h"
#include "guest/device/pc/keys.h"
#include "ports.h"

static struct i8042 i8042;
static struct line keyboard, mouse;
static int resets;

static void count(void *data)
{
	++*(int *)data;
}

static int set_up(void **state)
{
	ports = (struct bus){0};
	keyboard = mouse = (struct line){0};
	resets = 0;
	test_time = 1000000000;
	const struct interrupt lines[2] = {line_of(&keyboard), line_of(&mouse)};
	i8042_init(&i8042, &lines[0], &lines[1], test_now);
	i8042.reset = count;
	i8042.reset_data = &resets;
	assert_true(bus_add(&ports, I8042_DATA, 1, &i8042_data_ops, &i8042));
	assert_true(bus_add(&ports, I8042_COMMAND, 1, &i8042_command_ops, &i8042));
	assert_true(bus_add(&ports, I8042_FAST_A20, 1, &i8042_fast_ops, &i8042));
	return 0;
}

static int tear_down(void **state)
{
	i8042_release(&i8042);
	return 0;
}

static void assert_empty(void)
{
	assert_int_equal(in8(0x64) & 1, 0);
}

static void expect(uint8_t byte, bool is_from_mouse)
{
	assert_int_equal(in8(0x64) & 0x21, is_from_mouse ? 0x21 : 0x01);
	assert_int_equal(in8(0x60), byte);
}

static void test_controller(void **state)
{
	out8(0x64, 0xaa);
	expect(0x55, false);
	out8(0x64, 0xab);
	expect(0, false);
	out8(0x64, 0xa9);
	expect(0, false);
	out8(0x64, 0x60);
	assert_int_equal(in8(0x64) & 8, 8);
	out8(0x60, 0x47);
	out8(0x64, 0x20);
	expect(0x47, false);
	out8(0x64, 0xa7);
	out8(0x64, 0xad);
	out8(0x64, 0x20);
	expect(0x77, false);
	out8(0x64, 0xa8);
	out8(0x64, 0xae);
	out8(0x64, 0x20);
	expect(0x47, false);
	out8(0x64, 0xd3);
	out8(0x60, 0x5a);
	assert_true(mouse.level);
	expect(0x5a, true);
	out8(0x64, 0xd0);
	expect(0xcf, false);
	assert_empty();
}

static void test_keyboard_answers(void **state)
{
	out8(0x60, 0xff);
	assert_true(keyboard.level);
	expect(0xfa, false);
	expect(0xaa, false);
	assert_int_equal(keyboard.edges, 2);
	out8(0x60, 0xf2);
	expect(0xfa, false);
	expect(0xab, false);
	expect(0x41, false); /* translated */
	out8(0x60, 0xed);
	expect(0xfa, false);
	out8(0x60, 0x07);
	expect(0xfa, false);
	out8(0x60, 0xf0);
	expect(0xfa, false);
	out8(0x60, 0);
	expect(0xfa, false);
	expect(2, false);
	out8(0x60, 0xf0);
	expect(0xfa, false);
	out8(0x60, 3);
	expect(0xfe, false);
	out8(0x60, 0x12);
	expect(0xfe, false);
	out8(0x60, 0xee);
	expect(0xee, false);
	assert_empty();
}

static void test_mouse_answers(void **state)
{
	out8(0x64, 0xd4);
	out8(0x60, 0xff);
	expect(0xfa, true);
	expect(0xaa, true);
	expect(0, true);
	out8(0x64, 0xd4);
	out8(0x60, 0xf3);
	expect(0xfa, true);
	out8(0x64, 0xd4);
	out8(0x60, 60);
	expect(0xfa, true);
	out8(0x64, 0xd4);
	out8(0x60, 0xe9);
	expect(0xfa, true);
	expect(0, true);
	expect(2, true);
	expect(60, true);
	out8(0x64, 0xd4);
	out8(0x60, 0x33);
	expect(0xfe, true);
	assert_empty();
}

static void test_typing(void **state)
{
	assert_int_equal(i8042_type(&i8042, "aB\n", 3), 0);
	static const uint8_t codes[] = {0x1e, 0x9e, 0x2a, 0x30, 0xb0, 0xaa, 0x1c, 0x9c};
	for (size_t i = 0; i < sizeof(codes); i++) {
		int64_t next = i8042_next(&i8042);
		assert_true(next < INT64_MAX);
		test_time = next > test_time ? next : test_time;
		i8042_advance(&i8042);
		assert_true(keyboard.level);
		expect(codes[i], false);
		assert_empty(); /* the next one takes its time */
	}
	assert_int_equal(i8042_next(&i8042), INT64_MAX);
	assert_int_equal(keyboard.edges, (int)sizeof(codes));
}

static void test_typing_in_set_2(void **state)
{
	out8(0x64, 0x60);
	out8(0x60, 0x01); /* without translation */
	assert_int_equal(i8042_type(&i8042, "a", 1), 0);
	i8042_advance(&i8042);
	expect(0x1c, false);
	test_time = i8042_next(&i8042);
	i8042_advance(&i8042);
	expect(0xf0, false);
	expect(0x1c, false);
	assert_empty();
}

static void test_a_keyboard_that_is_off(void **state)
{
	out8(0x64, 0xad);
	assert_int_equal(i8042_type(&i8042, "a", 1), 0);
	assert_int_equal(i8042_next(&i8042), INT64_MAX);
	i8042_advance(&i8042);
	assert_empty();
	out8(0x64, 0xae);
	expect(0x1e, false);
}

static void test_what_cannot_be_typed(void **state)
{
	char text[I8042_TYPED_MAX / 2 + 1];
	memset(text, 'x', sizeof(text));
	assert_int_equal(i8042_type(&i8042, "a\x80", 2), -EINVAL);
	assert_int_equal(i8042_type(&i8042, "\r", 1), -EINVAL);
	assert_int_equal(i8042_type(&i8042, "", 0), 0);
	assert_int_equal(i8042_next(&i8042), INT64_MAX);
	assert_int_equal(i8042_type(&i8042, text, sizeof(text)), -EAGAIN);
	assert_int_equal(i8042_type(&i8042, text, sizeof(text) - 1), 0);
	assert_int_equal(i8042_type(&i8042, "x", 1), -EAGAIN);
}

static void test_each_character_has_its_key(void **state)
{
	uint8_t codes[KEYS_MAX];
	for (int character = ' '; character <= '~'; character++) {
		unsigned count = keys_for((char)character, codes);
		assert_true(count == 2 || count == 4);
		uint8_t key = codes[count / 2 - 1];
		assert_true(key > 0 && key < 0x3a);
		assert_true(keys_in_set_2(key) != 0);
		assert_int_equal(codes[count / 2], key | 0x80);
		for (int other = ' '; other < character; other++) {
			uint8_t others[KEYS_MAX];
			assert_true(keys_for((char)other, others) != count || memcmp(codes, others, count) != 0);
		}
	}
	assert_int_equal(keys_for('\0', codes), 0);
	assert_int_equal(keys_in_set_2(0xff), 0);
}

static void test_reset(void **state)
{
	out8(0x64, 0xff);
	assert_int_equal(resets, 0);
	out8(0x64, 0xfe);
	assert_int_equal(resets, 1);
	out8(0x64, 0xd1);
	out8(0x60, 0xce);
	assert_int_equal(resets, 2);
	out8(0x92, 0x02);
	assert_int_equal(resets, 2);
	out8(0x92, 0x01);
	assert_int_equal(resets, 3);
}

static void test_a_flood(void **state)
{
	for (int i = 0; i < 1000; i++)
		out8(0x60, (uint8_t)(i % 2 ? 0xf2 : 0xff));
	int left = 0;
	while (in8(0x64) & 1 && left < 100) {
		in8(0x60);
		left++;
	}
	assert_true(left < 30);
}

#define case_(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_(test_controller),
		case_(test_keyboard_answers),
		case_(test_mouse_answers),
		case_(test_typing),
		case_(test_typing_in_set_2),
		case_(test_a_keyboard_that_is_off),
		case_(test_what_cannot_be_typed),
		case_(test_each_character_has_its_key),
		case_(test_reset),
		case_(test_a_flood),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
