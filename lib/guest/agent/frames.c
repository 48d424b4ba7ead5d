/* SPDX-License-Identifier: MIT */
#include "guest/agent/frames.h"

#include <errno.h>

#include "guest/agent/bytes.h"

void frames_init(struct frame_reader *reader, uint64_t token, unsigned greeting)
{
	reader->token = token;
	reader->greeting = greeting;
	reader->is_hunting = true;
	reader->begin = reader->end = 0;
}

uint8_t *frames_room(struct frame_reader *reader, size_t *out_room)
{
	if (reader->begin) {
		memmove(reader->buffer, reader->buffer + reader->begin, reader->end - reader->begin);
		reader->end -= reader->begin;
		reader->begin = 0;
	}
	*out_room = sizeof(reader->buffer) - reader->end;
	return reader->buffer + reader->end;
}

void frames_add(struct frame_reader *reader, size_t size)
{
	reader->end += size;
}

/* Whether a header for us stands there. */
static bool take_header(const struct frame_reader *reader, struct agent_frame *out)
{
	struct unpacker unpacker = {.data = reader->buffer + reader->begin, .left = AGENT_HEADER};
	uint32_t magic = unpack_u32(&unpacker);
	out->size = unpack_u32(&unpacker);
	out->type = unpack_u16(&unpacker);
	unsigned zero = unpack_u16(&unpacker);
	out->id = unpack_u32(&unpacker);
	out->token = unpack_u64(&unpacker);
	out->data = unpacker.data;
	return magic == AGENT_MAGIC && out->size <= AGENT_PAYLOAD_MAX && zero == 0 &&
	       (out->token == reader->token || (reader->greeting && out->type == reader->greeting));
}

int frames_next(struct frame_reader *reader, struct agent_frame *out)
{
	while (reader->end - reader->begin >= AGENT_HEADER) {
		if (take_header(reader, out)) {
			if (reader->end - reader->begin - AGENT_HEADER < out->size)
				return 0;
			reader->begin += AGENT_HEADER + out->size;
			reader->is_hunting = false;
			return 1;
		}
		if (!reader->is_hunting)
			return -EPROTO;
		reader->begin++;
	}
	return 0;
}

bool frames_is_amid(const struct frame_reader *reader)
{
	return reader->begin != reader->end;
}

void frames_resync(struct frame_reader *reader)
{
	reader->is_hunting = true;
}

void frames_put_header(uint8_t header[AGENT_HEADER], unsigned type, uint32_t id, uint64_t token, size_t size)
{
	struct packer packer = {.data = header, .room = AGENT_HEADER};
	pack_u32(&packer, AGENT_MAGIC);
	pack_u32(&packer, (uint32_t)size);
	pack_u16(&packer, (uint16_t)type);
	pack_u16(&packer, 0);
	pack_u32(&packer, id);
	pack_u64(&packer, token);
}
