/* SPDX-License-Identifier: MIT */
/* Agents that lie, flood, or say nothing. The host gets a clear error in time, and nothing is left. */
#include "agent_support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/agent/bytes.h"

/* A thread that plays the agent; what it says to each frame of the host's is `act`. */
struct liar {
	struct pretended *guest;
	pthread_t thread;
	int socket;
	uint64_t token;
	struct frame_reader reader;
	void (*act)(struct liar *liar, const struct agent_frame *frame);
};

static const uint64_t own_token = 0x1111;

static void say(struct liar *liar, unsigned type, uint32_t id, const void *data, size_t size)
{
	send_frame(liar->socket, type, id, liar->token, data, size);
}

static void say_welcome(struct liar *liar, unsigned version)
{
	uint8_t data[16];
	struct packer packer = {.data = data, .room = sizeof(data)};
	pack_u16(&packer, (uint16_t)version);
	pack_u16(&packer, 0);
	pack_u32(&packer, AGENT_IS_ROOT);
	pack_u64(&packer, own_token);
	say(liar, AGENT_WELCOME, 0, data, packer.used);
}

static void *lie(void *data)
{
	struct liar *liar = data;
	struct agent_frame frame;
	frames_init(&liar->reader, own_token, AGENT_HELLO);
	while (next_frame(liar->socket, &liar->reader, &frame)) {
		if (frame.type == AGENT_HELLO)
			liar->token = frame.token;
		liar->act(liar, &frame);
	}
	return NULL;
}

static struct liar *begin(void (*act)(struct liar *liar, const struct agent_frame *frame))
{
	int ends[2];
	struct liar *liar = calloc(1, sizeof(*liar));
	assert_non_null(liar);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	liar->act = act;
	liar->socket = ends[1];
	assert_int_equal(pthread_create(&liar->thread, NULL, lie, liar), 0);
	liar->guest = pretended_over(ends[0]);
	return liar;
}

static void end(struct liar *liar)
{
	pretended_close(liar->guest);
	shutdown(liar->socket, SHUT_RDWR);
	pthread_join(liar->thread, NULL);
	close(liar->socket);
	free(liar);
}

static void be_silent(struct liar *liar, const struct agent_frame *frame)
{
}

static void test_silence(void **state)
{
	viso_result *result;
	struct liar *liar = begin(be_silent);
	assert_fails(agent_await(liar->guest->agent, 300), ETIMEDOUT, VISO_STAGE_GUEST, "agent");
	viso_command *command = script("true");
	assert_fails(viso_sandbox_run(&liar->guest->sandbox, command, &result), EAGAIN, VISO_STAGE_GUEST, "/bin/sh");
	viso_command_unref(command);
	end(liar);
}

static void be_of_another_version(struct liar *liar, const struct agent_frame *frame)
{
	say_welcome(liar, 7);
}

static void test_another_version(void **state)
{
	struct liar *liar = begin(be_of_another_version);
	assert_fails(agent_await(liar->guest->agent, 5000), EPROTONOSUPPORT, VISO_STAGE_GUEST, "agent");
	end(liar);
}

static void welcome_only(struct liar *liar, const struct agent_frame *frame)
{
	if (frame->type == AGENT_HELLO)
		say_welcome(liar, AGENT_VERSION);
}

/* Never answers: time limits and kills hold all the same. */
static void test_no_answers(void **state)
{
	struct liar *liar = begin(welcome_only);
	assert_ok(agent_await(liar->guest->agent, 5000));
	assert_fails(agent_ping(liar->guest->agent, 200), ETIMEDOUT, VISO_STAGE_GUEST, "ping");
	for (int i = 0; i < 15; i++)
		assert_int_equal(agent_ping(liar->guest->agent, 1), -ETIMEDOUT);
	assert_fails(agent_ping(liar->guest->agent, 200), EAGAIN, VISO_STAGE_GUEST, "ping");
	viso_command *command = script("true");
	assert_ok(viso_command_set_timeout_ms(command, 100));
	assert_end(run(liar->guest, command), VISO_REASON_TIMED_OUT, SIGKILL, "");
	end(liar);
}

static void speak_garbage(struct liar *liar, const struct agent_frame *frame)
{
	char garbage[4096];
	memset(garbage, 'g', sizeof(garbage));
	for (int i = 0; i < 3000 && send(liar->socket, garbage, sizeof(garbage), MSG_NOSIGNAL) > 0; i++)
		;
}

static void test_garbage(void **state)
{
	struct liar *liar = begin(speak_garbage);
	assert_fails(agent_await(liar->guest->agent, 10000), EPIPE, VISO_STAGE_GUEST, "agent");
	end(liar);
}

/* What each of these answers to a command must end the contact. */
static void announce_too_much(struct liar *liar, uint32_t id)
{
	uint8_t header[AGENT_HEADER];
	frames_put_header(header, AGENT_OUTPUT, id, liar->token, AGENT_PAYLOAD_MAX + 1);
	(void)!send(liar->socket, header, sizeof(header), MSG_NOSIGNAL);
}

