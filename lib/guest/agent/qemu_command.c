/* SPDX-License-Identifier: MIT */
/*
 * Commands by the QEMU guest agent. Its protocol starts a program with all of its input, is asked how it is with it,
 * and has its output at the end. What it has no words for is refused by name.
 */
#include "command/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "guest/agent/qemu_agent.h"

/*
 * PAUSE: between two looks; a program that takes long is looked at less often. KILL_MS: how long one may go on that was
 * killed. SMALL: what a fd takes at once that may block (PIPE_BUF); OUTPUT_MS: how long it may take nothing.
 */
enum {
	PAUSE_FIRST_MS = 5,
	PAUSE_LAST_MS = 200,
	KILL_MS = 10000,
	SMALL = 4096,
	OUTPUT_STEP_MS = 100,
	OUTPUT_MS = 10000
};

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void free_command(struct qemu_command *command)
{
	close_fd(command->end_fd);
	for (int k = 0; k < 2; k++) {
		close_fd(command->output[k].fd);
		free(command->output[k].captured.data);
		free(command->status.output[k]);
	}
	free(command);
}

void qemu_command_unref(struct qemu_command *command)
{
	if (--command->references == 0)
		free_command(command);
}

static void end(struct qemu_command *command)
{
	command->ended = now_ns();
	command->has_ended = true;
	for (int k = 0; k < 2; k++)
		command->output[k].fd = close_fd(command->output[k].fd);
	eventfd_write(command->end_fd, 1);
}

void qemu_command_lose(struct qemu_command *command, const char *problem)
{
	if (command->has_ended)
		return;
	command->is_lost = true;
	snprintf(command->problem, sizeof(command->problem), "%s", problem);
	end(command);
}

/* Without the lock. Nobody has to take it: what is not taken in time is lost. */
static void write_all(const struct qemu_agent *agent, int fd, const char *data, size_t size)
{
	for (int waited = 0; size > 0 && waited < OUTPUT_MS && !agent->is_closing; waited += OUTPUT_STEP_MS) {
		struct pollfd ready = {.fd = fd, .events = POLLOUT};
		while (size > 0 && poll(&ready, 1, OUTPUT_STEP_MS) > 0) {
			ssize_t n = write(fd, data, size < SMALL ? size : SMALL);
			if (n < 0 && errno != EAGAIN && errno != EINTR)
				return;
			data += n < 0 ? 0 : n;
			size -= n < 0 ? 0 : (size_t)n;
			waited = 0;
		}
	}
}

static void keep(struct qemu_output *output, struct qemu_ga_status *status, int k)
{
	output->captured.truncated = status->is_truncated[k] || status->size[k] > output->max;
	if (!status->output[k])
		return;
	output->captured.data = TAKE_PTR(status->output[k]);
	output->captured.size = status->size[k] < output->max ? status->size[k] : output->max;
	output->captured.data[output->captured.size] = '\0';
}

static void deliver(struct qemu_command *command)
{
	for (int k = 0; k < 2; k++) {
		struct qemu_output *output = &command->output[k];
		if (output->captures)
			keep(output, &command->status, k);
		else if (output->fd >= 0)
			write_all(command->agent, output->fd, command->status.output[k], command->status.size[k]);
	}
}

/* The protocol has no words for it, but every system with qemu-ga has a shell. */
static int send_kill(struct qemu_command *command)
{
	char text[64];
	int64_t pid;
	snprintf(text, sizeof(text), "kill -KILL %lld", (long long)command->pid);
	const char *const argv[] = {"/bin/sh", "-c", text, NULL};
	return qemu_ga_exec(command->agent->ga, argv, NULL, NULL, 0, false, QEMU_CALL_MS, &pid);
}

/* Without the lock, but with that of talking. */
static int ask(struct qemu_command *command, bool kills, struct qemu_ga_status *out)
{
	int r = kills ? send_kill(command) : 0;
	/* It may have ended by itself. */
	if (r == 0 || r == -EIO)
		r = qemu_ga_exec_status(command->agent->ga, command->pid, QEMU_CALL_MS, out);
	return r;
}

