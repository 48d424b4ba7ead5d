/* SPDX-License-Identifier: MIT */
/* Frames out of a stream of bytes and into it, the same on both sides. */
#ifndef GUEST_AGENT_FRAMES_H
#define GUEST_AGENT_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/agent/message.h"

struct agent_frame {
	unsigned type;
	uint32_t id;
	uint64_t token;
	const uint8_t *data;
	size_t size;
};

struct frame_reader {
	uint64_t token;    /* that frames for us have */
	unsigned greeting; /* a type that may have any token; 0 for none */
	bool is_hunting;   /* what is no frame is skipped until one is found; else it is an error */
	size_t begin, end; /* what is in the buffer */
	uint8_t buffer[2 * (AGENT_HEADER + AGENT_PAYLOAD_MAX)];
};

void frames_init(struct frame_reader *reader, uint64_t token, unsigned greeting);

/* Where the next bytes go, and how many of them: at least one after frames_next() gave 0. Frames are void then. */
uint8_t *frames_room(struct frame_reader *reader, size_t *out_room);
void frames_add(struct frame_reader *reader, size_t size);

/* 1 with a frame, which is valid until frames_room(); 0 where more bytes are needed; -EPROTO where it is none. */
int frames_next(struct frame_reader *reader, struct agent_frame *out);

/* Whether a frame has begun. */
bool frames_is_amid(const struct frame_reader *reader);

/* Looks for a frame anew, after the token was changed. */
void frames_resync(struct frame_reader *reader);

/* The header of a frame. */
void frames_put_header(uint8_t header[AGENT_HEADER], unsigned type, uint32_t id, uint64_t token, size_t size);

#endif
