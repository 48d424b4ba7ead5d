/* SPDX-License-Identifier: MIT */
/*
 * What a guest's agent may say to the host, and what a host may say to the agent: frames out of any bytes; frames of
 * any kind for two commands and a request; and the description of a command as viso-agent reads it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtiso.h>

#include "guest/agent/inside.h"
#include "guest/agent/program/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint64_t token = 0x1111111111111111;

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_agent: %s\n", what);
	abort();
}

/* An agent without a thread: what it would do is done here. */
static struct agent *make_agent(void)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	expect(agent, "no memory");
	handle_init(&agent->handle);
	pthread_mutex_init(&agent->lock, NULL);
	pthread_cond_init(&agent->changed, NULL);
	agent->socket = agent->wake = agent->watch.closed_fd = -1;
	agent->state = AGENT_READY;
	agent->token = agent->guest_token = token;
	frames_init(&agent->reader, token, 0);
	return agent;
}

static viso_process *spawn(struct agent *agent, bool pipes)
{
	viso_process *process = process_new();
	viso_command *command = viso_command_new("/bin/true");
	expect(process && command && viso_command_capture(command, 1000) == 0, "no command");
	for (int i = 0; i < (pipes ? 2 : 1); i++)
		expect(viso_command_set_stdio(command, (viso_stream)i, pipes ? VISO_STDIO_PIPE : VISO_STDIO_NULL) == 0,
		       "no stream");
	expect(agent_spawn(agent, command, process) == 0, "no process");
	viso_command_unref(command);
	return process;
}

static void check(const struct agent *agent)
{
	for (const struct agent_command *command = agent->commands; command; command = command->next) {
		expect(command->input.credit <= AGENT_WINDOW, "too much credit");
		for (int k = 0; k < 2; k++) {
			const struct agent_output *output = &command->output[k];
			expect(output->used <= AGENT_WINDOW && output->end <= AGENT_WINDOW &&
				       output->begin <= output->end,
			       "beyond the window");
			expect(output->captured.size <= 1000, "beyond the bound");
		}
	}
	expect(agent->queue_end - agent->queue_begin <= QUEUE_MAX, "beyond the queue");
}

/* As where it was noticed that another agent is at the port: and that one has greeted. */
static void begin_anew(struct agent *agent)
{
	agent_begin_anew(agent, "it is another one");
	for (const struct agent_command *command = agent->commands; command; command = command->next)
		expect(command->has_ended && command->is_forgotten, "a command of an agent that is gone");
	agent->token = token;
	agent->state = AGENT_READY;
}

/* Each frame: its type, id, and size of the payload. Type 0 is an end of the session. */
static void take_frames(struct agent *agent, const uint8_t *data, size_t size)
{
	agent->requests[0] = (struct agent_request){.id = 3, .type = AGENT_ANSWER};
	agent->requests[1] = (struct agent_request){.id = 4, .type = AGENT_PONG, .is_abandoned = true};
	while (size >= 4 && agent->state == AGENT_READY) {
		size_t length = (size_t)data[2] | (size_t)(data[3] & 0x7f) << 8;
		struct agent_frame frame = {.type = data[0], .id = data[1], .token = token, .data = data + 4};
		frame.size = length < size - 4 ? length : size - 4;
		if (frame.type)
			agent_take(agent, &frame);
		else
			begin_anew(agent);
		data += 4 + frame.size;
		size -= 4 + frame.size;
		for (struct agent_command *command = agent->commands; command; command = command->next)
			agent_command_serve(command);
		check(agent);
	}
}

static void take_bytes(struct agent *agent, const uint8_t *data, size_t size)
{
	struct agent_frame frame;
	int r = 0;
	agent->state = AGENT_GREETING;
	while (size && r >= 0 && agent->state != AGENT_BROKEN) {
		size_t room;
		uint8_t *place = frames_room(&agent->reader, &room);
		size_t part = size < room ? size : room;
		memcpy(place, data, part);
		frames_add(&agent->reader, part);
		data += part;
		size -= part;
		while (agent->state != AGENT_BROKEN && (r = frames_next(&agent->reader, &frame)) > 0) {
			expect(frame.size <= AGENT_PAYLOAD_MAX, "a frame that is too long");
			agent_take(agent, &frame);
		}
	}
}

static void serve_guest(const uint8_t *data, size_t size, bool raw)
{
	struct agent *agent = make_agent();
	viso_process *processes[] = {spawn(agent, false), spawn(agent, true)};
	if (raw)
		take_bytes(agent, data, size);
	else
		take_frames(agent, data, size);
	agent_break(agent, EPIPE, "it is over");
	for (int i = 0; i < 2; i++) {
		viso_result *result = NULL;
		if (viso_process_wait(processes[i], 0, &result) == 0)
			expect(viso_result_reason(result) >= VISO_REASON_EXITED, "no reason");
		viso_result_unref(result);
		viso_process_unref(processes[i]);
	}
	while (agent->commands)
		agent_command_drop(agent, &agent->commands);
	agent_unref(agent);
}

static void read_spec(const uint8_t *data, size_t size)
{
	struct spec spec;
	uint8_t *blob = malloc(size + 1);
	expect(blob, "no memory");
	memcpy(blob, data, size);
	if (spec_parse(&spec, blob, size) == 0) {
		expect(spec.argv[0] && spec.programs[0] && strlen(spec.cwd) < size, "a command without a program");
		for (char **word = spec.env; *word; word++)
			expect(strlen(*word) < size, "a string without an end");
	}
	spec_release(&spec);
	free(blob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] % 4 == 3)
		read_spec(data + 1, size - 1);
	else
		serve_guest(data + 1, size - 1, data[0] % 4 == 2);
	return 0;
}