static void take_answer(struct qemu_command *command, int r, const struct qemu_ga_status *status)
{
	if (r < 0) {
		qemu_command_lose(command, viso_error_message());
		return;
	}
	command->status = *status;
	if (!status->has_exited)
		return;
	pthread_mutex_unlock(&command->agent->lock);
	deliver(command);
	pthread_mutex_lock(&command->agent->lock);
	end(command);
}

int64_t qemu_command_look(struct qemu_command *command)
{
	struct qemu_agent *agent = command->agent;
	struct qemu_ga_status status = {0};
	int64_t now = qemu_agent_now_ms();
	if (!command->is_timed_out && !command->is_killed && now >= command->deadline)
		command->is_timed_out = true;
	bool kills = (command->is_killed || command->is_timed_out) && !command->is_kill_sent;
	if (command->has_ended || (now < command->next_look && !kills))
		return command->has_ended ? INT64_MAX : command->next_look;
	if (kills)
		command->last_deadline = now + KILL_MS;
	command->is_kill_sent |= kills;
	pthread_mutex_unlock(&agent->lock);
	pthread_mutex_lock(&agent->talk);
	int r = ask(command, kills, &status);
	pthread_mutex_unlock(&agent->talk);
	pthread_mutex_lock(&agent->lock);
	take_answer(command, r, &status);
	now = qemu_agent_now_ms();
	if (!command->has_ended && now >= command->last_deadline)
		qemu_command_lose(command, "it does not end though it was killed");
	command->pause = 2 * command->pause < PAUSE_LAST_MS ? 2 * command->pause : PAUSE_LAST_MS;
	command->next_look = now + command->pause < command->deadline ? now + command->pause : command->deadline;
	if (command->is_kill_sent)
		command->next_look = now + command->pause;
	return command->has_ended ? INT64_MAX : command->next_look;
}

static int fail_signal(viso_process *process, int signal)
{
	return error_fail(VISO_STAGE_PROCESS, EOPNOTSUPP, "signal",
			  "qemu-ga has no way to send signals to a program; kill it, or take viso-agent");
}

static int kill_command(viso_process *process)
{
	struct qemu_command *command = process->data;
	pthread_mutex_lock(&command->agent->lock);
	command->is_killed = true;
	pthread_cond_broadcast(&command->agent->changed);
	pthread_mutex_unlock(&command->agent->lock);
	return 0;
}

static void put_reason(viso_result *result, const struct qemu_command *command)
{
	bool has_exited = !command->is_lost && command->status.has_exited;
	if (has_exited && !command->status.signal) {
		result->reason = VISO_REASON_EXITED;
		result->exit_code = command->status.exit_code;
	} else if (command->is_killed || command->is_timed_out) {
		result->reason = command->is_killed ? VISO_REASON_KILLED : VISO_REASON_TIMED_OUT;
		result->signal = SIGKILL;
	} else if (has_exited) {
		result->reason = VISO_REASON_SIGNALLED;
		result->signal = command->status.signal;
	} else {
		result->reason = VISO_REASON_GUEST_FAULT;
	}
	result->usage[VISO_USAGE_WALL_US] = (command->ended - command->started) / 1000;
	result_describe(result, result->reason == VISO_REASON_GUEST_FAULT ? command->problem : NULL);
}

static int collect(viso_process *process, viso_result **out_result)
{
	struct qemu_command *command = process->data;
	pthread_mutex_lock(&command->agent->lock);
	bool has_ended = command->has_ended;
	pthread_mutex_unlock(&command->agent->lock);
	if (!has_ended)
		return 1;
	viso_result *result = result_new();
	if (!result)
		return error_memory();
	put_reason(result, command);
	for (int k = 0; k < 2; k++) {
		result->output[k] = command->output[k].captured;
		result->output[k].truncated |= command->output[k].captures && command->is_lost;
		command->output[k].captured = (struct captured_output){0};
	}
	*out_result = result;
	return 0;
}

static void release(viso_process *process)
{
	struct qemu_command *command = process->data;
	struct qemu_agent *agent = command->agent;
	bool is_mine = handle_is_mine(&process->handle);
	if (is_mine)
		pthread_mutex_lock(&agent->lock);
	qemu_command_unref(command);
	if (is_mine)
		pthread_mutex_unlock(&agent->lock);
	qemu_agent_ops()->unref(agent);
}

