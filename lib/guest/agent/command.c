/* SPDX-License-Identifier: MIT */
/* A command in a guest: how it is told, how it ends, and what its viso_process does. */
#include "command/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "guest/agent/inside.h"
#include "guest/agent/spawn_message.h"

/* START_MS: until a guest has said whether the program runs; it may be very busy. */
enum { START_MS = 60000 };

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

struct agent_command *agent_find_command(struct agent *agent, uint32_t id)
{
	for (struct agent_command *command = agent->commands; command; command = command->next)
		if (command->id == id)
			return command;
	return NULL;
}

struct agent_command *agent_command_free(struct agent_command *command)
{
	agent_streams_close(command);
	close_fd(command->end_fd);
	for (int k = 0; k < 2; k++)
		free(command->output[k].captured.data);
	free(command);
	return NULL;
}

static void unref(struct agent_command *command)
{
	if (--command->references == 0)
		agent_command_free(command);
}

void agent_command_drop(struct agent *agent, struct agent_command **link)
{
	struct agent_command *command = *link;
	*link = command->next;
	agent->command_count--;
	agent_streams_close(command);
	unref(command);
}

static void end(struct agent_command *command)
{
	if (command->has_ended)
		return;
	if (!command->ended)
		command->ended = now_ns();
	command->has_ended = true;
	eventfd_write(command->end_fd, 1);
	pthread_cond_broadcast(&command->agent->changed);
}

void agent_command_lose(struct agent_command *command)
{
	command->is_lost = command->is_lost || !command->has_ended;
	command->input.has_ended = true;
	command->input.fd = close_fd(command->input.fd);
	/* The caller may be any thread, and a write could bring it SIGPIPE: the agent's own does what is left to do. */
	for (int k = 0; k < 2; k++)
		command->output[k].has_ended = true;
	end(command);
}

static bool guest_is_done(const struct agent_command *command)
{
	return command->state == COMMAND_FAILED || command->agent->state == AGENT_BROKEN || command->is_forgotten ||
	       (command->state == COMMAND_EXITED && command->output[0].has_ended && command->output[1].has_ended);
}

bool agent_command_is_done(const struct agent_command *command)
{
	return command->has_ended && guest_is_done(command) && command->output[0].fd < 0 && command->output[1].fd < 0;
}

/* Whether the guest knows it by its number. */
static bool is_reachable(const struct agent_command *command)
{
	return command->agent->state == AGENT_READY && !command->is_forgotten;
}

void agent_kill_command(struct agent_command *command)
{
	if (!is_reachable(command) || command->state >= COMMAND_FAILED)
		return;
	(void)agent_say(command->agent, AGENT_KILL, command->id, NULL, 0);
	if (command->last_deadline == INT64_MAX)
		command->last_deadline = agent_now_ms() + CLOSE_PATIENCE_MS;
	agent_wake(command->agent);
}

static bool is_complete(const struct agent_command *command)
{
	if (command->state == COMMAND_FAILED)
		return true;
	for (int k = 0; k < 2; k++)
		if (command->output[k].is_awaited && (!command->output[k].has_ended || command->output[k].fd >= 0))
			return false;
	return command->state == COMMAND_EXITED;
}

int64_t agent_command_serve(struct agent_command *command)
{
	int64_t now = agent_now_ms();
	for (int k = 0; k < 2; k++)
		agent_output_flush(command, k);
	if (command->has_ended)
		return INT64_MAX;
	if (command->input.has_ended || command->state >= COMMAND_FAILED)
		command->input.fd = close_fd(command->input.fd);
	if (command->state < COMMAND_FAILED && !command->is_timed_out && now >= command->deadline) {
		command->is_timed_out = true;
		agent_kill_command(command);
	}
	if (command->state == COMMAND_EXITED && command->last_deadline == INT64_MAX)
		command->last_deadline = now + CLOSE_PATIENCE_MS;
	int64_t last = command->last_deadline;
	if (command->state == COMMAND_SENT && last == INT64_MAX)
		last = command->started / 1000000 + START_MS;
	if (is_complete(command)) {
		end(command);
	} else if (now >= last) {
		/* What the guest says of it later is taken, and forgotten. */
		command->is_lost = command->state != COMMAND_EXITED;
		end(command);
	}
	if (command->has_ended)
		return INT64_MAX;
	return command->is_timed_out || last < command->deadline ? last : command->deadline;
}

