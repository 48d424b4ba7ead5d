/* SPDX-License-Identifier: MIT */
/* For tests of devices at ports: what a processor does, and a line that is watched. */
#ifndef TEST_DEVICE_PORTS_H
#define TEST_DEVICE_PORTS_H

#include "guest/device/bus.h"
#include "guest/device/interrupt.h"

static struct bus ports;

static inline uint32_t in(uint16_t port, unsigned size)
{
	uint8_t data[4];
	bus_read(&ports, port, data, size);
	return (uint32_t)bus_get(data, size);
}

static inline void out(uint16_t port, unsigned size, uint32_t value)
{
	uint8_t data[4];
	bus_put(data, size, value);
	bus_write(&ports, port, data, size);
}

static inline uint8_t in8(uint16_t port)
{
	return (uint8_t)in(port, 1);
}

static inline void out8(uint16_t port, uint8_t value)
{
	out(port, 1, value);
}

struct line {
	bool level;
	int edges;
};

static inline void watch_line(void *data, unsigned number, bool level)
{
	struct line *line = data;
	line->edges += level && !line->level;
	line->level = level;
}

static inline struct interrupt line_of(struct line *line)
{
	return (struct interrupt){.set = watch_line, .data = line};
}

/* A clock that the test moves. */
static int64_t test_time;

static inline int64_t test_now(void)
{
	return test_time;
}

#endif
