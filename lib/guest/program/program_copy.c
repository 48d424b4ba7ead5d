/* SPDX-License-Identifier: MIT */
/* Copies of programs, for snapshots and their clones. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "guest/program/program.h"

/* The files of the same numbers; those that are the same file stay the same. */
static int copy_slots(struct program *to, const struct program *from)
{
	int r = 0;
	to->slots = calloc(from->slot_count + 1, sizeof(*to->slots));
	if (!to->slots)
		return -ENOMEM;
	to->slot_count = from->slot_count;
	for (size_t i = 0; i < from->slot_count && r == 0; i++) {
		struct file *file = from->slots[i].file, *copy = NULL;
		for (size_t j = 0; file && j < i && !copy; j++)
			if (from->slots[j].file == file)
				copy = file_ref(to->slots[j].file);
		if (file && !copy)
			r = file_copy(file, to, &copy);
		if (copy && copy->capture == &from->captured[0])
			copy->capture = &to->captured[0];
		else if (copy && copy->capture == &from->captured[1])
			copy->capture = &to->captured[1];
		to->slots[i] = (struct file_slot){copy, from->slots[i].close_on_exec};
	}
	return r;
}

static int copy_string(char **out, const char *string)
{
	*out = string ? strdup(string) : NULL;
	return string && !*out ? -ENOMEM : 0;
}

/* Whatever is not named here is copied as it is, so that nothing of a program can be forgotten. */
static void clear_pointers(struct program *program)
{
	program->instance = NULL;
	program->space = NULL;
	program->vcpu = NULL;
	program->kick = NULL;
	program->view = NULL;
	program->cwd = program->executable = NULL;
	program->slots = NULL;
	program->slot_count = 0;
	program->captured[0] = program->captured[1] = (struct captured_output){0};
	program->signals.pending.items = NULL;
	program->signals.pending.count = program->signals.pending.capacity = 0;
	program->signals.timers.posix = NULL;
	program->signals.timers.posix_count = 0;

	struct task *task = &program->first_task;
	program->task = task;
	program->task_count = 0;
	task->program = program;
	task->next = task->previous = NULL;
	task->saved = NULL;
	task->hypercall = NULL;
	task->fds = NULL;
	task->fd_count = task->fd_capacity = 0;
	task->objects = NULL;
	task->object_count = task->object_capacity = 0;
	task->futex = (struct futex_wait){0};
	task->signals.pending.items = NULL;
	task->signals.pending.count = task->signals.pending.capacity = 0;
}

static int copy_queue(struct signal_queue *to, const struct signal_queue *from)
{
	if (from->count == 0)
		return 0;
	to->items = calloc(from->count, sizeof(*to->items));
	if (!to->items)
		return -ENOMEM;
	memcpy(to->items, from->items, from->count * sizeof(*to->items));
	to->count = to->capacity = from->count;
	return 0;
}

static int copy_signals(struct program *to, const struct program *from)
{
	const struct timers *timers = &from->signals.timers;
	int r = copy_queue(&to->signals.pending, &from->signals.pending);
	if (r == 0)
		r = copy_queue(&to->first_task.signals.pending, &from->first_task.signals.pending);
	if (r < 0 || timers->posix_count == 0)
		return r;
	to->signals.timers.posix = calloc(timers->posix_count, sizeof(*timers->posix));
	if (!to->signals.timers.posix)
		return -ENOMEM;
	memcpy(to->signals.timers.posix, timers->posix, timers->posix_count * sizeof(*timers->posix));
	to->signals.timers.posix_count = timers->posix_count;
	return 0;
}

static void start_clocks(struct program *program)
{
	program->wall_start = clock_now(CLOCK_MONOTONIC);
	program->cpu_time = program->first_task.cpu_time = 0;
}

int program_copy(struct program *to, const struct program *from, struct view *view)
{
	*to = *from;
	clear_pointers(to);
	start_clocks(to);
	to->view = view;
	int r = copy_string(&to->cwd, from->cwd);
	if (r == 0)
		r = copy_string(&to->executable, from->executable);
	if (r == 0)
		r = copy_signals(to, from);
	if (r == 0)
		r = copy_slots(to, from);
	if (r < 0)
		program_release(to);
	return r;
}

void program_rewind(struct program *program, const struct program *origin)
{
	const struct task *from = &origin->first_task;
	struct task *task = &program->first_task;
	task->call_number = from->call_number;
	memcpy(task->call_args, from->call_args, sizeof(task->call_args));
	task->again = from->again;
	task->is_repeated = from->is_repeated;
	task->has_deadline = from->has_deadline;
	task->progress = from->progress;
	task->vfork_pid = from->vfork_pid;
	start_clocks(program);
}