static int fail_start(const struct agent_command *command)
{
	if (command->state == COMMAND_FAILED && command->stage == VISO_STAGE_EXEC && command->error == ENOENT)
		return error_fail(VISO_STAGE_EXEC, ENOENT, command->object,
				  "%s: no such program in the guest, or the interpreter or loader that it names is not "
				  "there; add it with viso_root_add_program()",
				  command->object);
	if (command->state == COMMAND_FAILED)
		return error_fail((viso_stage)command->stage, command->error, command->object, NULL);
	int r = command->is_forgotten ? 0 : agent_check(command->agent, "command");
	return r < 0 ? r
		     : error_fail(VISO_STAGE_GUEST, EPIPE, "agent",
				  "the guest's agent does not say whether the command runs");
}

static int await_start(viso_process *process)
{
	struct agent_command *command = process->data;
	struct agent *agent = command->agent;
	pthread_mutex_lock(&agent->lock);
	while (command->state == COMMAND_SENT && !command->has_ended)
		pthread_cond_wait(&agent->changed, &agent->lock);
	int r = command->state == COMMAND_SENT || command->state == COMMAND_FAILED ? fail_start(command) : 0;
	pthread_mutex_unlock(&agent->lock);
	return r;
}

static int signal_command(viso_process *process, int signal)
{
	struct agent_command *command = process->data;
	uint8_t data = (uint8_t)signal;
	int r = 0;
	pthread_mutex_lock(&command->agent->lock);
	if (is_reachable(command) && command->state <= COMMAND_STARTED) {
		r = agent_say(command->agent, AGENT_SIGNAL, command->id, &data, 1);
		agent_wake(command->agent);
	}
	pthread_mutex_unlock(&command->agent->lock);
	return r < 0 ? error_fail(VISO_STAGE_PROCESS, -r, "signal", "the guest's agent takes nothing now") : 0;
}

static int kill_command(viso_process *process)
{
	struct agent_command *command = process->data;
	pthread_mutex_lock(&command->agent->lock);
	command->is_killed = true;
	agent_kill_command(command);
	pthread_mutex_unlock(&command->agent->lock);
	return 0;
}

static void put_usage(viso_result *result, const struct agent_command *command)
{
	static const viso_usage places[AGENT_USED_COUNT] = {
		[AGENT_USED_USER_US] = VISO_USAGE_USER_US,
		[AGENT_USED_SYSTEM_US] = VISO_USAGE_SYSTEM_US,
		[AGENT_USED_MEMORY_PEAK] = VISO_USAGE_MEMORY_PEAK,
		[AGENT_USED_MINOR_FAULTS] = VISO_USAGE_MINOR_FAULTS,
		[AGENT_USED_MAJOR_FAULTS] = VISO_USAGE_MAJOR_FAULTS,
		[AGENT_USED_BLOCKS_IN] = VISO_USAGE_BLOCKS_IN,
		[AGENT_USED_BLOCKS_OUT] = VISO_USAGE_BLOCKS_OUT,
		[AGENT_USED_SWITCHES] = VISO_USAGE_VOLUNTARY_SWITCHES,
	};
	result->usage[VISO_USAGE_WALL_US] = (command->ended - command->started) / 1000;
	for (int i = 0; i < AGENT_USED_COUNT && command->state == COMMAND_EXITED; i++)
		result->usage[places[i]] = command->used[i] > INT64_MAX ? INT64_MAX : (int64_t)command->used[i];
}

/* What the host has done counts where the end is of that kind; for the rest the guest's word. */
static void put_reason(viso_result *result, const struct agent_command *command)
{
	int status = (int)command->status;
	bool has_exited = command->state == COMMAND_EXITED && !command->is_lost;
	if (has_exited && WIFEXITED(status)) {
		result->reason = VISO_REASON_EXITED;
		result->exit_code = WEXITSTATUS(status);
	} else if (command->is_killed || command->is_timed_out) {
		result->reason = command->is_killed ? VISO_REASON_KILLED : VISO_REASON_TIMED_OUT;
		result->signal = SIGKILL;
	} else if (has_exited && WIFSIGNALED(status)) {
		result->reason = command->end == AGENT_END_CPU_TIME ? VISO_REASON_CPU_TIME : VISO_REASON_SIGNALLED;
		result->signal = WTERMSIG(status);
	} else {
		result->reason = VISO_REASON_GUEST_FAULT;
	}
	const char *detail = result->reason == VISO_REASON_GUEST_FAULT ? command->agent->problem : NULL;
	result_describe(result, detail && *detail ? detail : NULL);
}

