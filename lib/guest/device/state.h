/* SPDX-License-Identifier: MIT */
/*
 * What a device is, as bytes: written while it stands still, and read by another device of the same kind, with the same
 * settings, that has not been started. Only the same build of the library reads it, so that structures are written as
 * they are; but the bytes may come from a file, so that whoever reads them checks every one.
 */
#ifndef GUEST_DEVICE_STATE_H
#define GUEST_DEVICE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* After a failure nothing is added any more. */
struct state_writer {
	uint8_t *data;
	size_t size, room;
	bool has_failed; /* there is no memory */
};

void state_put(struct state_writer *state, const void *data, size_t size);
void state_put_number(struct state_writer *state, uint64_t number);
void state_release(struct state_writer *state);

struct state_reader {
	const uint8_t *data;
	size_t left;
};

/* False, and zeroes, where there is not so much left. */
bool state_get(struct state_reader *reader, void *out, size_t size);
/* False too where it is above `max`. */
bool state_get_number(struct state_reader *reader, uint64_t max, uint64_t *out);

/* -EINVAL with the error set: this part of it is damaged. */
int state_damaged(const char *part);

#endif
