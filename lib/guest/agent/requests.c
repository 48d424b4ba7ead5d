/* SPDX-License-Identifier: MIT */
/* What is asked of a guest as a whole. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/agent/inside.h"

enum { ENTROPY = 64 };

struct answer {
	uint8_t *data;
	size_t size;
};

static void clear_answer(struct answer *answer)
{
	free(answer->data);
}

#define _cleanup_answer_ _cleanup_(clear_answer)

static struct agent_request *find_free(struct agent *agent)
{
	for (int i = 0; i < REQUESTS_MAX; i++)
		if (!agent->requests[i].id)
			return &agent->requests[i];
	return NULL;
}

static struct timespec end_of(int timeout_ms)
{
	struct timespec end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	int64_t ns = end.tv_nsec + (int64_t)timeout_ms * 1000000;
	return (struct timespec){.tv_sec = end.tv_sec + ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* With the lock held. 0 or a negative errno with the error set. */
static int await(struct agent *agent, struct agent_request *request, const char *object, int timeout_ms,
		 struct answer *out)
{
	struct timespec end = end_of(timeout_ms);
	int error = 0;
	while (!request->is_done && agent->state == AGENT_READY && error != ETIMEDOUT)
		error = timeout_ms < 0 ? pthread_cond_wait(&agent->changed, &agent->lock)
				       : pthread_cond_timedwait(&agent->changed, &agent->lock, &end);
	if (!request->is_done && agent->state == AGENT_READY) {
		request->is_abandoned = true;
		return error_fail(VISO_STAGE_GUEST, ETIMEDOUT, object,
				  "the guest's agent has not answered within %d ms", timeout_ms);
	}
	int r = request->is_done ? 0 : agent_check(agent, object);
	error = (int)request->error;
	*out = (struct answer){.data = request->data, .size = request->size};
	*request = (struct agent_request){0};
	if (r < 0 || !error)
		return r;
	if (error == EPIPE)
		return error_fail(VISO_STAGE_GUEST, EPIPE, object, "the guest's agent was lost meanwhile: %s",
				  agent->problem);
	if (error == EPERM)
		return error_fail(
			VISO_STAGE_GUEST, error, object,
			"the guest refuses: its agent is neither its first process nor a service with --service, "
			"or has not the right");
	return error_fail(VISO_STAGE_GUEST, error, object, "the guest refuses: %s", strerrordesc_np(error));
}

static int ask(struct agent *agent, unsigned type, unsigned answer_type, const char *object, const void *data,
	       size_t size, int timeout_ms, struct answer *out)
{
	pthread_mutex_lock(&agent->lock);
	int r = agent_check(agent, object);
	struct agent_request *request = r < 0 ? NULL : find_free(agent);
	if (r == 0 && !request)
		r = error_fail(VISO_STAGE_GUEST, EAGAIN, object, "%d requests to the guest's agent are unanswered",
			       REQUESTS_MAX);
	if (r == 0) {
		uint32_t id = agent_next_id(agent);
		r = agent_say(agent, type, id, data, size);
		if (r < 0)
			r = error_fail(VISO_STAGE_GUEST, -r, object, NULL);
		else
			*request = (struct agent_request){.id = id, .type = answer_type};
	}
	if (r == 0) {
		agent_wake(agent);
		r = await(agent, request, object, timeout_ms, out);
	}
	pthread_mutex_unlock(&agent->lock);
	return r;
}

static int request(struct agent *agent, enum agent_request_kind kind, const char *object, const void *data, size_t size,
		   int timeout_ms, struct answer *out)
{
	uint8_t frame[1 + AGENT_ENTROPY_MAX];
	frame[0] = kind;
	if (size)
		memcpy(frame + 1, data, size);
	return ask(agent, AGENT_REQUEST, AGENT_ANSWER, object, frame, 1 + size, timeout_ms, out);
}

static int fail_answer(const char *object)
{
	return error_fail(VISO_STAGE_GUEST, EPROTO, object, "the answer of the guest's agent makes no sense");
}

int agent_ping(struct agent *agent, int timeout_ms)
{
	_cleanup_answer_ struct answer answer = {0};
	return ask(agent, AGENT_PING, AGENT_PONG, "ping", NULL, 0, timeout_ms, &answer);
}

int agent_statistics(struct agent *agent, int timeout_ms, uint64_t out[AGENT_STATISTIC_COUNT])
{
	_cleanup_answer_ struct answer answer = {0};
	int r = request(agent, AGENT_REQUEST_STATISTICS, "statistics", NULL, 0, timeout_ms, &answer);
	if (r < 0)
		return r;
	struct unpacker unpacker = {.data = answer.data, .left = answer.size};
	uint64_t figures[AGENT_STATISTIC_COUNT];
	unsigned count = unpack_u8(&unpacker);
	for (int i = 0; i < AGENT_STATISTIC_COUNT; i++)
		figures[i] = unpack_u64(&unpacker);
	if (unpacker.is_bad || count < AGENT_STATISTIC_COUNT)
		return fail_answer("statistics");
	memcpy(out, figures, sizeof(figures));
	return 0;
}