static const struct process_ops ops = {
	.signal = fail_signal,
	.kill = kill_command,
	.collect = collect,
	.release = release,
};

static int refuse(const char *object, const char *what)
{
	return error_fail(VISO_STAGE_COMMAND, EOPNOTSUPP, object,
			  "qemu-ga's protocol has no %s; leave it out, or take viso-agent (VISO_AGENT_VISO)", what);
}

static int check_limits(const viso_command *settings)
{
	/* No core files, which is every command's default, is no wish. */
	for (int i = 0; i < COMMAND_RLIMITS; i++)
		if (settings->has_rlimit[i] && (i != VISO_RLIMIT_CORE || settings->rlimit[i]))
			return refuse("rlimit", "resource limits");
	if (settings->cpu_time_ms)
		return refuse("cpu_time", "limit of CPU time");
	return attributes_are_set(&settings->attributes) ? refuse("attributes", "attributes of processes") : 0;
}

static int check_command(const viso_command *settings)
{
	if (settings->terminal.columns)
		return refuse("terminal", "terminals");
	if (settings->added_count)
		return refuse("fds", "way for fds of the host");
	if (settings->has_user || settings->group_count)
		return refuse("user", "users: programs run as qemu-ga does");
	if (settings->cwd && strcmp(settings->cwd, "/") != 0)
		return refuse("cwd", "working directory");
	for (int i = 0; i < 3; i++)
		if (settings->stdio[i].kind == STDIO_PIPE)
			return refuse("pipe", "streams while a program runs");
	if (settings->stdio[2].kind == STDIO_STDOUT)
		return refuse("stdout", "standard error on standard output");
	return check_limits(settings);
}

/* Of the fd, at once: to be freed. */
static int read_input(int fd, char **out_data, size_t *out_size)
{
	size_t size = 0, room = 0;
	char *data = NULL;
	for (;;) {
		if (size == room) {
			room = 2 * room + SMALL;
			char *larger = room <= 2 * QEMU_INPUT_MAX ? realloc(data, room) : NULL;
			if (!larger)
				break;
			data = larger;
		}
		ssize_t n = read(fd, data + size, room - size);
		if (n < 0 && errno == EINTR)
			continue;
		size += n < 0 ? 0 : (size_t)n;
		if (n > 0 && size <= QEMU_INPUT_MAX)
			continue;
		if (n != 0)
			break;
		*out_data = data;
		*out_size = size;
		return 0;
	}
	int error = size > QEMU_INPUT_MAX ? E2BIG : errno;
	free(data);
	return error_fail(VISO_STAGE_STDIO, error, "stdin",
			  "the input for qemu-ga cannot be read, or is more than 16 MiB");
}

/* What ends by itself can be sent with the program; nobody knows when others do. */
static int open_input(const viso_command *settings, char **out_data, size_t *out_size)
{
	struct stat st;
	char name[32];
	int kind = settings->stdio[0].kind;
	int fd = kind == STDIO_FD || kind == STDIO_INPUT ? settings->stdio[0].fd : kind == STDIO_INHERIT ? 0 : -1;
	if (fd < 0 || (kind == STDIO_INHERIT && !fd_is_inheritable(0)))
		return 0;
	if (fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_STDIO, errno, "stdin", NULL);
	bool is_null = S_ISCHR(st.st_mode) && st.st_rdev == 0x103; /* 1:3, /dev/null */
	if (is_null)
		return 0;
	if (!S_ISREG(st.st_mode))
		return refuse("stdin", "input while a program runs: give it VISO_STDIO_NULL, a file, or bytes");
	if (kind != STDIO_INPUT)
		return read_input(fd, out_data, out_size);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	_cleanup_close_ int own = fd_above_streams(open(name, O_RDONLY | O_CLOEXEC));
	return own < 0 ? error_fail(VISO_STAGE_STDIO, errno, "stdin", NULL) : read_input(own, out_data, out_size);
}

