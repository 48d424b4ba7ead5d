/* SPDX-License-Identifier: MIT */
/*
 * The controller of keyboard and mouse of a PC (8042 of the PC AT; "The Undocumented PC", chapter 8), with a keyboard
 * on which the host can type, and a mouse that nobody moves. It has the line that resets the processor, too.
 */
#ifndef GUEST_DEVICE_PC_I8042_H
#define GUEST_DEVICE_PC_I8042_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/device/bus.h"
#include "guest/device/interrupt.h"
#include "guest/device/pc/wake.h"
#include "guest/device/state.h"

enum {
	I8042_DATA = 0x60,
	I8042_COMMAND = 0x64,
	I8042_FAST_A20 = 0x92,
	I8042_KEYBOARD_LINE = 1,
	I8042_MOUSE_LINE = 12,
	I8042_ANSWERS_MAX = 16,
	I8042_TYPED_MAX = 4096, /* codes that wait */
};

/* What keyboard and mouse have in common: what they have to say, and what they wait for. */
struct i8042_device {
	uint8_t answers[I8042_ANSWERS_MAX]; /* a ring */
	unsigned first, count;
	uint8_t command; /* whose argument is to come; 0: none */
	bool is_reporting;
};

struct i8042 {
	pthread_mutex_t lock; /* guards all that follows */
	struct i8042_device keyboard, mouse;
	uint8_t command;       /* of the controller, whose argument is to come; 0: none */
	uint8_t configuration; /* the "command byte" */
	uint8_t output_port;
	uint8_t output; /* what the guest reads next */
	bool is_full, is_from_mouse;
	uint8_t scan_set;
	uint8_t mouse_resolution, mouse_rate;

	uint8_t typed[I8042_TYPED_MAX]; /* codes of set 1, a ring */
	unsigned typed_first, typed_count;
	int64_t next_key; /* not before that time, nanoseconds */
	int64_t (*now)(void);

	struct interrupt keyboard_line, mouse_line;
	void (*reset)(void *data);
	void *reset_data;
	struct pc_wake wake;
};

extern const struct bus_ops i8042_data_ops;    /* one port */
extern const struct bus_ops i8042_command_ops; /* one port */
extern const struct bus_ops i8042_fast_ops;    /* one port */

void i8042_init(struct i8042 *i8042, const struct interrupt *keyboard_line, const struct interrupt *mouse_line,
		int64_t (*now)(void));
void i8042_release(struct i8042 *i8042);

/*
 * Types a text, all or nothing: keys follow each other as fast as somebody types who is fast, so that a BIOS, which
 * keeps sixteen of them, loses none. -EINVAL a character has no key, -EAGAIN too many keys wait.
 */
int i8042_type(struct i8042 *i8042, const char *text, size_t size);

/* When it has a key to give next; INT64_MAX: not. And giving it. */
int64_t i8042_next(struct i8042 *i8042);
void i8042_advance(struct i8042 *i8042);

/* With keys that wait. 0, or -EINVAL with the error set. */
void i8042_save(struct i8042 *i8042, struct state_writer *out);
int i8042_load(struct i8042 *i8042, struct state_reader *in);

#endif
