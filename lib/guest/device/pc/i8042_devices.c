/* SPDX-License-Identifier: MIT */
/* What keyboard and mouse of a PS/2 answer (IBM PS/2 Hardware Interface Technical Reference). */
#include "guest/device/pc/i8042_inside.h"

enum {
	ACKNOWLEDGE = 0xfa,
	RESEND = 0xfe,
	TEST_PASSED = 0xaa,
	TRANSLATED = 0x40, /* of the configuration */

	/* To either. */
	RESET = 0xff,
	DEFAULTS = 0xf6,
	DISABLE = 0xf5,
	ENABLE = 0xf4,
	SET_RATE = 0xf3,
	GET_ID = 0xf2,

	/* To the keyboard. */
	SET_SCAN_SET = 0xf0,
	ECHO = 0xee,
	SET_LEDS = 0xed,

	/* To the mouse. */
	REMOTE = 0xf0,
	WRAP = 0xee,
	NO_WRAP = 0xec,
	GET_DATA = 0xeb,
	STREAM = 0xea,
	GET_STATUS = 0xe9,
	SET_RESOLUTION = 0xe8,
	SCALE_2 = 0xe7,
	SCALE_1 = 0xe6,
};

static void forget_answers(struct i8042_device *device)
{
	device->count = 0;
	device->command = 0;
}

static void keyboard_argument(struct i8042 *i8042, uint8_t command, uint8_t value)
{
	struct i8042_device *keyboard = &i8042->keyboard;
	if (command == SET_SCAN_SET && value > 2) {
		i8042_answer(keyboard, RESEND);
		return;
	}
	i8042_answer(keyboard, ACKNOWLEDGE);
	if (command == SET_SCAN_SET && value == 0)
		i8042_answer(keyboard, i8042->scan_set);
	else if (command == SET_SCAN_SET)
		i8042->scan_set = value;
}

static void keyboard_defaults(struct i8042 *i8042, bool is_reporting)
{
	i8042->keyboard.is_reporting = is_reporting;
	i8042->scan_set = 2;
}

static void keyboard_command(struct i8042 *i8042, uint8_t command)
{
	struct i8042_device *keyboard = &i8042->keyboard;
	bool is_known = true;
	forget_answers(keyboard);
	if (command == ECHO) {
		i8042_answer(keyboard, ECHO);
		return;
	}
	switch (command) {
	case SET_LEDS:
	case SET_SCAN_SET:
	case SET_RATE:
		keyboard->command = command;
		break;
	case ENABLE:
		keyboard->is_reporting = true;
		break;
	case RESET:
	case DEFAULTS:
	case DISABLE:
		keyboard_defaults(i8042, command != DISABLE);
		break;
	default:
		is_known = command == GET_ID;
	}
	i8042_answer(keyboard, is_known ? ACKNOWLEDGE : RESEND);
	if (command == RESET)
		i8042_answer(keyboard, TEST_PASSED);
	if (command != GET_ID)
		return;
	i8042_answer(keyboard, 0xab);
	i8042_answer(keyboard, i8042->configuration & TRANSLATED ? 0x41 : 0x83);
}

void i8042_tell_keyboard(struct i8042 *i8042, uint8_t byte)
{
	uint8_t command = i8042->keyboard.command;
	i8042->keyboard.command = 0;
	/* An argument that looks like a command is one. */
	if (command && byte < 0xed)
		keyboard_argument(i8042, command, byte);
	else
		keyboard_command(i8042, byte);
}

static void mouse_defaults(struct i8042 *i8042)
{
	i8042->mouse.is_reporting = false;
	i8042->mouse_rate = 100;
	i8042->mouse_resolution = 2;
}

/* What comes behind the acknowledgement. */
static void mouse_details(struct i8042 *i8042, uint8_t command)
{
	struct i8042_device *mouse = &i8042->mouse;
	switch (command) {
	case RESET:
		i8042_answer(mouse, TEST_PASSED);
		i8042_answer(mouse, 0);
		break;
	case GET_ID:
		i8042_answer(mouse, 0);
		break;
	case GET_DATA:
		i8042_answer(mouse, 0x08); /* no button, no movement */
		i8042_answer(mouse, 0);
		i8042_answer(mouse, 0);
		break;
	case GET_STATUS:
		i8042_answer(mouse, mouse->is_reporting ? 0x20 : 0);
		i8042_answer(mouse, i8042->mouse_resolution);
		i8042_answer(mouse, i8042->mouse_rate);
		break;
	default:
		break;
	}
}

static bool mouse_command(struct i8042 *i8042, uint8_t command)
{
	switch (command) {
	case RESET:
	case DEFAULTS:
		mouse_defaults(i8042);
		return true;
	case ENABLE:
	case DISABLE:
		i8042->mouse.is_reporting = command == ENABLE;
		return true;
	case SET_RATE:
	case SET_RESOLUTION:
		i8042->mouse.command = command;
		return true;
	default:
		return command == GET_ID || command == GET_DATA || command == GET_STATUS || command == SCALE_1 ||
		       command == SCALE_2 || command == STREAM || command == REMOTE || command == WRAP ||
		       command == NO_WRAP;
	}
}

void i8042_tell_mouse(struct i8042 *i8042, uint8_t byte)
{
	struct i8042_device *mouse = &i8042->mouse;
	uint8_t command = mouse->command;
	forget_answers(mouse);
	if (command == SET_RATE)
		i8042->mouse_rate = byte;
	else if (command == SET_RESOLUTION)
		i8042->mouse_resolution = byte & 3;
	bool is_known = command || mouse_command(i8042, byte);
	i8042_answer(mouse, is_known ? ACKNOWLEDGE : RESEND);
	if (is_known && !command)
		mouse_details(i8042, byte);
}