static int open_outputs(struct qemu_command *command, const viso_command *settings)
{
	for (int k = 0; k < 2; k++) {
		const struct stdio_setting *setting = &settings->stdio[k + 1];
		struct qemu_output *output = &command->output[k];
		bool inherits = setting->kind == STDIO_INHERIT && fd_is_inheritable(k + 1);
		output->captures = setting->kind == STDIO_CAPTURE;
		output->max = output->captures ? setting->max : 0;
		if (setting->kind != STDIO_FD && !inherits)
			continue;
		output->fd = fcntl(inherits ? k + 1 : setting->fd, F_DUPFD_CLOEXEC, 3);
		if (output->fd < 0)
			return error_fail(VISO_STAGE_STDIO, errno, k ? "stderr" : "stdout", NULL);
	}
	return 0;
}

/* The first of the program's places at which the guest has it. With the lock of talking held. */
static int start_program(struct qemu_command *command, const viso_command *settings, const char *input, size_t size)
{
	_cleanup_(strings_clear) struct strings programs = {0};
	_cleanup_free_ const char **argv = calloc(settings->argv.count + 1, sizeof(*argv));
	_cleanup_free_ const char **env = calloc(settings->env.count + 1, sizeof(*env));
	if (!argv || !env || command_program_candidates(settings, &programs) < 0)
		return error_memory();
	for (size_t i = 0; i < settings->argv.count; i++)
		argv[i] = settings->argv.items[i];
	for (size_t i = 0; i < settings->env.count; i++)
		env[i] = settings->env.items[i];
	bool captures = command->output[0].captures || command->output[1].captures || command->output[0].fd >= 0 ||
			command->output[1].fd >= 0;
	int r = -ENOENT;
	for (size_t i = 0; i < programs.count && r == -ENOENT; i++) {
		argv[0] = programs.items[i];
		r = qemu_ga_exec(command->agent->ga, argv, env, input, size, captures, QEMU_CALL_MS, &command->pid);
		r = qemu_agent_explain(r, settings->argv.items[0]);
	}
	return r == -ENOENT || r == -EACCES || r == -ENOEXEC
		       ? error_fail(VISO_STAGE_EXEC, -r, settings->argv.items[0], NULL)
		       : r;
}

static int enter(struct qemu_command *command, const viso_command *settings, const char *input, size_t size)
{
	struct qemu_agent *agent = command->agent;
	pthread_mutex_lock(&agent->talk);
	int r = start_program(command, settings, input, size);
	pthread_mutex_unlock(&agent->talk);
	if (r < 0)
		return r;
	command->started = now_ns();
	int64_t now = qemu_agent_now_ms();
	uint64_t limit = settings->timeout_ms;
	command->deadline = limit && limit < INT64_MAX / 2 ? now + (int64_t)limit : INT64_MAX;
	command->next_look = now + command->pause;
	pthread_mutex_lock(&agent->lock);
	if (!agent->has_thread) {
		pthread_mutex_unlock(&agent->lock);
		return error_fail(VISO_STAGE_GUEST, EPIPE, "agent",
				  "there is no contact with the guest's agent any more");
	}
	command->next = agent->commands;
	command->references++;
	agent->commands = command;
	agent->command_count++;
	pthread_cond_broadcast(&agent->changed);
	pthread_mutex_unlock(&agent->lock);
	return 0;
}

static int make(struct qemu_command *command, const viso_command *settings, viso_process *process)
{
	_cleanup_free_ char *input = NULL;
	size_t size = 0;
	process->fd = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	command->end_fd = process->fd < 0 ? -1 : fcntl(process->fd, F_DUPFD_CLOEXEC, 3);
	if (command->end_fd < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "eventfd", NULL);
	int r = open_outputs(command, settings);
	if (r == 0)
		r = open_input(settings, &input, &size);
	return r < 0 ? r : enter(command, settings, input, size);
}

int qemu_agent_spawn(struct qemu_agent *agent, const viso_command *settings, viso_process *process)
{
	int r = check_command(settings);
	if (r < 0)
		return r;
	struct qemu_command *command = calloc(1, sizeof(*command));
	if (!command)
		return error_memory();
	*command = (struct qemu_command){.references = 1,
					 .agent = agent,
					 .end_fd = -1,
					 .output = {{.fd = -1}, {.fd = -1}},
					 .last_deadline = INT64_MAX,
					 .pause = PAUSE_FIRST_MS};
	r = make(command, settings, process);
	if (r < 0) {
		free_command(command);
		return r;
	}
	qemu_agent_ops()->ref(agent);
	process->ops = &ops;
	process->data = command;
	return 0;
}
