/* SPDX-License-Identifier: MIT */
/*
 * A serial port with the registers of a 16550A (National Semiconductor PC16550D). Speed, parity and modem lines are
 * kept and mean nothing: what is sent has gone at once.
 */
#ifndef GUEST_DEVICE_SERIAL_H
#define GUEST_DEVICE_SERIAL_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/device/bus.h"
#include "guest/device/interrupt.h"
#include "guest/device/state.h"
#include "guest/device/traffic.h"

enum { SERIAL_PORTS = 8, SERIAL_FIFO = 64 };

/* The other end of the line; either may be NULL. Called without the port's lock, by the thread of a processor. */
struct serial_line {
	void (*send)(void *data, uint8_t byte);
	void (*has_room)(void *data); /* the guest has read all that was received */
	void *data;
};

struct serial {
	pthread_mutex_t lock; /* guards all that follows */
	struct interrupt interrupt;
	struct serial_line line;
	bool level;                /* of the interrupt */
	bool transmitter_is_empty; /* and the guest has not been told */
	uint8_t received[SERIAL_FIFO];
	unsigned first, count;
	uint8_t interrupt_enable, fifo_control, line_control, modem_control, scratch;
	uint8_t divisor[2];
	bool has_overrun;
	struct traffic traffic; /* bytes are operations */
};

void serial_init(struct serial *serial, struct interrupt interrupt, struct serial_line line);
void serial_release(struct serial *serial);

/* For a range of SERIAL_PORTS ports, with a struct serial. */
extern const struct bus_ops serial_ops;

/* How many bytes the guest can be sent now; and sending them: how many it took. Any thread. */
size_t serial_room(struct serial *serial);
size_t serial_receive(struct serial *serial, const void *data, size_t size);

/* All but the other end of the line. The latter gives 0, or -EINVAL with the error set. */
void serial_save(struct serial *serial, struct state_writer *out);
int serial_load(struct serial *serial, struct state_reader *in);

#endif
