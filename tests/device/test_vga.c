/* SPDX-License-Identifier: MIT */
/* What the host reads from the screen of a PC. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/device/pc/vga.h"
#include "ports.h"

static struct vga vga;
static uint8_t *memory;
static char text[VGA_TEXT_MAX];

static int set_up(void **state)
{
	ports = (struct bus){0};
	memory = calloc(1, VGA_MEMORY_SIZE);
	assert_non_null(memory);
	vga_init(&vga, memory);
	assert_true(bus_add(&ports, VGA_PORTS, VGA_PORT_COUNT, &vga_ops, &vga));
	return 0;
}

static int tear_down(void **state)
{
	vga_release(&vga);
	free(memory);
	return 0;
}

static void show(unsigned cell, const char *characters)
{
	for (size_t i = 0; characters[i]; i++) {
		memory[0x18000 + 2 * (cell + i)] = (uint8_t)characters[i];
		memory[0x18000 + 2 * (cell + i) + 1] = 7;
	}
}

static void set_crtc(uint8_t index, uint8_t value)
{
	out(0x3d4, 2, (uint32_t)(value << 8 | index));
}

static int count_lines(void)
{
	int lines = 0;
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	return lines;
}

static void test_an_empty_screen(void **state)
{
	assert_int_equal(vga_text(&vga, text), 0);
	assert_string_equal(text, "");
	/* Fonts are written to 0xa0000; the text stays. */
	out(0x3ce, 2, 0x0406);
	assert_int_equal(vga_text(&vga, text), 0);
}

static void test_text(void **state)
{
	show(0, "hello   ");
	show(80 + 4, "\xb0 caf\x82");
	int length = vga_text(&vga, text);
	assert_int_equal(length, strlen(text));
	assert_string_equal(text, "hello\n    ░ café\n");
}

static void test_scrolled_text(void **state)
{
	show(80, "second row");
	show(0x4000 - 80, "last row");
	set_crtc(0x0c, 80 >> 8);
	set_crtc(0x0d, 80);
	assert_true(vga_text(&vga, text) > 0);
	assert_memory_equal(text, "second row\n", 11);
	/* Beyond the end it begins anew. */
	set_crtc(0x0c, (0x4000 - 80) >> 8);
	set_crtc(0x0d, (uint8_t)(0x4000 - 80));
	assert_true(vga_text(&vga, text) > 0);
	assert_memory_equal(text, "last row\n\nsecond row\n", 21);
}

static void test_other_sizes(void **state)
{
	set_crtc(0x09, 7); /* 50 rows */
	show(49 * 80, ".");
	assert_true(vga_text(&vga, text) > 0);
	assert_int_equal(count_lines(), 50);
	set_crtc(0x01, 39);
	set_crtc(0x13, 20);
	show(40, "row");
	assert_true(vga_text(&vga, text) > 0);
	assert_memory_equal(text, "\nrow\n", 5);
	/* The largest there can be, full of what takes most room. */
	memset(memory, 0xdb, VGA_MEMORY_SIZE);
	set_crtc(0x01, 0xff);
	set_crtc(0x12, 0xff);
	set_crtc(0x07, 0xff);
	set_crtc(0x09, 0);
	assert_int_equal(vga_text(&vga, text), VGA_TEXT_MAX - 1);
}

static void test_a_picture_is_no_text(void **state)
{
	out(0x3ce, 2, 0x0506);
	assert_int_equal(vga_text(&vga, text), -ENODATA);
	out(0x3ce, 2, 0x0e06);
	assert_int_equal(vga_text(&vga, text), 0);
	in8(0x3da);
	out8(0x3c0, 0x10);
	out8(0x3c0, 0x41);
	assert_int_equal(vga_text(&vga, text), -ENODATA);
}

static void test_registers(void **state)
{
	in8(0x3da);
	out8(0x3c0, 0x33);
	out8(0x3c0, 0x0a);
	assert_int_equal(in8(0x3c0), 0x33);
	assert_int_equal(in8(0x3c1), 0x0a);
	assert_int_not_equal(in8(0x3da), in8(0x3da));
	out8(0x3c8, 255);
	for (int i = 0; i < 6; i++)
		out8(0x3c9, (uint8_t)(0xc0 | i));
	out8(0x3c7, 255);
	for (int i = 0; i < 6; i++)
		assert_int_equal(in8(0x3c9), i);
	out(0x3c4, 2, 0x0f02);
	assert_int_equal(in8(0x3c5), 0x0f);
	out8(0x3c2, 0x63);
	assert_int_equal(in8(0x3cc), 0x63);
}

#define case_(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_(test_an_empty_screen),      case_(test_text),
		case_(test_scrolled_text),        case_(test_other_sizes),
		case_(test_a_picture_is_no_text), case_(test_registers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
