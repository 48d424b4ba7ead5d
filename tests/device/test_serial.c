/* SPDX-License-Identifier: MIT */
/* A serial port, driven as a system does that looks for it and then uses it. */
#include "support.h"

#include <string.h>

#include "guest/device/serial.h"
#include "ports.h"

enum { BASE = 0x2f8, FIFO_CONTROL = 2, MODEM_CONTROL = 4, LINE_STATUS = 5, LOOP = 0x10 };

struct fixture {
	struct serial serial;
	struct line line;
	int calls; /* that there is room */
};

static void has_room(void *data)
{
	((struct fixture *)data)->calls++;
}

static int set_up(void **state)
{
	static struct fixture fixture;
	memset(&fixture, 0, sizeof(fixture));
	ports = (struct bus){0};
	serial_init(&fixture.serial, line_of(&fixture.line),
		    (struct serial_line){.has_room = has_room, .data = &fixture});
	assert_true(bus_add(&ports, BASE, SERIAL_PORTS, &serial_ops, &fixture.serial));
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	serial_release(&fixture->serial);
	return 0;
}

/* The host says more than there is room for. */
static void fill(struct fixture *fixture)
{
	static const char text[SERIAL_FIFO + 1] = "and nothing else";
	assert_int_equal(serial_receive(&fixture->serial, text, sizeof(text)), SERIAL_FIFO);
	assert_int_equal(serial_room(&fixture->serial), 0);
}

static void test_read(void **state)
{
	struct fixture *fixture = *state;
	fill(fixture);
	for (int i = 0; i < SERIAL_FIFO; i++) {
		assert_int_equal(fixture->calls, 0);
		in8(BASE);
	}
	assert_int_equal(fixture->calls, 1);
	assert_int_equal(serial_room(&fixture->serial), SERIAL_FIFO);
}

/* A driver that begins forgets what came before. */
static void test_cleared(void **state)
{
	struct fixture *fixture = *state;
	fill(fixture);
	out8(BASE + FIFO_CONTROL, 0x01);
	assert_int_equal(fixture->calls, 0);
	out8(BASE + FIFO_CONTROL, 0x07);
	assert_int_equal(fixture->calls, 1);
	assert_int_equal(in8(BASE + LINE_STATUS) & 1, 0);
	assert_int_equal(serial_room(&fixture->serial), SERIAL_FIFO);
}

/* Nothing comes in while the port is looked for by a loop; then it does. */
static void test_loop(void **state)
{
	struct fixture *fixture = *state;
	out8(BASE + MODEM_CONTROL, LOOP | 0x0a);
	assert_int_equal(serial_room(&fixture->serial), 0);
	assert_int_equal(fixture->calls, 0);
	out8(BASE + MODEM_CONTROL, 0x0b);
	assert_int_equal(fixture->calls, 1);
	assert_int_equal(serial_room(&fixture->serial), SERIAL_FIFO);
}

#define case_(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {case_(test_read), case_(test_cleared), case_(test_loop)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
