/* SPDX-License-Identifier: MIT */
#include "guest/device/serial.h"

#include <string.h>

/* By offset. The first two are the divisor while LINE_CONTROL has DIVISOR_ACCESS. */
enum { DATA, INTERRUPT_ENABLE, INTERRUPT_IDENTITY, LINE_CONTROL, MODEM_CONTROL, LINE_STATUS, MODEM_STATUS, SCRATCH };

enum { FIFO_CONTROL = INTERRUPT_IDENTITY }; /* written */

enum { DIVISOR_ACCESS = 0x80, LOOPBACK = 0x10, FIFO_ENABLE = 0x01, FIFO_CLEAR_RECEIVED = 0x02 };
enum { ENABLE_RECEIVED = 0x01, ENABLE_TRANSMITTER = 0x02, ENABLE_LINE = 0x04, ENABLE_ALL = 0x0f };
enum { STATUS_READY = 0x01, STATUS_OVERRUN = 0x02, STATUS_TRANSMITTER = 0x60 };
enum {
	IDENTITY_NONE = 0x01,
	IDENTITY_TRANSMITTER = 0x02,
	IDENTITY_RECEIVED = 0x04,
	IDENTITY_LINE = 0x06,
	IDENTITY_FIFO = 0xc0
};

/* Carrier, data set ready, clear to send. */
enum { MODEM_CONNECTED = 0xb0, MODEM_ALL = 0x1f };

void serial_init(struct serial *serial, struct interrupt interrupt, struct serial_line line)
{
	*serial = (struct serial){.interrupt = interrupt, .line = line, .divisor = {12, 0}};
	pthread_mutex_init(&serial->lock, NULL);
}

void serial_release(struct serial *serial)
{
	pthread_mutex_destroy(&serial->lock);
}

/* The most important reason to interrupt the guest. */
static uint8_t identity(const struct serial *serial)
{
	if (serial->has_overrun && (serial->interrupt_enable & ENABLE_LINE))
		return IDENTITY_LINE;
	if (serial->count && (serial->interrupt_enable & ENABLE_RECEIVED))
		return IDENTITY_RECEIVED;
	if (serial->transmitter_is_empty && (serial->interrupt_enable & ENABLE_TRANSMITTER))
		return IDENTITY_TRANSMITTER;
	return IDENTITY_NONE;
}

static void update_interrupt(struct serial *serial)
{
	bool level = identity(serial) != IDENTITY_NONE;
	if (level != serial->level)
		interrupt_set(&serial->interrupt, level);
	serial->level = level;
}

static size_t put(struct serial *serial, const uint8_t *data, size_t size)
{
	size_t taken = 0;
	for (; taken < size && serial->count < SERIAL_FIFO; taken++, serial->count++)
		serial->received[(serial->first + serial->count) % SERIAL_FIFO] = data[taken];
	return taken;
}

static uint8_t take(struct serial *serial, bool *out_has_room)
{
	if (!serial->count)
		return 0;
	uint8_t byte = serial->received[serial->first];
	serial->first = (serial->first + 1) % SERIAL_FIFO;
	serial->count--;
	*out_has_room = !serial->count;
	return byte;
}

static uint8_t modem_status(const struct serial *serial)
{
	/* In a loop the outputs DTR, RTS, OUT1, OUT2 are the inputs DSR, CTS, RI, DCD: how drivers look for a port. */
	uint8_t control = serial->modem_control;
	if (!(control & LOOPBACK))
		return MODEM_CONNECTED;
	return (uint8_t)((control & 0x0c) << 4 | (control & 0x02) << 3 | (control & 0x01) << 5);
}

static uint8_t read_identity(struct serial *serial)
{
	uint8_t value = identity(serial);
	if (value == IDENTITY_TRANSMITTER)
		serial->transmitter_is_empty = false;
	return value | (serial->fifo_control & FIFO_ENABLE ? IDENTITY_FIFO : 0);
}

static uint8_t read_status(struct serial *serial)
{
	uint8_t value =
		STATUS_TRANSMITTER | (serial->count ? STATUS_READY : 0) | (serial->has_overrun ? STATUS_OVERRUN : 0);
	serial->has_overrun = false;
	return value;
}

static uint8_t read_register(struct serial *serial, unsigned reg, bool *out_has_room)
{
	bool is_divisor = serial->line_control & DIVISOR_ACCESS;
	switch (reg) {
	case DATA:
		return is_divisor ? serial->divisor[0] : take(serial, out_has_room);
	case INTERRUPT_ENABLE:
		return is_divisor ? serial->divisor[1] : serial->interrupt_enable;
	case INTERRUPT_IDENTITY:
		return read_identity(serial);
	case LINE_CONTROL:
		return serial->line_control;
	case MODEM_CONTROL:
		return serial->modem_control;
	case LINE_STATUS:
		return read_status(serial);
	case MODEM_STATUS:
		return modem_status(serial);
	case SCRATCH:
	default:
		return serial->scratch;
	}
}

static void enable_interrupts(struct serial *serial, uint8_t value)
{
	/* Enabling it anew tells of an empty transmitter again; drivers wait for that. */
	if ((value & ENABLE_TRANSMITTER) && !(serial->interrupt_enable & ENABLE_TRANSMITTER))
		serial->transmitter_is_empty = true;
	serial->interrupt_enable = value & ENABLE_ALL;
}

