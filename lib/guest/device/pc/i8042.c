/* SPDX-License-Identifier: MIT */
#include "guest/device/pc/i8042.h"

#include <errno.h>

#include "guest/device/pc/i8042_inside.h"
#include "guest/device/pc/keys.h"

/* Of the status. */
enum { FULL = 0x01, SYSTEM = 0x04, WAS_COMMAND = 0x08, UNLOCKED = 0x10, FROM_MOUSE = 0x20 };

/* Of the configuration. */
enum {
	KEYBOARD_INTERRUPT = 0x01,
	MOUSE_INTERRUPT = 0x02,
	TESTED = 0x04,
	KEYBOARD_OFF = 0x10,
	MOUSE_OFF = 0x20,
	TRANSLATED = 0x40,
};

/* Of the output port. */
enum { NO_RESET = 0x01, A20 = 0x02, PORT_BASE = 0xcc };

enum {
	READ_CONFIGURATION = 0x20,
	WRITE_CONFIGURATION = 0x60,
	DISABLE_MOUSE = 0xa7,
	ENABLE_MOUSE = 0xa8,
	TEST_MOUSE = 0xa9,
	TEST_CONTROLLER = 0xaa,
	TEST_KEYBOARD = 0xab,
	DISABLE_KEYBOARD = 0xad,
	ENABLE_KEYBOARD = 0xae,
	READ_INPUT = 0xc0,
	READ_OUTPUT = 0xd0,
	WRITE_OUTPUT = 0xd1,
	ANSWER_AS_KEYBOARD = 0xd2,
	ANSWER_AS_MOUSE = 0xd3,
	TO_MOUSE = 0xd4,
	PULSE = 0xf0, /* to 0xff: those lines whose bits are 0; the first one resets */
};

enum { KEY_PACE = 15000000 /* nanoseconds */ };

void i8042_init(struct i8042 *i8042, const struct interrupt *keyboard_line, const struct interrupt *mouse_line,
		int64_t (*now)(void))
{
	*i8042 = (struct i8042){
		.configuration = KEYBOARD_INTERRUPT | TESTED | MOUSE_OFF | TRANSLATED,
		.output_port = PORT_BASE | NO_RESET | A20,
		.scan_set = 2,
		.keyboard_line = *keyboard_line,
		.mouse_line = *mouse_line,
		.now = now,
		.keyboard.is_reporting = true,
	};
	pthread_mutex_init(&i8042->lock, NULL);
}

void i8042_release(struct i8042 *i8042)
{
	pthread_mutex_destroy(&i8042->lock);
}

/* Edges: a byte that follows another one calls anew. */
static void update_lines(struct i8042 *i8042)
{
	bool is_key = i8042->is_full && !i8042->is_from_mouse;
	bool is_move = i8042->is_full && i8042->is_from_mouse;
	interrupt_set(&i8042->keyboard_line, is_key && i8042->configuration & KEYBOARD_INTERRUPT);
	interrupt_set(&i8042->mouse_line, is_move && i8042->configuration & MOUSE_INTERRUPT);
}

static void give(struct i8042 *i8042, uint8_t byte, bool is_from_mouse)
{
	i8042->output = byte;
	i8042->is_full = true;
	i8042->is_from_mouse = is_from_mouse;
	update_lines(i8042);
}

void i8042_answer(struct i8042_device *device, uint8_t byte)
{
	if (device->count == I8042_ANSWERS_MAX)
		return;
	device->answers[(device->first + device->count++) % I8042_ANSWERS_MAX] = byte;
}

static uint8_t take_answer(struct i8042_device *device)
{
	uint8_t byte = device->answers[device->first];
	device->first = (device->first + 1) % I8042_ANSWERS_MAX;
	device->count--;
	return byte;
}

/* A key of the host's, as the guest wants it told: in set 1 by translation or by itself, or in set 2. */
static void press_next(struct i8042 *i8042)
{
	uint8_t code = i8042->typed[i8042->typed_first];
	i8042->typed_first = (i8042->typed_first + 1) % I8042_TYPED_MAX;
	i8042->typed_count--;
	i8042->next_key = i8042->now() + KEY_PACE;
	if (i8042->configuration & TRANSLATED || i8042->scan_set == 1) {
		i8042_answer(&i8042->keyboard, code);
		return;
	}
	if (code & 0x80)
		i8042_answer(&i8042->keyboard, 0xf0);
	i8042_answer(&i8042->keyboard, keys_in_set_2(code & 0x7f));
}