static void answer_for_others(struct liar *liar, uint32_t id)
{
	say(liar, AGENT_OUTPUT, id + 1, "\1x", 2);
}

static void answer_unasked(struct liar *liar, uint32_t id)
{
	say(liar, AGENT_ANSWER, id, "\0\0\0\0", 4);
}

static void exit_before_start(struct liar *liar, uint32_t id)
{
	uint8_t data[8 + 8 * AGENT_USED_COUNT] = {0};
	say(liar, AGENT_EXITED, id, data, sizeof(data));
}

static void exit_cut(struct liar *liar, uint32_t id)
{
	say(liar, AGENT_STARTED, id, "\1\0\0\0", 4);
	say(liar, AGENT_EXITED, id, "\0\0", 2);
}

static void start_twice(struct liar *liar, uint32_t id)
{
	for (int i = 0; i < 2; i++)
		say(liar, AGENT_STARTED, id, "\1\0\0\0", 4);
}

static void use_wrong_stream(struct liar *liar, uint32_t id)
{
	say(liar, AGENT_OUTPUT, id, "\3x", 2);
}

static void end_twice(struct liar *liar, uint32_t id)
{
	for (int i = 0; i < 2; i++)
		say(liar, AGENT_OUTPUT_END, id, "\1", 1);
}

static void give_endless_credit(struct liar *liar, uint32_t id)
{
	say(liar, AGENT_INPUT_CREDIT, id, "\xff\xff\xff\xff", 4);
}

