/* SPDX-License-Identifier: MIT */
#include "guest/device/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

enum { ROOM_BEGIN = 4096 };

static bool make_room(struct state_writer *state, size_t size)
{
	if (state->has_failed || state->room - state->size >= size)
		return !state->has_failed;
	size_t room = state->room ? state->room : ROOM_BEGIN;
	while (room - state->size < size && room <= SIZE_MAX / 2)
		room *= 2;
	uint8_t *data = room - state->size < size ? NULL : realloc(state->data, room);
	if (!data) {
		state->has_failed = true;
		return false;
	}
	state->data = data;
	state->room = room;
	return true;
}

void state_put(struct state_writer *state, const void *data, size_t size)
{
	if (size == 0 || !make_room(state, size))
		return;
	memcpy(state->data + state->size, data, size);
	state->size += size;
}

void state_put_number(struct state_writer *state, uint64_t number)
{
	state_put(state, &number, sizeof(number));
}

void state_release(struct state_writer *state)
{
	free(state->data);
	*state = (struct state_writer){0};
}

bool state_get(struct state_reader *reader, void *out, size_t size)
{
	if (reader->left < size) {
		memset(out, 0, size);
		return false;
	}
	memcpy(out, reader->data, size);
	reader->data += size;
	reader->left -= size;
	return true;
}

bool state_get_number(struct state_reader *reader, uint64_t max, uint64_t *out)
{
	return state_get(reader, out, sizeof(*out)) && *out <= max;
}

int state_damaged(const char *part)
{
	return error_fail(VISO_STAGE_ARGUMENT, EINVAL, part, "the snapshot is damaged: %s", part);
}