static bool can_press(const struct i8042 *i8042)
{
	return i8042->typed_count > 0 && i8042->keyboard.count == 0 && i8042->keyboard.is_reporting &&
	       !(i8042->configuration & KEYBOARD_OFF);
}

/* Whatever can be given to the guest next. */
static void go_on(struct i8042 *i8042)
{
	if (i8042->is_full)
		return;
	if (can_press(i8042) && i8042->now() >= i8042->next_key)
		press_next(i8042);
	if (i8042->keyboard.count > 0 && !(i8042->configuration & KEYBOARD_OFF))
		give(i8042, take_answer(&i8042->keyboard), false);
	else if (i8042->mouse.count > 0 && !(i8042->configuration & MOUSE_OFF))
		give(i8042, take_answer(&i8042->mouse), true);
}

int64_t i8042_next(struct i8042 *i8042)
{
	pthread_mutex_lock(&i8042->lock);
	int64_t next = can_press(i8042) && !i8042->is_full ? i8042->next_key : INT64_MAX;
	pthread_mutex_unlock(&i8042->lock);
	return next;
}

void i8042_advance(struct i8042 *i8042)
{
	pthread_mutex_lock(&i8042->lock);
	go_on(i8042);
	pthread_mutex_unlock(&i8042->lock);
}

/* How many codes a text takes; 0 where a character has no key. */
static size_t measure(const char *text, size_t size)
{
	uint8_t codes[KEYS_MAX];
	size_t sum = 0;
	for (size_t i = 0; i < size; i++) {
		unsigned count = keys_for(text[i], codes);
		if (count == 0)
			return 0;
		sum += count;
	}
	return sum;
}

int i8042_type(struct i8042 *i8042, const char *text, size_t size)
{
	uint8_t codes[KEYS_MAX];
	size_t sum = size <= I8042_TYPED_MAX ? measure(text, size) : SIZE_MAX;
	if (sum == 0)
		return size == 0 ? 0 : -EINVAL;
	pthread_mutex_lock(&i8042->lock);
	bool has_room = sum <= I8042_TYPED_MAX - i8042->typed_count;
	for (size_t i = 0; has_room && i < size; i++) {
		unsigned count = keys_for(text[i], codes);
		for (unsigned j = 0; j < count; j++)
			i8042->typed[(i8042->typed_first + i8042->typed_count++) % I8042_TYPED_MAX] = codes[j];
	}
	pthread_mutex_unlock(&i8042->lock);
	pc_wake(&i8042->wake);
	return has_room ? 0 : -EAGAIN;
}

void i8042_set_configuration(struct i8042 *i8042, uint8_t value)
{
	i8042->configuration = value;
	update_lines(i8042);
}

/* Whether it resets the computer. A20 is noted only: memory that wraps at 1 MiB is wanted by nothing that runs here. */
static bool write_output_port(struct i8042 *i8042, uint8_t value)
{
	i8042->output_port = value;
	return !(value & NO_RESET);
}

static bool write_argument(struct i8042 *i8042, uint8_t command, uint8_t value)
{
	switch (command) {
	case WRITE_CONFIGURATION:
		i8042_set_configuration(i8042, value);
		return false;
	case WRITE_OUTPUT:
		return write_output_port(i8042, value);
	case ANSWER_AS_KEYBOARD:
		give(i8042, value, false);
		return false;
	case ANSWER_AS_MOUSE:
		give(i8042, value, true);
		return false;
	default:
		i8042->configuration &= (uint8_t)~MOUSE_OFF;
		i8042_tell_mouse(i8042, value);
		return false;
	}
}

/* Commands that say something about the controller itself. */
static bool ask(struct i8042 *i8042, uint8_t command)
{
	switch (command) {
	case READ_CONFIGURATION:
		give(i8042, i8042->configuration, false);
		return true;
	case TEST_CONTROLLER:
		i8042->configuration |= TESTED;
		give(i8042, 0x55, false);
		return true;
	case TEST_KEYBOARD:
	case TEST_MOUSE:
		give(i8042, 0x00, false);
		return true;
	case READ_INPUT:
		give(i8042, 0x80, false); /* not locked */
		return true;
	case READ_OUTPUT:
		give(i8042, i8042->output_port, false);
		return true;
	default:
		return false;
	}
}

