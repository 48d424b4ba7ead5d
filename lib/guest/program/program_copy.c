/* SPDX-License-Identifier: MIT */
/* Copies of programs, for snapshots and their clones. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/hot.h"
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
	program->space = NULL;
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

static void copy_plain(struct program *to, const struct program *from, const struct program_place *place)
{
	*to = *from;
	clear_pointers(to);
	to->instance = place->instance;
	to->vcpu = &place->instance->vcpu;
	to->kick = &place->instance->kick;
	to->view = place->view;
	to->wall_start = clock_now(CLOCK_MONOTONIC);
	to->cpu_time = 0;
}

/* The further processes, those that wait to be waited for too, without what they have. 0 or -ENOMEM. */
static int copy_processes(struct copies *copies, struct program *first, const struct program_place *place)
{
	struct program *last = first;
	int r = copy_map_add(&copies->things, copies->from, first);
	for (const struct program *from = copies->from->next; from && r == 0; from = from->next, last = last->next) {
		last->next = malloc(sizeof(*last));
		if (!last->next)
			return -ENOMEM;
		copy_plain(last->next, from, place);
		r = copy_map_add(&copies->things, from, last->next);
	}
	return r;
}

/* In a clone what a snapshot has kept, above its memory; else what is to be kept. */
static int copy_space(struct copies *copies, struct program *to, const struct program *from)
{
	struct guest_memory *memory = &copies->instance->memory;
	to->space = copy_map_find(&copies->things, from->space);
	if (to->space)
		to->space->sharers++;
	if (to->space || !from->space)
		return 0;
	struct address_space *space = calloc(1, sizeof(*space));
	if (!space)
		return -ENOMEM;
	int r = memory->frozen ? space_clone(space, from->space, memory, copies->program->space, &copies->things)
			       : space_keep(space, from->space, &copies->things);
	if (r < 0) {
		free(space);
		return r;
	}
	space->sharers = 0;
	to->space = space;
	return copy_map_add(&copies->things, from->space, space);
}

/* What one process has of its own. */
static int copy_values(struct copies *copies, struct program *to, const struct program *from)
{
	to->parent = copy_map_find(&copies->things, from->parent);
	int r = copy_string(&to->cwd, from->cwd);
	if (r == 0)
		r = copy_string(&to->executable, from->executable);
	if (r == 0)
		r = queue_copy(&to->signals.pending, &from->signals.pending);
	if (r == 0)
		r = timers_copy(&to->signals.timers, &from->signals.timers, copies->frozen_ns, from->cpu_time);
	if (r == 0 && to != copies->program)
		r = copy_space(copies, to, from);
	return r == 0 ? copy_slots(copies, to, from) : r;
}

static int copy_tasks(struct copies *copies)
{
	int r = tasks_copy(copies, copies->from->instance);
	if (r < 0)
		return r;
	futexes_copy(copies, copies->from->instance);
	for (const struct program *from = copies->from; from; from = from->next) {
		struct program *to = copy_map_find(&copies->things, from);
		to->vfork_task = copy_map_find(&copies->things, from->vfork_task);
	}
	return 0;
}

static int copy_all(struct copies *copies, const struct program_place *place)
{
	int r = copy_processes(copies, copies->program, place);
	if (r == 0)
		r = copy_map_add(&copies->things, copies->from->space, place->space);
	if (r == 0)
		r = space_map_shared(copies->from->space, place->space, &copies->things);
	if (r == 0)
		r = channels_copy(copies, copies->from->instance);
	for (const struct program *from = copies->from; from && r == 0; from = from->next)
		r = copy_values(copies, copy_map_find(&copies->things, from), from);
	if (r == 0)
		r = channels_copy_contents(copies, copies->from->instance);
	if (r == 0)
		r = copies_watch(copies);
	return r == 0 ? copy_tasks(copies) : r;
}

/* The further processes, with or without their fds. */
static void drop_processes(struct program *first, bool forget)
{
	bool is_clone = first->instance->memory.frozen;
	for (struct program *program; (program = first->next);) {
		struct address_space *space = program->space;
		if (space && space->sharers) {
			space->sharers--;
		} else if (space && space != first->space) {
			(is_clone ? space_release : space_release_kept)(space);
			free(space);
		}
		first->next = program->next;
		(forget ? program_forget : program_release)(program);
		free(program);
	}
}

void program_drop_copy(struct program *program)
{
	struct instance *instance = program->instance;
	scheduler_release(instance);
	instance->scheduler = (struct scheduler){0};
	channels_drop_files(instance);
	drop_processes(program, false);
	program_release(program);
	channels_abandon(instance);
}

void program_forget_copy(struct program *program)
{
	scheduler_release(program->instance);
	drop_processes(program, true);
	program_forget(program);
}

int program_copy(struct program *to, const struct program *from, const struct program_place *place)
{
	struct copies copies = {
		.instance = place->instance, .program = to, .from = from, .frozen_ns = place->frozen_ns};
	copy_plain(to, from, place);
	to->space = place->space;
	to->space->sharers = 0;
	int r = copy_all(&copies, place);
	copies_release(&copies);
	if (r < 0)
		program_drop_copy(to);
	return r;
}

HOT void program_rewind(struct program *program, const struct program *origin)
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
