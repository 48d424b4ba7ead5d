/* SPDX-License-Identifier: MIT */
/* What the guest's agent says. It is believed where it fits to what was asked of it, and only as far as it goes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <virtiso/error.h>

#include "core/tame.h"
#include "guest/agent/inside.h"

static const char out_of_step[] = "it says what does not fit to what it was asked";

static void take_welcome(struct agent *agent, const struct agent_frame *frame)
{
	struct unpacker unpacker = {.data = frame->data, .left = frame->size};
	unsigned version = unpack_u16(&unpacker);
	unpack_u16(&unpacker);
	unsigned features = unpack_u32(&unpacker);
	uint64_t token = unpack_u64(&unpacker);
	/* It answers each HELLO. */
	if (agent->state == AGENT_READY && token == agent->guest_token)
		return;
	if (unpacker.is_bad || agent->state != AGENT_GREETING) {
		agent_break(agent, EPROTO, out_of_step);
		return;
	}
	if (version != AGENT_VERSION) {
		agent_break(agent, EPROTONOSUPPORT, "it speaks another version of the protocol");
		return;
	}
	agent->state = AGENT_READY;
	agent->features = features;
	agent->guest_token = token;
	agent->quiet = 0;
	agent->next_beat = agent->heard + agent->heartbeat_ms;
	if (agent->is_to_refresh)
		agent_say_refresh(agent);
	/* HELLOs that were not sent would be answered only. */
	pthread_cond_broadcast(&agent->changed);
}

static struct agent_request *find_request(struct agent *agent, const struct agent_frame *frame)
{
	for (int i = 0; i < REQUESTS_MAX; i++) {
		struct agent_request *request = &agent->requests[i];
		if (frame->id && request->id == frame->id && request->type == frame->type && !request->is_done)
			return request;
	}
	return NULL;
}

static void take_answer(struct agent *agent, const struct agent_frame *frame)
{
	struct unpacker unpacker = {.data = frame->data, .left = frame->size};
	struct agent_request *request = find_request(agent, frame);
	uint32_t error = frame->type == AGENT_ANSWER ? unpack_u32(&unpacker) : 0;
	if (!request || unpacker.is_bad) {
		agent_break(agent, EPROTO, out_of_step);
		return;
	}
	if (request->is_abandoned) {
		*request = (struct agent_request){0};
		return;
	}
	request->is_done = true;
	/* No errno of a kernel is larger. */
	request->error = error < 4096 ? error : EPROTO;
	request->size = unpacker.left;
	request->data = malloc(unpacker.left + 1);
	if (request->data)
		memcpy(request->data, unpacker.data, unpacker.left);
	else
		request->error = ENOMEM;
	pthread_cond_broadcast(&agent->changed);
}

static bool take_failed(struct agent_command *command, struct unpacker *unpacker)
{
	/* Nothing of a second one counts: without an error the command would have neither that nor a result. */
	uint32_t stage = unpack_u32(unpacker), error = unpack_u32(unpacker);
	if (command->state != COMMAND_SENT || unpacker->left > AGENT_OBJECT_MAX || error < 1 || error >= 4096 ||
	    stage < 1 || stage > VISO_STAGE_CHECKPOINT)
		return false;
	command->stage = (int)stage;
	command->error = (int)error;
	memcpy(command->object, unpacker->data, unpacker->left);
	command->object[unpacker->left] = '\0';
	tame(command->object);
	command->state = COMMAND_FAILED;
	return true;
}

static bool take_exited(struct agent_command *command, struct unpacker *unpacker)
{
	struct timespec now;
	uint64_t used[AGENT_USED_COUNT];
	uint32_t end = unpack_u32(unpacker), status = unpack_u32(unpacker);
	for (int i = 0; i < AGENT_USED_COUNT; i++)
		used[i] = unpack_u64(unpacker);
	if (command->state != COMMAND_STARTED || unpacker->is_bad)
		return false;
	command->end = end;
	command->status = status;
	memcpy(command->used, used, sizeof(used));
	clock_gettime(CLOCK_MONOTONIC, &now);
	command->ended = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	command->state = COMMAND_EXITED;
	return true;
}

static bool take_started(struct agent_command *command)
{
	if (command->state != COMMAND_SENT)
		return false;
	command->state = COMMAND_STARTED;
	return true;
}

static bool take_output(struct agent_command *command, struct unpacker *unpacker, bool ends)
{
	unsigned stream = unpack_u8(unpacker);
	if (unpacker->is_bad || stream < 1 || stream > 2 || command->state == COMMAND_FAILED)
		return false;
	struct agent_output *output = &command->output[stream - 1];
	if (!output->is_ours || output->has_ended)
		return false;
	if (!ends)
		return agent_output_add(command, (int)stream - 1, unpacker->data, unpacker->left) == 0;
	output->has_ended = true;
	agent_output_flush(command, (int)stream - 1);
	return true;
}

static bool take_input_credit(struct agent_command *command, struct unpacker *unpacker)
{
	uint32_t bytes = unpack_u32(unpacker);
	if (unpacker->is_bad || bytes > AGENT_WINDOW || command->input.credit + bytes > AGENT_WINDOW)
		return false;
	command->input.credit += bytes;
	return true;
}

static void take_for_command(struct agent *agent, const struct agent_frame *frame)
{
	struct unpacker unpacker = {.data = frame->data, .left = frame->size};
	struct agent_command *command = agent_find_command(agent, frame->id);
	bool fits = false;
	switch (command ? frame->type : 0) {
	case AGENT_STARTED:
		fits = take_started(command);
		break;
	case AGENT_FAILED:
		fits = take_failed(command, &unpacker);
		break;
	case AGENT_OUTPUT:
	case AGENT_OUTPUT_END:
		fits = take_output(command, &unpacker, frame->type == AGENT_OUTPUT_END);
		break;
	case AGENT_INPUT_CREDIT:
		fits = take_input_credit(command, &unpacker);
		break;
	case AGENT_INPUT_CLOSED:
		command->input.has_ended = true;
		fits = true;
		break;
	case AGENT_EXITED:
		fits = take_exited(command, &unpacker);
		break;
	}
	if (!fits)
		agent_break(agent, EPROTO, out_of_step);
	else if (frame->type != AGENT_OUTPUT)
		pthread_cond_broadcast(&agent->changed);
}

void agent_take(struct agent *agent, const struct agent_frame *frame)
{
	if (frame->type == AGENT_WELCOME)
		take_welcome(agent, frame);
	else if (agent->state != AGENT_READY)
		agent_break(agent, EPROTO, out_of_step);
	else if (frame->type == AGENT_PONG || frame->type == AGENT_ANSWER)
		take_answer(agent, frame);
	else if (frame->type != AGENT_HEARTBEAT)
		take_for_command(agent, frame);
}
