/* SPDX-License-Identifier: MIT */
/* Copies of programs, for snapshots and their clones. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/instance.h"
#include "guest/program/channel.h"
#include "guest/program/copies.h"

/* The files of the same numbers; those that are the same file stay the same. */
static int copy_slots(struct copies *copies, struct program *to, const struct program *from)
{
	int r = 0;
	to->slots = calloc(from->slot_count + 1, sizeof(*to->slots));
	if (!to->slots)
		return -ENOMEM;
	to->slot_count = from->slot_count;
	for (size_t i = 0; i < from->slot_count && r == 0; i++) {
		to->slots[i].close_on_exec = from->slots[i].close_on_exec;
		if (from->slots[i].file)
			r = copies_file(copies, from->slots[i].file, &to->slots[i].file);
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
	program->next = program->parent = NULL;
	program->vfork_task = NULL;
	program->cwd = program->executable = NULL;
	program->slots = NULL;
	program->slot_count = 0;
	program->captured[0] = program->captured[1] = (struct captured_output){0};
	program->signals.pending.items = NULL;
	program->signals.pending.count = program->signals.pending.capacity = 0;
	program->signals.timers.posix = NULL;
	program->signals.timers.posix_count = 0;
	program->task_count = 0;
	program->task = NULL;
	/* It comes with the others, if it has not ended. */
	program->first_task = (struct task){.program = program, .tid = program->pid, .state = TASK_ENDED};
}

static int copy_values(struct copies *copies, struct program *to, const struct program *from)
{
	int r = copy_string(&to->cwd, from->cwd);
	if (r == 0)
		r = copy_string(&to->executable, from->executable);
	if (r == 0)
		r = queue_copy(&to->signals.pending, &from->signals.pending);
	if (r == 0)
		r = timers_copy(&to->signals.timers, &from->signals.timers, copies->frozen_ns, from->cpu_time);
	return r;
}

static int copy_all(struct copies *copies, struct program *to, const struct program *from)
{
	int r = copy_values(copies, to, from);
	if (r == 0)
		r = channels_copy(copies, from->instance);
	if (r == 0)
		r = copy_slots(copies, to, from);
	if (r == 0)
		r = channels_copy_contents(copies, from->instance);
	if (r == 0)
		r = copies_watch(copies);
	if (r == 0)
		r = tasks_copy(copies, from->instance);
	if (r == 0)
		futexes_copy(copies, from->instance);
	return r;
}

void program_drop_copy(struct program *program)
{
	struct instance *instance = program->instance;
	scheduler_release(instance);
	instance->scheduler = (struct scheduler){0};
	channels_drop_files(instance);
	program_release(program);
	channels_abandon(instance);
}

int program_copy(struct program *to, const struct program *from, const struct program_place *place)
{
	struct copies copies = {
		.instance = place->instance, .program = to, .from = from, .frozen_ns = place->frozen_ns};
	*to = *from;
	clear_pointers(to);
	to->instance = place->instance;
	to->space = place->space;
	to->vcpu = &place->instance->vcpu;
	to->kick = &place->instance->kick;
	to->view = place->view;
	to->wall_start = clock_now(CLOCK_MONOTONIC);
	to->cpu_time = 0;
	int r = copy_all(&copies, to, from);
	copies_release(&copies);
	if (r < 0)
		program_drop_copy(to);
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
	program->wall_start = clock_now(CLOCK_MONOTONIC);
	program->cpu_time = task->cpu_time = 0;
}