int agent_mounts(struct agent *agent, int timeout_ms, char **out_text)
{
	_cleanup_answer_ struct answer answer = {0};
	int r = request(agent, AGENT_REQUEST_MOUNTS, "mounts", NULL, 0, timeout_ms, &answer);
	if (r < 0)
		return r;
	char *text = strndup(answer.data ? (const char *)answer.data : "", answer.size);
	if (!text)
		return error_memory();
	*out_text = text;
	return 0;
}

/* One that nobody waits for. */
static void say_request(struct agent *agent, enum agent_request_kind kind, const void *data, size_t size)
{
	uint8_t frame[1 + AGENT_ENTROPY_MAX];
	struct agent_request *free_one = find_free(agent);
	uint32_t id = agent_next_id(agent);
	frame[0] = kind;
	memcpy(frame + 1, data, size);
	if (free_one && agent_say(agent, AGENT_REQUEST, id, frame, 1 + size) == 0)
		*free_one = (struct agent_request){.id = id, .type = AGENT_ANSWER, .is_abandoned = true};
	explicit_bzero(frame, sizeof(frame));
}

static void pack_time(uint8_t out[8])
{
	struct packer packer = {.data = out, .room = 8};
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	pack_u64(&packer, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
}

void agent_say_refresh(struct agent *agent)
{
	uint8_t bytes[ENTROPY];
	agent->is_to_refresh = false;
	if (getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes))
		say_request(agent, AGENT_REQUEST_ENTROPY, bytes, sizeof(bytes));
	pack_time(bytes);
	say_request(agent, AGENT_REQUEST_SET_TIME, bytes, 8);
	explicit_bzero(bytes, sizeof(bytes));
}

void agent_refresh(struct agent *agent)
{
	pthread_mutex_lock(&agent->lock);
	agent->is_to_refresh = true;
	if (agent->state == AGENT_READY) {
		agent_say_refresh(agent);
		agent_wake(agent);
	}
	pthread_mutex_unlock(&agent->lock);
}

int agent_set_time(struct agent *agent, int timeout_ms)
{
	_cleanup_answer_ struct answer answer = {0};
	uint8_t data[8];
	pack_time(data);
	return request(agent, AGENT_REQUEST_SET_TIME, "time", data, sizeof(data), timeout_ms, &answer);
}

int agent_add_entropy(struct agent *agent, int timeout_ms)
{
	_cleanup_answer_ struct answer answer = {0};
	uint8_t data[ENTROPY];
	if (getrandom(data, sizeof(data), 0) != sizeof(data))
		return error_fail(VISO_STAGE_GUEST, errno, "getrandom", NULL);
	int r = request(agent, AGENT_REQUEST_ENTROPY, "entropy", data, sizeof(data), timeout_ms, &answer);
	explicit_bzero(data, sizeof(data));
	return r;
}

int agent_sync(struct agent *agent, int timeout_ms)
{
	_cleanup_answer_ struct answer answer = {0};
	return request(agent, AGENT_REQUEST_SYNC, "sync", NULL, 0, timeout_ms, &answer);
}

int agent_set_hostname(struct agent *agent, const char *name, int timeout_ms)
{
	_cleanup_answer_ struct answer answer = {0};
	size_t length = strlen(name);
	if (!length || length > 64)
		return error_argument("agent_set_hostname", "a name has 1 to 64 bytes");
	return request(agent, AGENT_REQUEST_HOSTNAME, "hostname", name, length, timeout_ms, &answer);
}

int agent_freeze(struct agent *agent, bool thaws, int timeout_ms)
{
	_cleanup_answer_ struct answer answer = {0};
	enum agent_request_kind kind = thaws ? AGENT_REQUEST_THAW : AGENT_REQUEST_FREEZE;
	int r = request(agent, kind, thaws ? "thaw" : "freeze", NULL, 0, timeout_ms, &answer);
	if (r < 0)
		return r;
	struct unpacker unpacker = {.data = answer.data, .left = answer.size};
	uint32_t count = unpack_u32(&unpacker);
	return unpacker.is_bad || count > INT32_MAX ? fail_answer("freeze") : (int)count;
}

int agent_shut_down(struct agent *agent, enum agent_shutdown how, int timeout_ms)
{
	_cleanup_answer_ struct answer answer = {0};
	uint8_t data = (uint8_t)how;
	return request(agent, AGENT_REQUEST_SHUTDOWN, "shutdown", &data, 1, timeout_ms, &answer);
}
