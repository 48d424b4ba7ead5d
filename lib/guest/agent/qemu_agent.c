/* SPDX-License-Identifier: MIT */
#include "guest/agent/qemu_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "guest/thread.h"

/* GREET_MS: a system that boots loses what its driver is not there for, so it is asked again. */
enum { GREET_MS = 2000, ENTROPY = 64 };

int64_t qemu_agent_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const struct {
	const char *words;
	int error;
} meanings[] = {
	{"No such file or directory", ENOENT},
	{"Permission denied", EACCES},
	{"Is a directory", EISDIR},
	{"Not a directory", ENOTDIR},
	{"No space left on device", ENOSPC},
	{"Read-only file system", EROFS},
	{"Exec format error", ENOEXEC},
	{"not currently supported", EOPNOTSUPP},
	{"has been disabled", EOPNOTSUPP},
	{"not been found", EOPNOTSUPP},
};

int qemu_agent_explain(int r, const char *object)
{
	char message[RESULT_DESCRIPTION_MAX];
	snprintf(message, sizeof(message), "%s", viso_error_message());
	for (size_t i = 0; r == -EIO && i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strstr(message, meanings[i].words))
			return error_fail(VISO_STAGE_GUEST, meanings[i].error, object, "%s", message);
	return r;
}

static void drop_ended(struct qemu_agent *agent)
{
	for (struct qemu_command **link = &agent->commands; *link;) {
		struct qemu_command *command = *link;
		if (!command->has_ended) {
			link = &command->next;
			continue;
		}
		*link = command->next;
		agent->command_count--;
		qemu_command_unref(command);
	}
}

static void sleep_until(struct qemu_agent *agent, int64_t next)
{
	const struct timespec end = {.tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000};
	if (next == INT64_MAX)
		pthread_cond_wait(&agent->changed, &agent->lock);
	else
		pthread_cond_timedwait(&agent->changed, &agent->lock, &end);
}

/* New commands come at the head, and this thread alone takes them out: the rest of the list stays as it is. */
static void *serve(void *data)
{
	struct qemu_agent *agent = data;
	pthread_mutex_lock(&agent->lock);
	while (!agent->is_closing) {
		int64_t next = INT64_MAX;
		struct qemu_command *first = agent->commands;
		for (struct qemu_command *command = first; command; command = command->next) {
			int64_t then = qemu_command_look(command);
			next = then < next ? then : next;
		}
		bool has_new = agent->commands != first;
		drop_ended(agent);
		if (!agent->is_closing && !has_new && next > qemu_agent_now_ms())
			sleep_until(agent, next);
	}
	for (struct qemu_command *command = agent->commands; command; command = command->next)
		qemu_command_lose(command, "the contact was closed");
	drop_ended(agent);
	pthread_mutex_unlock(&agent->lock);
	return NULL;
}

static void free_agent(struct qemu_agent *agent)
{
	agent->ga = qemu_ga_free(agent->ga);
	close_fd(agent->socket);
	pthread_cond_destroy(&agent->changed);
	pthread_mutex_destroy(&agent->lock);
	pthread_mutex_destroy(&agent->talk);
	free(agent);
}

static void init_waiting(struct qemu_agent *agent)
{
	pthread_condattr_t attributes;
	pthread_mutex_init(&agent->talk, NULL);
	pthread_mutex_init(&agent->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&agent->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

static int start(struct qemu_agent *agent, int socket)
{
	agent->socket = fcntl(socket, F_DUPFD_CLOEXEC, 3);
	int r = qemu_ga_new(socket, &agent->ga);
	if (r == 0 && agent->socket < 0)
		r = error_fail(VISO_STAGE_GUEST, errno, "qemu-ga", NULL);
	if (r < 0)
		return r;
	r = thread_start(&agent->thread, serve, agent);
	agent->has_thread = r == 0;
	return r < 0 ? error_fail(VISO_STAGE_GUEST, -r, "pthread_create", NULL) : 0;
}

/* It needs no watch: each look at a command is a question to a guest that may not be there any more. */
static int open_agent(int socket, const struct agent_watch *watch, void **out)
{
	struct qemu_agent *agent = calloc(1, sizeof(*agent));
	close_fd(watch->closed_fd);
	if (!agent) {
		close_fd(socket);
		return error_memory();
	}
	handle_init(&agent->handle);
	init_waiting(agent);
	int r = start(agent, socket);
	if (r < 0)
		free_agent(agent);
	else
		*out = agent;
	return r;
}

static void close_agent(void *data)
{
	struct qemu_agent *agent = data;
	/* Whoever waits for an answer has it that nobody is there. */
	shutdown(agent->socket, SHUT_RDWR);
	pthread_mutex_lock(&agent->lock);
	bool has_thread = agent->has_thread;
	agent->has_thread = false;
	agent->is_closing = true;
	pthread_cond_broadcast(&agent->changed);
	pthread_mutex_unlock(&agent->lock);
	if (has_thread)
		pthread_join(agent->thread, NULL);
}

static void *ref(void *data)
{
	struct qemu_agent *agent = data;
	handle_ref(&agent->handle);
	return agent;
}

static void unref(void *data)
{
	struct qemu_agent *agent = data;
	if (!agent || !handle_unref(&agent->handle))
		return;
	if (handle_is_mine(&agent->handle))
		close_agent(agent);
	/* In a forked child the thread has stayed behind, and its commands are this one's now. */
	while (agent->commands) {
		struct qemu_command *command = agent->commands;
		agent->commands = command->next;
		qemu_command_unref(command);
	}
	free_agent(agent);
}

static bool was_heard(void *data)
{
	struct qemu_agent *agent = data;
	return agent->is_greeted;
}

/* With the lock of talking held, as all of these. */
static int say_time(struct qemu_ga *ga, int timeout_ms)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return qemu_ga_set_time(ga, now.tv_sec * INT64_C(1000000000) + now.tv_nsec, timeout_ms);
}

/* What is written there a kernel mixes with what it has (random(4)); to count it at once the protocol has no words. */
static int add_entropy(struct qemu_ga *ga)
{
	uint8_t bytes[ENTROPY];
	int64_t handle;
	int r = qemu_ga_file_open(ga, "/dev/urandom", "w", QEMU_CALL_MS, &handle);
	if (r < 0)
		return r;
	if (getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes))
		r = qemu_ga_file_write(ga, handle, bytes, sizeof(bytes), QEMU_CALL_MS);
	explicit_bzero(bytes, sizeof(bytes));
	return r == -ETIMEDOUT || r == -EPIPE ? r : qemu_ga_file_close(ga, handle, QEMU_CALL_MS);
}

