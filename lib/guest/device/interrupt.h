/* SPDX-License-Identifier: MIT */
/* A line by which a device calls the guest. Any thread may set it. */
#ifndef GUEST_DEVICE_INTERRUPT_H
#define GUEST_DEVICE_INTERRUPT_H

#include <stdbool.h>

struct interrupt {
	void (*set)(void *data, unsigned line, bool level); /* NULL where nobody listens, as in fuzz targets */
	void *data;
	unsigned line; /* GSI */
};

static inline void interrupt_set(const struct interrupt *interrupt, bool level)
{
	if (interrupt->set)
		interrupt->set(interrupt->data, interrupt->line, level);
}

/* For a line that is edge-triggered. */
static inline void interrupt_pulse(const struct interrupt *interrupt)
{
	interrupt_set(interrupt, true);
	interrupt_set(interrupt, false);
}

#endif