/* True where the byte is to be sent. */
static bool write_data(struct serial *serial, uint8_t value)
{
	serial->transmitter_is_empty = true;
	if (!(serial->modem_control & LOOPBACK))
		return true;
	if (!put(serial, &value, 1))
		serial->has_overrun = true;
	return false;
}

static bool write_register(struct serial *serial, unsigned reg, uint8_t value)
{
	bool is_divisor = serial->line_control & DIVISOR_ACCESS;
	switch (reg) {
	case DATA:
	case INTERRUPT_ENABLE:
		if (is_divisor)
			serial->divisor[reg] = value;
		else if (reg == DATA)
			return write_data(serial, value);
		else
			enable_interrupts(serial, value);
		break;
	case FIFO_CONTROL:
		serial->fifo_control = value;
		if (value & FIFO_CLEAR_RECEIVED)
			serial->count = 0;
		break;
	case LINE_CONTROL:
		serial->line_control = value;
		break;
	case MODEM_CONTROL:
		serial->modem_control = value & MODEM_ALL;
		break;
	case SCRATCH:
		serial->scratch = value;
		break;
	default:
		break;
	}
	return false;
}

static void read_ports(void *device, uint64_t offset, void *data, unsigned size)
{
	struct serial *serial = device;
	uint8_t *bytes = data;
	bool has_room = false;
	pthread_mutex_lock(&serial->lock);
	for (unsigned i = 0; i < size; i++)
		bytes[i] = read_register(serial, (unsigned)offset + i, &has_room);
	update_interrupt(serial);
	pthread_mutex_unlock(&serial->lock);
	if (has_room && serial->line.has_room)
		serial->line.has_room(serial->line.data);
}

/* In a loop the line is cut. */
static size_t room_of(const struct serial *serial)
{
	return serial->modem_control & LOOPBACK ? 0 : SERIAL_FIFO - serial->count;
}

static void write_ports(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct serial *serial = device;
	const uint8_t *bytes = data;
	for (unsigned i = 0; i < size; i++) {
		pthread_mutex_lock(&serial->lock);
		bool had_room = room_of(serial);
		bool sends = write_register(serial, (unsigned)offset + i, bytes[i]);
		/* By a FIFO that is cleared, or a loop that ends: who waits for room would wait for ever. */
		bool has_room = !had_room && room_of(serial);
		update_interrupt(serial);
		pthread_mutex_unlock(&serial->lock);
		if (has_room && serial->line.has_room)
			serial->line.has_room(serial->line.data);
		/* It may wait for a reader. */
		if (sends)
			traffic_count(&serial->traffic, TRAFFIC_FROM_GUEST, 1);
		if (sends && serial->line.send)
			serial->line.send(serial->line.data, bytes[i]);
	}
}

const struct bus_ops serial_ops = {.read = read_ports, .write = write_ports};

size_t serial_room(struct serial *serial)
{
	pthread_mutex_lock(&serial->lock);
	size_t room = room_of(serial);
	pthread_mutex_unlock(&serial->lock);
	return room;
}

size_t serial_receive(struct serial *serial, const void *data, size_t size)
{
	pthread_mutex_lock(&serial->lock);
	size_t taken = put(serial, data, size);
	for (size_t i = 0; i < taken; i++)
		traffic_count(&serial->traffic, TRAFFIC_TO_GUEST, 1);
	update_interrupt(serial);
	pthread_mutex_unlock(&serial->lock);
	return taken;
}

struct serial_state {
	uint8_t received[SERIAL_FIFO];
	uint32_t first, count;
	uint8_t interrupt_enable, fifo_control, line_control, modem_control, scratch;
	uint8_t divisor[2];
	uint8_t transmitter_is_empty, has_overrun;
	uint8_t unused[7];
};

void serial_save(struct serial *serial, struct state_writer *out)
{
	pthread_mutex_lock(&serial->lock);
	struct serial_state state = {
		.first = serial->first,
		.count = serial->count,
		.interrupt_enable = serial->interrupt_enable,
		.fifo_control = serial->fifo_control,
		.line_control = serial->line_control,
		.modem_control = serial->modem_control,
		.scratch = serial->scratch,
		.divisor = {serial->divisor[0], serial->divisor[1]},
		.transmitter_is_empty = serial->transmitter_is_empty,
		.has_overrun = serial->has_overrun,
	};
	memcpy(state.received, serial->received, sizeof(state.received));
	pthread_mutex_unlock(&serial->lock);
	state_put(out, &state, sizeof(state));
}

int serial_load(struct serial *serial, struct state_reader *in)
{
	struct serial_state state;
	if (!state_get(in, &state, sizeof(state)) || state.first >= SERIAL_FIFO || state.count > SERIAL_FIFO ||
	    (state.interrupt_enable & ~ENABLE_ALL) || (state.modem_control & ~MODEM_ALL) ||
	    state.transmitter_is_empty > 1 || state.has_overrun > 1)
		return state_damaged("serial port");
	pthread_mutex_lock(&serial->lock);
	memcpy(serial->received, state.received, sizeof(state.received));
	serial->first = state.first;
	serial->count = state.count;
	serial->interrupt_enable = state.interrupt_enable;
	serial->fifo_control = state.fifo_control;
	serial->line_control = state.line_control;
	serial->modem_control = state.modem_control;
	serial->scratch = state.scratch;
	memcpy(serial->divisor, state.divisor, sizeof(state.divisor));
	serial->transmitter_is_empty = state.transmitter_is_empty;
	serial->has_overrun = state.has_overrun;
	update_interrupt(serial);
	pthread_mutex_unlock(&serial->lock);
	return 0;
}