/* One that takes its time is not asked for more; nobody hears how it went, as with viso-agent. */
static void say_refresh(struct qemu_agent *agent)
{
	agent->is_to_refresh = false;
	int r = add_entropy(agent->ga);
	if (r != -ETIMEDOUT && r != -EPIPE)
		(void)!say_time(agent->ga, QEMU_CALL_MS);
}

/* Before the next that is asked of it: whoever makes a clone does not wait for an answer. */
static void refresh(void *data)
{
	struct qemu_agent *agent = data;
	agent->is_to_refresh = true;
}

static int greet(struct qemu_agent *agent, int timeout_ms)
{
	int64_t until = qemu_agent_now_ms() + timeout_ms;
	int r = 0;
	while (!agent->is_greeted) {
		int64_t left = until - qemu_agent_now_ms();
		r = qemu_ga_ping(agent->ga, left < 1 ? 1 : left < GREET_MS ? (int)left : GREET_MS);
		agent->is_greeted = r == 0;
		if (r == -EPIPE || r == -ENOMEM || (r < 0 && qemu_agent_now_ms() >= until))
			break;
	}
	return r;
}

static int await(void *data, int timeout_ms)
{
	struct qemu_agent *agent = data;
	pthread_mutex_lock(&agent->talk);
	int r = greet(agent, timeout_ms);
	if (r == 0 && agent->is_to_refresh)
		say_refresh(agent);
	pthread_mutex_unlock(&agent->talk);
	if (r == -ETIMEDOUT)
		return error_fail(
			VISO_STAGE_GUEST, ETIMEDOUT, "agent",
			"the guest's agent does not answer for %g seconds; does qemu-ga run in it, and has it the "
			"port " QEMU_GA_PORT_NAME "?",
			timeout_ms / 1000.0);
	return r;
}

static int spawn(void *agent, const viso_command *command, viso_process *process)
{
	return qemu_agent_spawn(agent, command, process);
}

static int copy_files_in(void *agent, viso_sandbox *sandbox, const char *source, const char *path)
{
	return qemu_agent_copy_in(agent, source, path);
}

static int copy_files_out(void *agent, const char *path, const char *destination)
{
	return qemu_agent_copy_out(agent, path, destination);
}

static int shut_down(void *data, viso_shutdown how, int timeout_ms)
{
	struct qemu_agent *agent = data;
	pthread_mutex_lock(&agent->talk);
	int r = qemu_ga_shut_down(agent->ga, how == VISO_SHUTDOWN_REBOOT ? "reboot" : "powerdown", timeout_ms);
	pthread_mutex_unlock(&agent->talk);
	return qemu_agent_explain(r, "shutdown");
}

static int set_time(void *data, int timeout_ms)
{
	struct qemu_agent *agent = data;
	pthread_mutex_lock(&agent->talk);
	int r = say_time(agent->ga, timeout_ms);
	pthread_mutex_unlock(&agent->talk);
	return qemu_agent_explain(r, "time");
}

static int statistics(void *agent, int timeout_ms, uint64_t out[AGENT_STATISTIC_COUNT])
{
	return qemu_agent_statistics(agent, timeout_ms, out);
}

const struct agent_ops *qemu_agent_ops(void)
{
	static const struct agent_ops ops = {
		.port = QEMU_GA_PORT_NAME,
		.open = open_agent,
		.close = close_agent,
		.ref = ref,
		.unref = unref,
		.was_heard = was_heard,
		.refresh = refresh,
		.await = await,
		.spawn = spawn,
		.copy_in = copy_files_in,
		.copy_out = copy_files_out,
		.shut_down = shut_down,
		.set_time = set_time,
		.statistics = statistics,
	};
	return &ops;
}
