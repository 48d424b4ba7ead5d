/* SPDX-License-Identifier: MIT */
#include "guest/program/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/files/locks.h"
#include "guest/instance.h"
#include "guest/program/processes.h"

static void set_limit(struct program *program, int number, uint64_t value)
{
	program->limits[number] = (struct rlimit){value, value};
}

static void set_limits(struct program *program, const viso_command *command)
{
	for (int i = 0; i < RLIM_NLIMITS; i++)
		set_limit(program, i, RLIM_INFINITY);
	set_limit(program, RLIMIT_STACK, 8u << 20);
	set_limit(program, RLIMIT_NOFILE, PROGRAM_FILES_DEFAULT);
	set_limit(program, RLIMIT_CORE, 0);
	set_limit(program, RLIMIT_SIGPENDING, SIGNALS_QUEUED_DEFAULT);
	for (int i = 0; i < COMMAND_RLIMITS; i++)
		if (command->has_rlimit[i])
			set_limit(program, command_rlimit_number((viso_rlimit)i), command->rlimit[i]);
	if (program->limits[RLIMIT_NOFILE].rlim_max > PROGRAM_FILES_MAX)
		set_limit(program, RLIMIT_NOFILE, PROGRAM_FILES_MAX);
}

int program_init(struct program *program, const viso_command *command, struct view *view)
{
	*program = (struct program){
		.view = view,
		.uid = command->has_user ? command->uid : COMMAND_DEFAULT_ID,
		.gid = command->has_user ? command->gid : COMMAND_DEFAULT_ID,
		.group_count = command->group_count,
		.umask = 022,
		.wall_start = clock_now(CLOCK_MONOTONIC),
		.exit_code = -1,
	};
	program->task = &program->first_task;
	program->pid = program->group = program->session = TASK_FIRST_ID;
	*program->task = (struct task){.program = program, .tid = program->pid, .until = INT64_MAX};
	signals_init(&program->signals);
	memcpy(program->groups, command->groups, command->group_count * sizeof(program->groups[0]));
	set_limits(program, command);
	program->cwd = strdup("/");
	return program->cwd ? 0 : error_memory();
}

static void free_memory(struct program *program)
{
	free(program->cwd);
	free(program->executable);
	free(program->slots);
	signals_release(&program->signals);
	task_signals_release(&program->first_task.signals);
	for (int i = 0; i < 2; i++)
		free(program->captured[i].data);
}

void program_close_files(struct program *program)
{
	for (size_t i = 0; i < program->slot_count; i++)
		program->slots[i].file = file_unref(program->slots[i].file);
	locks_forget_process(program);
}

void program_release(struct program *program)
{
	program_close_files(program);
	free_memory(program);
	*program = (struct program){0};
}

void program_forget(struct program *program)
{
	free_memory(program);
}

struct task *program_find_task(struct instance *instance, int tid)
{
	for (struct task *task = NULL; (task = scheduler_after(&instance->scheduler, task));)
		if (task->tid == tid)
			return task;
	return NULL;
}

struct task *program_task(struct program *program, int tid)
{
	struct task *task = program_find_task(program->instance, tid);
	return task && task->program == program ? task : NULL;
}

struct program *program_by_pid(struct program *program, int pid)
{
	return process_find(program->instance, pid);
}

int64_t program_cpu_time(const struct program *program)
{
	const struct task *current = program->instance->scheduler.current;
	/* First, since it may count what there is up to now. */
	int64_t time = current && current->program == program ? scheduler_current_time(program->instance) : 0;
	return time + program->cpu_time;
}

void program_end(struct program *program, viso_reason reason, int signal, const char *detail)
{
	if (program->ended)
		return;
	program->ended = true;
	program->instance->has_ended = true;
	program->reason = reason;
	program->signal = signal;
	snprintf(program->detail, sizeof(program->detail), "%s", detail ? detail : "");
}

void program_exit(struct program *program, int code)
{
	if (program->ended)
		return;
	program_end(program, VISO_REASON_EXITED, 0, NULL);
	program->exit_code = code & 0xff;
}

void program_drop_signals(struct program *program, uint64_t set)
{
	struct process_signals *signals = &program->signals;
	queue_drop(&signals->pending, set, &signals->budget);
	for (struct task *task = NULL; (task = scheduler_after(&program->instance->scheduler, task));)
		if (task->program == program)
			queue_drop(&task->signals.pending, set, &signals->budget);
}

struct file *program_file(struct program *program, int fd)
{
	return fd >= 0 && (size_t)fd < program->slot_count ? program->slots[fd].file : NULL;
}

static int grow_slots(struct program *program, size_t count)
{
	size_t wanted = count < 16 ? 16 : 2 * count;
	struct file_slot *slots = reallocarray(program->slots, wanted, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots + program->slot_count, 0, (wanted - program->slot_count) * sizeof(*slots));
	program->slots = slots;
	program->slot_count = wanted;
	return 0;
}

int program_add_file(struct program *program, struct file *file, int least, bool close_on_exec)
{
	size_t fd = (size_t)least;
	while (fd < program->slot_count && program->slots[fd].file)
		fd++;
	int r = fd >= program->limits[RLIMIT_NOFILE].rlim_cur ? -EMFILE : program_count_file(program, file);
	if (r == 0 && fd >= program->slot_count)
		r = grow_slots(program, fd + 1);
	if (r < 0) {
		file_unref(file);
		return r;
	}
	program->slots[fd] = (struct file_slot){file, close_on_exec};
	return (int)fd;
}

int program_count_file(struct program *program, struct file *file)
{
	struct file_counts *counts = &program->view->counts;
	if (file->view)
		return 0;
	if (counts->open >= counts->open_max)
		return -ENFILE;
	counts->open++;
	file->view = program->view;
	return 0;
}

bool program_take_host_fd(struct program *program, struct file *file)
{
	struct file_counts *counts = &program->view->counts;
	if (counts->host_fds >= counts->host_fds_max || program_count_file(program, file) < 0)
		return false;
	counts->host_fds++;
	file->has_host_fd = true;
	return true;
}