static void fail_with_nonsense(struct liar *liar, uint32_t id)
{
	say(liar, AGENT_FAILED, id, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
}

static void use_unknown_type(struct liar *liar, uint32_t id)
{
	say(liar, 999, id, "", 0);
}

static void (*const answers[])(struct liar *liar, uint32_t id) = {
	announce_too_much, answer_for_others, answer_unasked,     exit_before_start,   exit_cut,         start_twice,
	use_wrong_stream,  end_twice,         fail_with_nonsense, give_endless_credit, use_unknown_type,
};

static size_t current;

static void answer_wrongly(struct liar *liar, const struct agent_frame *frame)
{
	welcome_only(liar, frame);
	if (frame->type == AGENT_SPAWN)
		answers[current](liar, frame->id);
}

static void test_wrong_answers(void **state)
{
	for (current = 0; current < sizeof(answers) / sizeof(answers[0]); current++) {
		viso_result *result = NULL;
		struct liar *liar = begin(answer_wrongly);
		assert_ok(agent_await(liar->guest->agent, 5000));
		viso_command *command = script("true");
		assert_ok(viso_command_set_timeout_ms(command, 8000));
		int r = viso_sandbox_run(&liar->guest->sandbox, command, &result);
		if (r == 0)
			assert_end(result, VISO_REASON_GUEST_FAULT, 0, NULL);
		else
			assert_int_equal(r, -EPIPE);
		assert_fails(viso_sandbox_run(&liar->guest->sandbox, command, &result), EPIPE, VISO_STAGE_GUEST,
			     "/bin/sh");
		viso_command_unref(command);
		end(liar);
	}
}

static void fail_with_an_escape(struct liar *liar, const struct agent_frame *frame)
{
	uint8_t data[12];
	struct packer packer = {.data = data, .room = sizeof(data)};
	welcome_only(liar, frame);
	if (frame->type != AGENT_SPAWN)
		return;
	pack_u32(&packer, VISO_STAGE_EXEC);
	pack_u32(&packer, ENOENT);
	memcpy(data + packer.used, "\x1b[2J", 4);
	say(liar, AGENT_FAILED, frame->id, data, sizeof(data));
}

/* Somebody prints it to a terminal. */
static void test_what_it_says_steers_no_terminal(void **state)
{
	viso_result *result = NULL;
	struct liar *liar = begin(fail_with_an_escape);
	assert_ok(agent_await(liar->guest->agent, 5000));
	viso_command *command = script("true");
	assert_fails(viso_sandbox_run(&liar->guest->sandbox, command, &result), ENOENT, VISO_STAGE_EXEC, "?[2J");
	viso_command_unref(command);
	end(liar);
}

/* In one go, so that nobody has heard of the first failure when the second one comes, which is no failure at all. */
static void fail_twice(struct liar *liar, const struct agent_frame *frame)
{
	enum { SIZE = 8, FRAME = AGENT_HEADER + SIZE };
	uint8_t frames[2 * FRAME];
	welcome_only(liar, frame);
	if (frame->type != AGENT_SPAWN)
		return;
	for (int i = 0; i < 2; i++) {
		struct packer packer = {.data = frames + i * FRAME + AGENT_HEADER, .room = SIZE};
		frames_put_header(frames + i * FRAME, AGENT_FAILED, frame->id, liar->token, SIZE);
		pack_u32(&packer, i == 0 ? VISO_STAGE_EXEC : 0);
		pack_u32(&packer, i == 0 ? ENOENT : 0);
	}
	(void)!send(liar->socket, frames, sizeof(frames), MSG_NOSIGNAL);
}

static void test_a_failure_is_final(void **state)
{
	viso_result *result = NULL;
	struct liar *liar = begin(fail_twice);
	assert_ok(agent_await(liar->guest->agent, 5000));
	viso_command *command = script("true");
	assert_fails(viso_sandbox_run(&liar->guest->sandbox, command, &result), ENOENT, VISO_STAGE_EXEC, "");
	assert_null(result);
	viso_command_unref(command);
	end(liar);
}

/* More than its window, and than the pipe that nobody reads. */
static void flood(struct liar *liar, const struct agent_frame *frame)
{
	uint8_t data[AGENT_PAYLOAD_MAX] = {1};
	welcome_only(liar, frame);
	if (frame->type != AGENT_SPAWN)
		return;
	say(liar, AGENT_STARTED, frame->id, "\1\0\0\0", 4);
	for (int i = 0; i < 2 * AGENT_WINDOW / AGENT_PAYLOAD_MAX; i++)
		say(liar, AGENT_OUTPUT, frame->id, data, sizeof(data));
}

static void test_flood(void **state)
{
	struct liar *liar = begin(flood);
	assert_ok(agent_await(liar->guest->agent, 5000));
	viso_command *command = script("true");
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	assert_end(finish(spawn(liar->guest, command)), VISO_REASON_GUEST_FAULT, 0, NULL);
	end(liar);
}

/* A tree that leads out of where it is made. */
static void send_evil_tree(struct liar *liar, const struct agent_frame *frame)
{
	static const uint8_t exited[8 + 8 * AGENT_USED_COUNT];
	uint8_t data[256] = {1};
	struct packer packer = {.data = data, .room = sizeof(data), .used = 1};
	welcome_only(liar, frame);
	if (frame->type != AGENT_SPAWN)
		return;
	/* struct copy_record: a directory "copy", and a file "../../evil" in it. */
	const char *const names[] = {"copy", "../../evil"};
	for (int i = 0; i < 2; i++) {
		pack_u32(&packer, i == 0 ? 3 : 1);
		pack_u32(&packer, 0755);
		pack_u64(&packer, 0);
		pack_u64(&packer, 0);
		pack_u32(&packer, 0);
		pack_u32(&packer, (uint32_t)strlen(names[i]));
		pack_bytes(&packer, names[i], strlen(names[i]));
	}
	say(liar, AGENT_STARTED, frame->id, "\1\0\0\0", 4);
	say(liar, AGENT_OUTPUT, frame->id, data, packer.used);
	say(liar, AGENT_OUTPUT_END, frame->id, "\1", 1);
	say(liar, AGENT_EXITED, frame->id, exited, sizeof(exited));
}

static void test_evil_tree(void **state)
{
	char destination[256];
	char *directory = support_temporary_directory();
	struct liar *liar = begin(send_evil_tree);
	assert_ok(agent_await(liar->guest->agent, 5000));
	snprintf(destination, sizeof(destination), "%s/out", directory);
	assert_fails(viso_sandbox_copy_out(&liar->guest->sandbox, "/x", destination), EPROTO, VISO_STAGE_ROOT, "/x");
	/* Nothing was made, and the workshop is gone. */
	assert_int_equal(rmdir(directory), 0);
	free(directory);
	end(liar);
}

/* Ends nobody's output, so that its own bound must. */
static void keep_output(struct liar *liar, const struct agent_frame *frame)
{
	static const uint8_t exited[8 + 8 * AGENT_USED_COUNT];
	welcome_only(liar, frame);
	if (frame->type != AGENT_SPAWN)
		return;
	say(liar, AGENT_STARTED, frame->id, "\1\0\0\0", 4);
	say(liar, AGENT_OUTPUT, frame->id, "\1x", 2);
	say(liar, AGENT_EXITED, frame->id, exited, sizeof(exited));
}

static void test_output_that_does_not_end(void **state)
{
	struct liar *liar = begin(keep_output);
	assert_ok(agent_await(liar->guest->agent, 5000));
	viso_result *result = run(liar->guest, script("true"));
	assert_int_equal(viso_result_output_truncated(result, VISO_STDOUT), 1);
	assert_end(result, VISO_REASON_EXITED, 0, "x");
	end(liar);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_another_version),
		cmocka_unit_test(test_no_answers),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_wrong_answers),
		cmocka_unit_test(test_what_it_says_steers_no_terminal),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_evil_tree),
		cmocka_unit_test(test_output_that_does_not_end),
		cmocka_unit_test(test_a_failure_is_final),
	};
	support_time_limit(60);
	return cmocka_run_group_tests_name("agent-hostile", tests, NULL, NULL);
}