static bool write_command(struct i8042 *i8042, uint8_t command)
{
	i8042->command = 0;
	if (ask(i8042, command))
		return false;
	switch (command) {
	case DISABLE_MOUSE:
		i8042_set_configuration(i8042, i8042->configuration | MOUSE_OFF);
		break;
	case ENABLE_MOUSE:
		i8042_set_configuration(i8042, (uint8_t)(i8042->configuration & ~MOUSE_OFF));
		break;
	case DISABLE_KEYBOARD:
		i8042_set_configuration(i8042, i8042->configuration | KEYBOARD_OFF);
		break;
	case ENABLE_KEYBOARD:
		i8042_set_configuration(i8042, (uint8_t)(i8042->configuration & ~KEYBOARD_OFF));
		break;
	case WRITE_CONFIGURATION:
	case WRITE_OUTPUT:
	case ANSWER_AS_KEYBOARD:
	case ANSWER_AS_MOUSE:
	case TO_MOUSE:
		i8042->command = command;
		break;
	default:
		return (command & PULSE) == PULSE && !(command & NO_RESET);
	}
	return false;
}

static void data_read(void *device, uint64_t offset, void *data, unsigned size)
{
	struct i8042 *i8042 = device;
	pthread_mutex_lock(&i8042->lock);
	*(uint8_t *)data = i8042->output;
	i8042->is_full = false;
	update_lines(i8042);
	go_on(i8042);
	pthread_mutex_unlock(&i8042->lock);
	pc_wake(&i8042->wake);
}

static void data_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct i8042 *i8042 = device;
	uint8_t value = *(const uint8_t *)data;
	bool is_reset = false;
	pthread_mutex_lock(&i8042->lock);
	uint8_t command = i8042->command;
	i8042->command = 0;
	if (command) {
		is_reset = write_argument(i8042, command, value);
	} else {
		i8042->configuration &= (uint8_t)~KEYBOARD_OFF;
		i8042_tell_keyboard(i8042, value);
	}
	go_on(i8042);
	pthread_mutex_unlock(&i8042->lock);
	pc_wake(&i8042->wake);
	if (is_reset && i8042->reset)
		i8042->reset(i8042->reset_data);
}

static void status_read(void *device, uint64_t offset, void *data, unsigned size)
{
	struct i8042 *i8042 = device;
	pthread_mutex_lock(&i8042->lock);
	*(uint8_t *)data = (uint8_t)(UNLOCKED | (i8042->is_full ? FULL : 0) | (i8042->command ? WAS_COMMAND : 0) |
				     (i8042->is_full && i8042->is_from_mouse ? FROM_MOUSE : 0) |
				     (i8042->configuration & TESTED ? SYSTEM : 0));
	pthread_mutex_unlock(&i8042->lock);
}

static void command_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct i8042 *i8042 = device;
	pthread_mutex_lock(&i8042->lock);
	bool is_reset = write_command(i8042, *(const uint8_t *)data);
	go_on(i8042);
	pthread_mutex_unlock(&i8042->lock);
	pc_wake(&i8042->wake);
	if (is_reset && i8042->reset)
		i8042->reset(i8042->reset_data);
}

static void fast_read(void *device, uint64_t offset, void *data, unsigned size)
{
	struct i8042 *i8042 = device;
	pthread_mutex_lock(&i8042->lock);
	*(uint8_t *)data = i8042->output_port & A20;
	pthread_mutex_unlock(&i8042->lock);
}

/* System control port A of the PS/2: bit 0 resets, bit 1 is A20. */
static void fast_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct i8042 *i8042 = device;
	uint8_t value = *(const uint8_t *)data;
	pthread_mutex_lock(&i8042->lock);
	i8042->output_port = (uint8_t)((i8042->output_port & ~A20) | (value & A20));
	pthread_mutex_unlock(&i8042->lock);
	if (value & 1 && i8042->reset)
		i8042->reset(i8042->reset_data);
}

const struct bus_ops i8042_data_ops = {.read = data_read, .write = data_write};
const struct bus_ops i8042_command_ops = {.read = status_read, .write = command_write};
const struct bus_ops i8042_fast_ops = {.read = fast_read, .write = fast_write};
