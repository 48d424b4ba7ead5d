/* SPDX-License-Identifier: MIT */
/* Keyboard and mouse of a computer that is frozen. */
#include <string.h>

#include "guest/device/pc/i8042_inside.h"

enum { DELAY_MAX = 1000000000 /* nanoseconds that a key waits for */ };

struct device_state {
	uint8_t answers[I8042_ANSWERS_MAX];
	uint8_t first, count, command, is_reporting;
};

struct i8042_state {
	struct device_state keyboard, mouse;
	uint8_t command, configuration, output_port, output, is_full, is_from_mouse, scan_set, mouse_resolution;
	uint8_t mouse_rate, unused[3];
	uint32_t typed_first, typed_count, delay;
	uint8_t typed[I8042_TYPED_MAX];
};

static struct device_state state_of(const struct i8042_device *device)
{
	struct device_state state = {
		.first = (uint8_t)device->first,
		.count = (uint8_t)device->count,
		.command = device->command,
		.is_reporting = device->is_reporting,
	};
	memcpy(state.answers, device->answers, sizeof(state.answers));
	return state;
}

static uint32_t delay_of(const struct i8042 *i8042)
{
	int64_t now = i8042->now();
	if (i8042->next_key <= now)
		return 0;
	return i8042->next_key - now < DELAY_MAX ? (uint32_t)(i8042->next_key - now) : DELAY_MAX;
}

void i8042_save(struct i8042 *i8042, struct state_writer *out)
{
	pthread_mutex_lock(&i8042->lock);
	struct i8042_state state = {
		.keyboard = state_of(&i8042->keyboard),
		.mouse = state_of(&i8042->mouse),
		.command = i8042->command,
		.configuration = i8042->configuration,
		.output_port = i8042->output_port,
		.output = i8042->output,
		.is_full = i8042->is_full,
		.is_from_mouse = i8042->is_from_mouse,
		.scan_set = i8042->scan_set,
		.mouse_resolution = i8042->mouse_resolution,
		.mouse_rate = i8042->mouse_rate,
		.typed_first = i8042->typed_first,
		.typed_count = i8042->typed_count,
		.delay = delay_of(i8042),
	};
	memcpy(state.typed, i8042->typed, sizeof(state.typed));
	pthread_mutex_unlock(&i8042->lock);
	state_put(out, &state, sizeof(state));
}

static bool is_good_device(const struct device_state *state)
{
	return state->first < I8042_ANSWERS_MAX && state->count <= I8042_ANSWERS_MAX && state->is_reporting <= 1;
}

static bool is_good(const struct i8042_state *state)
{
	return is_good_device(&state->keyboard) && is_good_device(&state->mouse) && state->is_full <= 1 &&
	       state->is_from_mouse <= 1 && (state->scan_set == 1 || state->scan_set == 2) &&
	       state->mouse_resolution <= 3 && state->typed_first < I8042_TYPED_MAX &&
	       state->typed_count <= I8042_TYPED_MAX && state->delay <= DELAY_MAX;
}

static void set_device(struct i8042_device *device, const struct device_state *state)
{
	memcpy(device->answers, state->answers, sizeof(state->answers));
	device->first = state->first;
	device->count = state->count;
	device->command = state->command;
	device->is_reporting = state->is_reporting;
}

int i8042_load(struct i8042 *i8042, struct state_reader *in)
{
	struct i8042_state state;
	if (!state_get(in, &state, sizeof(state)) || !is_good(&state))
		return state_damaged("keyboard");
	pthread_mutex_lock(&i8042->lock);
	set_device(&i8042->keyboard, &state.keyboard);
	set_device(&i8042->mouse, &state.mouse);
	i8042->command = state.command;
	i8042->output_port = state.output_port;
	i8042->output = state.output;
	i8042->is_full = state.is_full;
	i8042->is_from_mouse = state.is_from_mouse;
	i8042->scan_set = state.scan_set;
	i8042->mouse_resolution = state.mouse_resolution;
	i8042->mouse_rate = state.mouse_rate;
	i8042->typed_first = state.typed_first;
	i8042->typed_count = state.typed_count;
	memcpy(i8042->typed, state.typed, sizeof(state.typed));
	i8042->next_key = i8042->now() + state.delay;
	i8042_set_configuration(i8042, state.configuration);
	pthread_mutex_unlock(&i8042->lock);
	return 0;
}
