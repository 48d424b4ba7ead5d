/* SPDX-License-Identifier: MIT */
/* The thread of an agent, and what the others say to it. */
#include "guest/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/log.h"
#include "guest/agent/inside.h"
#include "guest/thread.h"

enum { HELLO_FIRST_MS = 100, HELLO_LAST_MS = 4000, QUEUE_LOW = 1 << 20 };

int64_t agent_now_ms(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void agent_wake(struct agent *agent)
{
	eventfd_write(agent->wake, 1);
}

static int make_room(struct agent *agent, size_t size)
{
	size_t waiting = agent->queue_end - agent->queue_begin;
	if (agent->queue_room - agent->queue_end >= size)
		return 0;
	if (waiting + size > QUEUE_MAX)
		return -EAGAIN;
	if (agent->queue_begin) {
		memmove(agent->queue, agent->queue + agent->queue_begin, waiting);
		agent->queue_begin = 0;
		agent->queue_end = waiting;
	}
	if (agent->queue_room - waiting >= size)
		return 0;
	size_t room = 2 * (waiting + size);
	uint8_t *queue = realloc(agent->queue, room);
	if (!queue)
		return -ENOMEM;
	agent->queue = queue;
	agent->queue_room = room;
	return 0;
}

int agent_say(struct agent *agent, unsigned type, uint32_t id, const void *data, size_t size)
{
	uint64_t token = type == AGENT_HELLO ? agent->token : agent->guest_token;
	int r = make_room(agent, AGENT_HEADER + size);
	if (r < 0)
		return r;
	frames_put_header(agent->queue + agent->queue_end, type, id, token, size);
	if (size)
		memcpy(agent->queue + agent->queue_end + AGENT_HEADER, data, size);
	agent->queue_end += AGENT_HEADER + size;
	return 0;
}

int agent_say_parts(struct agent *agent, unsigned part, unsigned last, uint32_t id, const void *data, size_t size)
{
	const uint8_t *rest = data;
	int r = make_room(agent, size + (size / AGENT_PAYLOAD_MAX + 1) * AGENT_HEADER);
	while (r == 0 && size > AGENT_PAYLOAD_MAX) {
		r = agent_say(agent, part, id, rest, AGENT_PAYLOAD_MAX);
		rest += AGENT_PAYLOAD_MAX;
		size -= AGENT_PAYLOAD_MAX;
	}
	return r < 0 ? r : agent_say(agent, last, id, rest, size);
}

uint32_t agent_next_id(struct agent *agent)
{
	bool is_used;
	do {
		uint32_t id = ++agent->last_id;
		is_used = !id || agent_find_command(agent, id);
		for (int i = 0; i < REQUESTS_MAX; i++)
			is_used = is_used || agent->requests[i].id == id;
	} while (is_used);
	return agent->last_id;
}

void agent_break(struct agent *agent, int error, const char *problem)
{
	if (agent->state == AGENT_BROKEN)
		return;
	agent->state = AGENT_BROKEN;
	agent->error = error;
	snprintf(agent->problem, sizeof(agent->problem), "%s", problem);
	log_info("the guest's agent: %s", problem);
	shutdown(agent->socket, SHUT_RDWR);
	agent->queue_begin = agent->queue_end = 0;
	for (struct agent_command *command = agent->commands; command; command = command->next)
		agent_command_lose(command);
	pthread_cond_broadcast(&agent->changed);
	agent_wake(agent);
}

/* Whoever waits learns it from the answer. */
static void end_requests(struct agent *agent)
{
	for (int i = 0; i < REQUESTS_MAX; i++) {
		struct agent_request *request = &agent->requests[i];
		if (request->is_abandoned)
			*request = (struct agent_request){0};
		if (!request->id || request->is_done)
			continue;
		request->is_done = true;
		request->error = EPIPE;
	}
}

/* Late frames of the old session are skipped by their token, and so is half of one. */
void agent_begin_anew(struct agent *agent, const char *problem)
{
	if (agent->state != AGENT_READY)
		return;
	snprintf(agent->problem, sizeof(agent->problem), "%s", problem);
	log_info("the guest's agent: %s", problem);
	agent->state = AGENT_GREETING;
	if (getrandom(&agent->token, sizeof(agent->token), GRND_NONBLOCK) != sizeof(agent->token))
		agent->token = agent->token * UINT64_C(6364136223846793005) + (uint64_t)agent_now_ms();
	frames_resync(&agent->reader);
	agent->reader.token = agent->token;
	agent->skipped = 0;
	agent->queue_begin = agent->queue_end = 0;
	agent->hello_pause = HELLO_FIRST_MS;
	agent->next_hello = agent_now_ms();
	for (struct agent_command *command = agent->commands; command; command = command->next) {
		agent_command_lose(command);
		command->is_forgotten = true;
	}
	end_requests(agent);
	pthread_cond_broadcast(&agent->changed);
}

int agent_check(struct agent *agent, const char *object)
{
	if (agent->state == AGENT_BROKEN)
		return error_fail(VISO_STAGE_GUEST, agent->error == EPROTONOSUPPORT ? EPROTONOSUPPORT : EPIPE, object,
				  "there is no contact with the guest's agent any more: %s", agent->problem);
	if (agent->state == AGENT_GREETING)
		return error_fail(VISO_STAGE_GUEST, EAGAIN, object,
				  "the guest's agent has not answered yet; wait for it first");
	return 0;
}

static void say_hello(struct agent *agent, int64_t now)
{
	uint8_t data[8];
	struct packer packer = {.data = data, .room = sizeof(data)};
	if (agent->state != AGENT_GREETING || now < agent->next_hello)
		return;
	pack_u16(&packer, AGENT_VERSION);
	pack_u16(&packer, AGENT_VERSION);
	pack_u32(&packer, agent->heartbeat_ms);
	/* Those that were not taken are not followed by more. */
	if (agent->queue_begin == agent->queue_end)
		(void)agent_say(agent, AGENT_HELLO, 0, data, packer.used);
	agent->hello_pause = 2 * agent->hello_pause > HELLO_LAST_MS ? HELLO_LAST_MS : 2 * agent->hello_pause;
	agent->next_hello = now + agent->hello_pause;
}

static void flush_queue(struct agent *agent)
{
	while (agent->queue_begin < agent->queue_end) {
		ssize_t n = send(agent->socket, agent->queue + agent->queue_begin,
				 agent->queue_end - agent->queue_begin, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			agent_break(agent, EPIPE, "the guest, or its port, is gone");
		if (n < 0)
			return;
		agent->queue_begin += (size_t)n;
	}
	agent->queue_begin = agent->queue_end = 0;
}

static void take_all(struct agent *agent)
{
	struct agent_frame frame;
	int r = 0;
	while (agent->state != AGENT_BROKEN && (r = frames_next(&agent->reader, &frame)) > 0)
		agent_take(agent, &frame);
	if (r < 0)
		agent_break(agent, EPROTO, "what it sends is no frame of the protocol");
}

static void receive(struct agent *agent)
{
	size_t room;
	uint8_t *place = frames_room(&agent->reader, &room);
	ssize_t n = recv(agent->socket, place, room, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		agent_break(agent, EPIPE, "the guest, or its port, is gone");
		return;
	}
	agent->heard = agent_now_ms();
	agent->has_beaten = true;
	frames_add(&agent->reader, (size_t)n);
	if (agent->state == AGENT_GREETING && (agent->skipped += (size_t)n) > HUNT_MAX)
		agent_break(agent, EPROTO, "it sends whatever it wants, and does not greet");
	take_all(agent);
}

/* OWN: the agent's own. */
enum { OWN = 3 };

/* What is in the set of poll(2) beside the agent's own: the commands, by their order. */
struct poll_set {
	struct pollfd *fds;
	struct agent_command **commands;
	size_t room, count;
};

static bool poll_set_fill(struct poll_set *set, struct agent *agent)
{
	if (!set->fds || set->room < agent->command_count) {
		size_t room = 2 * agent->command_count + 4;
		struct pollfd *fds = realloc(set->fds, (OWN + AGENT_POLLS * room) * sizeof(*fds));
		if (fds)
			set->fds = fds;
		struct agent_command **commands = realloc(set->commands, room * sizeof(struct agent_command *));
		if (commands)
			set->commands = commands;
		if (!fds || !commands)
			return false;
		set->room = room;
	}
	bool has_room = agent->queue_end - agent->queue_begin < QUEUE_LOW && agent->state == AGENT_READY;
	bool is_broken = agent->state == AGENT_BROKEN;
	set->fds[0] = (struct pollfd){.fd = agent->wake, .events = POLLIN};
	set->fds[1] = (struct pollfd){.fd = is_broken ? -1 : agent->socket, .events = POLLIN};
	if (agent->queue_begin < agent->queue_end)
		set->fds[1].events |= POLLOUT;
	set->fds[2] = (struct pollfd){.fd = is_broken ? -1 : agent->watch.closed_fd, .events = POLLIN};
	set->count = 0;
	for (struct agent_command *command = agent->commands; command; command = command->next) {
		agent_streams_poll(command, set->fds + OWN + AGENT_POLLS * set->count, has_room);
		set->commands[set->count++] = command;
	}
	return true;
}

static void drop_done(struct agent *agent)
{
	for (struct agent_command **link = &agent->commands; *link;)
		if (agent_command_is_done(*link))
			agent_command_drop(agent, link);
		else
			link = &(*link)->next;
}

/* Without the lock: whoever knows it has one of their own, with which they ask us. */
static bool stands_still(struct agent *agent)
{
	const struct agent_watch watch = agent->watch;
	if (!watch.stands_still)
		return false;
	pthread_mutex_unlock(&agent->lock);
	bool is_still = watch.stands_still(watch.data);
	pthread_mutex_lock(&agent->lock);
	return is_still;
}

/* An agent that has nothing to say says so; one that does not even that has died, or hangs. The next time to look. */
static int64_t expect_beat(struct agent *agent, int64_t now)
{
	if (!agent->heartbeat_ms || agent->state != AGENT_READY)
		return INT64_MAX;
	if (now < agent->next_beat)
		return agent->next_beat;
	bool is_quiet = !agent->has_beaten && !stands_still(agent);
	if (agent->state != AGENT_READY)
		return INT64_MAX; /* it was closed meanwhile */
	agent->quiet = is_quiet ? agent->quiet + 1 : 0;
	agent->has_beaten = false;
	agent->next_beat = now + agent->heartbeat_ms;
	if (agent->quiet < QUIET_MAX)
		return agent->next_beat;
	agent_begin_anew(agent, "it has not been heard of for too long");
	return agent->next_hello;
}

/* When to look again, in ms from now; -1 for never. */
static int look(struct agent *agent)
{
	int64_t now = agent_now_ms(), next = expect_beat(agent, now);
	say_hello(agent, now);
	if (agent->state == AGENT_GREETING && agent->next_hello < next)
		next = agent->next_hello;
	for (struct agent_command *command = agent->commands; command; command = command->next) {
		int64_t then = agent_command_serve(command);
		next = then < next ? then : next;
	}
	drop_done(agent);
	flush_queue(agent);
	drop_done(agent);
	now = agent_now_ms();
	return next == INT64_MAX ? -1 : next <= now ? 0 : next - now > 60000 ? 60000 : (int)(next - now);
}

/* Commands are taken out of the list by this thread alone, so those that were polled are still there. */
static void serve_ready(struct agent *agent, const struct poll_set *set)
{
	eventfd_t value;
	if (set->fds[0].revents)
		(void)eventfd_read(agent->wake, &value);
	if (set->fds[1].revents & (POLLIN | POLLHUP | POLLERR))
		receive(agent);
	/* What it has said before counts: it was read above. */
	if (set->fds[2].revents && eventfd_read(agent->watch.closed_fd, &value) == 0)
		agent_begin_anew(agent, "it has ended, or has closed its port");
	for (size_t i = 0; i < set->count; i++)
		agent_streams_serve(set->commands[i], set->fds + OWN + AGENT_POLLS * i);
}

static void *serve(void *data)
{
	struct agent *agent = data;
	struct poll_set set = {0};
	pthread_mutex_lock(&agent->lock);
	while (!agent->is_closing) {
		int wait = look(agent);
		if (!poll_set_fill(&set, agent)) {
			agent_break(agent, ENOMEM, "the host has no memory");
			break;
		}
		pthread_mutex_unlock(&agent->lock);
		int ready = poll(set.fds, OWN + AGENT_POLLS * set.count, wait);
		pthread_mutex_lock(&agent->lock);
		if (ready > 0)
			serve_ready(agent, &set);
	}
	/* What the streams take at once of what has come. */
	for (struct agent_command *command = agent->commands; command; command = command->next)
		agent_command_serve(command);
	pthread_mutex_unlock(&agent->lock);
	free(set.fds);
	free(set.commands);
	return NULL;
}

static void init_waiting(struct agent *agent)
{
	pthread_condattr_t attributes;
	pthread_mutex_init(&agent->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&agent->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

static struct agent *agent_free(struct agent *agent)
{
	close_fd(agent->socket);
	close_fd(agent->wake);
	close_fd(agent->watch.closed_fd);
	for (int i = 0; i < REQUESTS_MAX; i++)
		free(agent->requests[i].data);
	free(agent->queue);
	pthread_cond_destroy(&agent->changed);
	pthread_mutex_destroy(&agent->lock);
	free(agent);
	return NULL;
}

static int start(struct agent *agent)
{
	if (agent->socket < 0)
		return error_argument("agent_new", "the socket is no fd");
	agent->wake = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (agent->wake < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "eventfd", NULL);
	if (getrandom(&agent->token, sizeof(agent->token), 0) != sizeof(agent->token))
		return error_fail(VISO_STAGE_GUEST, errno, "getrandom", NULL);
	frames_init(&agent->reader, agent->token, 0);
	int r = thread_start(&agent->thread, serve, agent);
	if (r < 0)
		return error_fail(VISO_STAGE_GUEST, -r, "pthread_create", NULL);
	agent->has_thread = true;
	return 0;
}

int agent_new(int socket, unsigned heartbeat_ms, struct agent **out_agent)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	if (!agent) {
		close_fd(socket);
		return error_memory();
	}
	handle_init(&agent->handle);
	init_waiting(agent);
	agent->socket = fd_above_streams(socket);
	agent->wake = agent->watch.closed_fd = -1;
	agent->heartbeat_ms = heartbeat_ms;
	agent->hello_pause = HELLO_FIRST_MS;
	int r = start(agent);
	if (r < 0)
		agent_free(agent);
	else
		*out_agent = agent;
	return r;
}

void agent_set_watch(struct agent *agent, const struct agent_watch *watch)
{
	pthread_mutex_lock(&agent->lock);
	close_fd(agent->watch.closed_fd);
	agent->watch = *watch;
	agent_wake(agent);
	pthread_mutex_unlock(&agent->lock);
}

void agent_close(struct agent *agent)
{
	pthread_mutex_lock(&agent->lock);
	bool has_thread = agent->has_thread;
	agent->has_thread = false;
	agent->is_closing = true;
	agent_break(agent, EPIPE, "it was closed");
	agent_wake(agent);
	pthread_mutex_unlock(&agent->lock);
	if (!has_thread)
		return;
	pthread_join(agent->thread, NULL);
	pthread_mutex_lock(&agent->lock);
	while (agent->commands)
		agent_command_drop(agent, &agent->commands);
	pthread_mutex_unlock(&agent->lock);
}

struct agent *agent_ref(struct agent *agent)
{
	handle_ref(&agent->handle);
	return agent;
}

struct agent *agent_unref(struct agent *agent)
{
	if (!agent || !handle_unref(&agent->handle))
		return NULL;
	if (handle_is_mine(&agent->handle)) {
		agent_close(agent);
	} else {
		/* The thread has stayed behind, and the lock may be held by it for ever. */
		while (agent->commands) {
			struct agent_command *command = agent->commands;
			agent->commands = command->next;
			agent_command_free(command);
		}
	}
	return agent_free(agent);
}

static bool is_over(const struct timespec *end)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec);
}

int agent_await(struct agent *agent, int timeout_ms)
{
	struct timespec end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += timeout_ms / 1000 + (end.tv_nsec + timeout_ms % 1000 * 1000000) / 1000000000;
	end.tv_nsec = (end.tv_nsec + timeout_ms % 1000 * 1000000) % 1000000000;
	pthread_mutex_lock(&agent->lock);
	while (agent->state == AGENT_GREETING && (timeout_ms < 0 || !is_over(&end)))
		if (timeout_ms < 0)
			pthread_cond_wait(&agent->changed, &agent->lock);
		else
			pthread_cond_timedwait(&agent->changed, &agent->lock, &end);
	int r = agent->state == AGENT_GREETING
			? error_fail(VISO_STAGE_GUEST, ETIMEDOUT, "agent",
				     "the guest's agent does not answer for %g seconds; has its system booted (its "
				     "console "
				     "tells), does viso-agent run in it, and has it the port " AGENT_PORT_NAME "?",
				     timeout_ms / 1000.0)
			: agent_check(agent, "agent");
	pthread_mutex_unlock(&agent->lock);
	return r;
}

unsigned agent_features(struct agent *agent)
{
	pthread_mutex_lock(&agent->lock);
	unsigned features = agent->features;
	pthread_mutex_unlock(&agent->lock);
	return features;
}

int64_t agent_silence_ms(struct agent *agent)
{
	pthread_mutex_lock(&agent->lock);
	int64_t silence = agent->heard ? agent_now_ms() - agent->heard : -1;
	pthread_mutex_unlock(&agent->lock);
	return silence;
}
