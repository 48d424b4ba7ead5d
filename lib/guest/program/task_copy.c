/* SPDX-License-Identifier: MIT */
/* Threads for a snapshot or a clone. What they wait for is found anew: each makes its system call once more. */
#include <errno.h>
#include <stdlib.h>

#include "guest/instance.h"
#include "guest/program/copies.h"
#include "guest/program/futex.h"

/* Whatever is not named here is copied as it is, so that nothing of a thread can be forgotten. */
static void clear_pointers(struct task *task)
{
	task->program = NULL;
	task->next = task->previous = NULL;
	task->saved = NULL;
	task->hypercall = NULL;
	task->vfork_child = NULL;
	task->fds = NULL;
	task->fd_count = task->fd_capacity = 0;
	task->objects = NULL;
	task->object_count = task->object_capacity = 0;
	task->futex = (struct futex_wait){.is_woken = task->futex.is_woken};
	task->signals.pending.items = NULL;
	task->signals.pending.count = task->signals.pending.capacity = 0;
}

static int copy_saved(struct task *to, const struct task *from, bool is_current)
{
	if (!from->saved)
		return 0;
	to->saved = malloc(sizeof(*to->saved));
	if (!to->saved)
		return -ENOMEM;
	if (!is_current)
		*to->saved = *from->saved;
	return 0;
}

/* A relative wait goes on with what was left of it. */
static void move_deadline(struct task *task, int64_t frozen_ns)
{
	task->until = INT64_MAX;
	if (task->has_deadline)
		task->deadline = moment_moved(task->deadline, frozen_ns);
}

static int copy_task(struct copies *copies, const struct task *from, bool is_current)
{
	struct program *program = copy_map_find(&copies->things, from->program);
	struct task *task = task_is_leader(from) ? &program->first_task : malloc(sizeof(*task));
	if (!task)
		return -ENOMEM;
	*task = *from;
	clear_pointers(task);
	task->program = program;
	task->vfork_child = copy_map_find(&copies->things, from->vfork_child);
	task->cpu_time = 0;
	move_deadline(task, copies->frozen_ns);
	scheduler_add(copies->instance, task);
	if (is_current)
		copies->instance->scheduler.current = task;
	if (is_current || !program->task)
		program->task = task;
	int r = copy_saved(task, from, is_current);
	if (r == 0)
		r = queue_copy(&task->signals.pending, &from->signals.pending);
	return r < 0 ? r : copy_map_add(&copies->things, from, task);
}

int tasks_copy(struct copies *copies, const struct instance *from)
{
	const struct scheduler *scheduler = &from->scheduler;
	int r = 0;
	copies->instance->scheduler.last_id = scheduler->last_id;
	copies->instance->processes_made = from->processes_made;
	for (const struct task *task = NULL; r == 0 && (task = scheduler_after(scheduler, task));)
		r = copy_task(copies, task, task == scheduler->current);
	return r;
}

void futexes_copy(struct copies *copies, const struct instance *from)
{
	for (const struct task *task = from->scheduler.first_futex; task; task = task->futex.next) {
		struct task *copy = copy_map_find(&copies->things, task);
		struct futex_key key = task->futex.key;
		key.memory = copy_map_find(&copies->things, key.memory);
		if (copy)
			futex_enqueue(&copies->instance->scheduler, copy, key, task->futex.bitset);
	}
}
