/* SPDX-License-Identifier: MIT */
/* What the host says, frame by frame. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "guest/agent/program/agent.h"

static void drop_blob(void)
{
	free(agent.blob);
	agent.blob = NULL;
	agent.blob_size = 0;
}

void session_end(void)
{
	commands_forget();
	drop_blob();
	agent.has_session = false;
	agent.queue_begin = agent.queue_end = 0;
	frames_resync(&agent.reader);
	/* No frame but HELLO is for us now: nobody knows this number. */
	if (getrandom(&agent.reader.token, sizeof(agent.reader.token), GRND_NONBLOCK) < 0)
		agent.reader.token = (uint64_t)now_ms() * UINT64_C(0x9e3779b97f4a7c15);
}

static void welcome(unsigned version)
{
	uint8_t data[16];
	struct packer packer = {.data = data, .room = sizeof(data)};
	unsigned features = (agent.is_init ? AGENT_IS_INIT : 0) | (geteuid() == 0 ? AGENT_IS_ROOT : 0) |
			    (agent.is_in_charge ? AGENT_IS_IN_CHARGE : 0);
	pack_u16(&packer, (uint16_t)version);
	pack_u16(&packer, 0);
	pack_u32(&packer, features);
	pack_u64(&packer, agent.reader.token);
	say(AGENT_WELCOME, 0, data, packer.used);
}

/* The host repeats it until it has our answer. */
static void take_hello(const struct agent_frame *frame)
{
	struct unpacker unpacker = {.data = frame->data, .left = frame->size};
	unsigned lowest = unpack_u16(&unpacker), highest = unpack_u16(&unpacker);
	unsigned heartbeat_ms = unpack_u32(&unpacker);
	if (unpacker.is_bad)
		return;
	if (!agent.has_session || agent.host_token != frame->token) {
		session_end();
		agent.has_session = true;
		agent.host_token = frame->token;
	}
	agent.heartbeat_ms = heartbeat_ms;
	agent.next_heartbeat = now_ms() + heartbeat_ms;
	/* A host that is too new or too old learns it from the answer. */
	welcome(lowest <= AGENT_VERSION && AGENT_VERSION <= highest ? AGENT_VERSION : 0);
}

/* 0 or a negative errno. */
static int add_to_blob(const struct agent_frame *frame)
{
	if (agent.blob && agent.blob_id != frame->id)
		drop_blob();
	if (frame->size > AGENT_COMMAND_MAX - agent.blob_size)
		return -EPROTO;
	uint8_t *blob = realloc(agent.blob, agent.blob_size + frame->size + 1);
	if (!blob)
		return -ENOMEM;
	memcpy(blob + agent.blob_size, frame->data, frame->size);
	agent.blob = blob;
	agent.blob_size += frame->size;
	agent.blob_id = frame->id;
	return 0;
}

static void take_spawn(const struct agent_frame *frame)
{
	if (add_to_blob(frame) < 0)
		session_end();
	else if (frame->type == AGENT_SPAWN) {
		command_spawn(frame->id, agent.blob, agent.blob_size);
		drop_blob();
	}
}

static void take(const struct agent_frame *frame)
{
	struct unpacker arguments = {.data = frame->data, .left = frame->size};
	switch (frame->type) {
	case AGENT_HELLO:
		take_hello(frame);
		break;
	case AGENT_PING:
		say(AGENT_PONG, frame->id, frame->data, frame->size);
		break;
	case AGENT_SPAWN_PART:
	case AGENT_SPAWN:
		take_spawn(frame);
		break;
	case AGENT_REQUEST:
		request_take(frame->id, &arguments);
		break;
	default:
		/* A later version's; the host knows ours and does not count on more. */
		command_take(frame);
	}
}

void session_take_all(void)
{
	struct agent_frame frame;
	int r;
	while (!queue_is_full() && (r = frames_next(&agent.reader, &frame)) != 0)
		if (r > 0)
			take(&frame);
		else
			session_end();
}

void session_lose_host(void)
{
	if (agent.has_session)
		session_end();
	if (agent.is_given)
		exit(0);
	port_close();
}

void session_read(void)
{
	size_t room;
	uint8_t *place = frames_room(&agent.reader, &room);
	if (!room)
		return;
	ssize_t n = read(agent.port, place, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		session_lose_host();
		return;
	}
	agent.quiet = 0;
	frames_add(&agent.reader, (size_t)n);
	session_take_all();
}