static int make_result(struct agent_command *command, viso_result **out_result)
{
	viso_result *result = result_new();
	if (!result)
		return error_memory();
	put_reason(result, command);
	put_usage(result, command);
	for (int k = 0; k < 2; k++) {
		struct agent_output *output = &command->output[k];
		/* What should have come has not. */
		output->captured.truncated |= output->captures && !output->has_ended;
		result->output[k] = output->captured;
		output->captured = (struct captured_output){0};
		output->captures = false;
	}
	*out_result = result;
	return 0;
}

static int collect(viso_process *process, viso_result **out_result)
{
	struct agent_command *command = process->data;
	int r = 1;
	pthread_mutex_lock(&command->agent->lock);
	if (command->has_ended && (command->state == COMMAND_FAILED ||
				   (command->state == COMMAND_SENT && !command->is_killed && !command->is_timed_out)))
		r = fail_start(command);
	else if (command->has_ended)
		r = make_result(command, out_result);
	pthread_mutex_unlock(&command->agent->lock);
	return r;
}

static void release(viso_process *process)
{
	struct agent_command *command = process->data;
	struct agent *agent = command->agent;
	bool is_mine = handle_is_mine(&process->handle);
	if (is_mine)
		pthread_mutex_lock(&agent->lock);
	unref(command);
	if (is_mine)
		pthread_mutex_unlock(&agent->lock);
	agent_unref(agent);
}

static void resize(viso_process *process, unsigned columns, unsigned rows)
{
	struct agent_command *command = process->data;
	uint8_t data[4];
	struct packer packer = {.data = data, .room = sizeof(data)};
	pack_u16(&packer, (uint16_t)columns);
	pack_u16(&packer, (uint16_t)rows);
	pthread_mutex_lock(&command->agent->lock);
	if (is_reachable(command) && command->state <= COMMAND_STARTED &&
	    agent_say(command->agent, AGENT_RESIZE, command->id, data, packer.used) == 0) {
		command->columns = (unsigned short)columns;
		command->rows = (unsigned short)rows;
		agent_wake(command->agent);
	}
	pthread_mutex_unlock(&command->agent->lock);
}

static const struct process_ops ops = {
	.await_start = await_start,
	.signal = signal_command,
	.kill = kill_command,
	.collect = collect,
	.release = release,
	.resize = resize,
};

static void pack_list(struct packer *packer, const struct strings *list)
{
	pack_u32(packer, (uint32_t)list->count);
	for (size_t i = 0; i < list->count; i++)
		pack_string(packer, list->items[i]);
}

static void pack_limits(struct packer *packer, const viso_command *settings)
{
	uint8_t count = 0;
	for (int i = 0; i < COMMAND_RLIMITS; i++)
		count = (uint8_t)(count + settings->has_rlimit[i]);
	pack_u8(packer, count);
	for (int i = 0; i < COMMAND_RLIMITS; i++)
		if (settings->has_rlimit[i]) {
			pack_u8(packer, (uint8_t)command_rlimit_number((viso_rlimit)i));
			pack_u64(packer, settings->rlimit[i]);
			pack_u64(packer, settings->rlimit_hard[i]);
		}
}

/* Which identity the agent is to take; files are sent with all rights, as those of a container are read. */
static uint32_t choose_flags(const viso_command *settings, unsigned features, bool *out_root)
{
	uint32_t flags = settings->terminal.columns ? AGENT_SPAWN_TERMINAL : 0;
	flags |= settings->receives_files ? AGENT_SPAWN_RECEIVES : 0;
	flags |= settings->sends_files ? AGENT_SPAWN_SENDS : 0;
	*out_root = settings->sends_files && (features & AGENT_IS_ROOT);
	return flags | (settings->has_user || *out_root ? AGENT_SPAWN_HAS_USER : 0);
}

static void pack_command(struct packer *packer, const viso_command *settings, unsigned features,
			 const struct strings *programs, const uint8_t modes[3])
{
	bool as_root;
	pack_u32(packer, choose_flags(settings, features, &as_root));
	pack_u32(packer, as_root ? 0 : settings->uid);
	pack_u32(packer, as_root ? 0 : settings->gid);
	pack_u16(packer, (uint16_t)settings->terminal.columns);
	pack_u16(packer, (uint16_t)settings->terminal.rows);
	pack_u64(packer, settings->cpu_time_ms);
	pack_bytes(packer, modes, 3);
	pack_u8(packer, (uint8_t)settings->group_count);
	for (size_t i = 0; i < settings->group_count; i++)
		pack_u32(packer, settings->groups[i]);
	pack_limits(packer, settings);
	pack_string(packer, settings->cwd);
	pack_list(packer, programs);
	pack_list(packer, &settings->argv);
	pack_list(packer, &settings->env);
}

