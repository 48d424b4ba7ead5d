/* SPDX-License-Identifier: MIT */
/* A serial port whose guest and whose other end do what they like; without KVM. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/device/serial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_serial: %s\n", what);
	abort();
}

/* What the guest sees as the interrupt line, and what it has sent. */
struct outside {
	bool level;
	uint64_t sent;
};

static void set_level(void *data, unsigned line, bool level)
{
	struct outside *outside = data;
	expect(outside->level != level, "an interrupt line is set to what it is");
	outside->level = level;
}

static void count_sent(void *data, uint8_t byte)
{
	((struct outside *)data)->sent++;
}

/* Three bytes each: what, where or how much, and a value. */
static void step(struct serial *serial, const struct bus *ports, const uint8_t program[3])
{
	uint8_t bytes[BUS_ACCESS_MAX];
	const unsigned width = 1u << (program[0] >> 2 & 3);
	memset(bytes, program[2], sizeof(bytes));
	switch (program[0] & 3) {
	case 0:
		bus_write(ports, program[1] % SERIAL_PORTS, bytes, width);
		break;
	case 1:
		bus_read(ports, program[1] % SERIAL_PORTS, bytes, width);
		break;
	default: {
		size_t room = serial_room(serial), asked = program[1] % sizeof(bytes);
		size_t taken = serial_receive(serial, bytes, asked);
		expect(room <= SERIAL_FIFO && taken <= asked, "more was taken than there is");
		break;
	}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct serial serial;
	struct outside outside = {0};
	struct bus ports = {0};
	serial_init(&serial, (struct interrupt){.set = set_level, .data = &outside},
		    (struct serial_line){.send = count_sent, .data = &outside});
	expect(bus_add(&ports, 0, SERIAL_PORTS, &serial_ops, &serial), "no bus");
	for (; size >= 3; data += 3, size -= 3)
		step(&serial, &ports, data);
	serial_release(&serial);
	return 0;
}