/* With the lock held. 0 or a negative errno with the error set. */
static int send_command(struct agent *agent, struct agent_command *command, const viso_command *settings,
			const uint8_t modes[3])
{
	_cleanup_(strings_clear) struct strings programs = {0};
	if (command_program_candidates(settings, &programs) < 0)
		return error_memory();
	struct packer packer = {0};
	pack_command(&packer, settings, agent->features, &programs, modes);
	if (packer.used > AGENT_COMMAND_MAX)
		return error_fail(VISO_STAGE_COMMAND, E2BIG, settings->argv.items[0],
				  "arguments, environment and PATH of %s are more than a guest's agent takes",
				  settings->argv.items[0]);
	_cleanup_free_ uint8_t *data = malloc(packer.used);
	if (!data)
		return error_memory();
	packer = (struct packer){.data = data, .room = packer.used};
	pack_command(&packer, settings, agent->features, &programs, modes);
	command->id = agent_next_id(agent);
	int r = agent_say_parts(agent, AGENT_SPAWN_PART, AGENT_SPAWN, command->id, data, packer.used);
	return r == 0 ? 0
		      : error_fail(VISO_STAGE_GUEST, -r, "agent",
				   r == -EAGAIN ? "the guest's agent does not take what it has been told before"
						: NULL);
}

static int check_command(const viso_command *settings)
{
	if (settings->added_count)
		return error_fail(VISO_STAGE_STDIO, EOPNOTSUPP, "fds",
				  "a guest with a kernel of its own has no way for fds of the host beside the standard "
				  "streams; leave them out, or take a container");
	if (attributes_are_set(&settings->attributes))
		return error_fail(VISO_STAGE_COMMAND, EOPNOTSUPP, "attributes",
				  "OOM score, CPUs, nice value, scheduling policy and umask are not handed to a guest "
				  "with a kernel of its own; leave them out or take a container");
	return 0;
}

static int enter(struct agent *agent, struct agent_command *command, const viso_command *settings,
		 const uint8_t modes[3])
{
	int r = agent_check(agent, settings->argv.items[0]);
	if (r == 0 && agent->command_count >= AGENT_COMMANDS_MAX)
		r = error_fail(
			VISO_STAGE_GUEST, EAGAIN, settings->argv.items[0],
			"%d commands run in the guest, or their output is not read, which is as many as there can "
			"be",
			AGENT_COMMANDS_MAX);
	if (r == 0)
		r = send_command(agent, command, settings, modes);
	if (r < 0)
		return r;
	command->started = now_ns();
	uint64_t limit = settings->timeout_ms;
	command->deadline = limit && limit < INT64_MAX / 2 ? agent_now_ms() + (int64_t)limit : INT64_MAX;
	command->agent = agent_ref(agent);
	command->next = agent->commands;
	agent->commands = command;
	agent->command_count++;
	command->references++;
	agent_wake(agent);
	return 0;
}

static struct agent_command *new_command(void)
{
	struct agent_command *command = calloc(1, sizeof(*command));
	if (!command)
		return NULL;
	command->references = 1;
	command->last_deadline = INT64_MAX;
	command->end_fd = command->input.fd = -1;
	command->input.credit = AGENT_WINDOW;
	for (int k = 0; k < 2; k++) {
		command->output[k].fd = -1;
		command->output[k].has_ended = true;
	}
	return command;
}

/* The process's own fd, and the command's for the same eventfd: the process may be released before the command is. */
static int open_end(struct agent_command *command, viso_process *process)
{
	process->fd = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	command->end_fd = process->fd < 0 ? -1 : fcntl(process->fd, F_DUPFD_CLOEXEC, 3);
	return command->end_fd < 0 ? error_fail(VISO_STAGE_GUEST, errno, "eventfd", NULL) : 0;
}

int agent_spawn(struct agent *agent, const viso_command *settings, viso_process *process)
{
	uint8_t modes[3];
	int r = check_command(settings);
	if (r < 0)
		return r;
	struct agent_command *command = new_command();
	if (!command)
		return error_memory();
	r = open_end(command, process);
	if (r == 0)
		r = agent_open_streams(command, settings, process->stream, &process->terminal, modes);
	if (r == 0) {
		pthread_mutex_lock(&agent->lock);
		r = enter(agent, command, settings, modes);
		pthread_mutex_unlock(&agent->lock);
	}
	if (r < 0) {
		agent_command_free(command);
		return r;
	}
	process->ops = &ops;
	process->data = command;
	return 0;
}
