/* SPDX-License-Identifier: MIT */
#include "guest/program/task.h"

#include <errno.h>
#include <stdlib.h>

#include "guest/instance.h"

struct task *task_new(struct program *program, int tid)
{
	struct task *task = calloc(1, sizeof(*task));
	struct vcpu_state *saved = task ? malloc(sizeof(*saved)) : NULL;
	if (!saved) {
		free(task);
		return NULL;
	}
	*task = (struct task){.program = program, .tid = tid, .saved = saved, .until = INT64_MAX};
	return task;
}

void task_free(struct task *task)
{
	bool is_leader = task_is_leader(task);
	queue_drop(&task->signals.pending, UINT64_MAX, &task->program->signals.budget);
	task_signals_release(&task->signals);
	free(task->saved);
	free(task->fds);
	free(task->objects);
	task->saved = NULL;
	task->fds = NULL;
	task->objects = NULL;
	task->fd_capacity = 0;
	task->object_capacity = 0;
	if (!is_leader)
		free(task);
}

bool task_is_leader(const struct task *task)
{
	return task == &task->program->first_task;
}

char *task_name(struct task *task)
{
	return task_is_leader(task) ? task->program->name : task->name;
}

int task_wait(struct program *program, struct pollfd *fds, int count, int64_t until)
{
	struct instance *instance = program->instance;
	bool is_pending = signal_is_pending(program->task);
	if (instance->scheduler.count <= 1 && !is_pending)
		return kick_wait(program->kick, fds, count, until);
	/* What is ready, or is not waited for, comes before a signal. */
	int n = kick_wait(program->kick, fds, count, 0);
	if (n != 0 || clock_now(CLOCK_MONOTONIC) >= until)
		return n;
	return is_pending ? -EINTR : scheduler_park(instance, fds, count, until);
}

int task_wait_for(struct program *program, const void *object)
{
	struct task *task = program->task;
	if (task->object_count == task->object_capacity) {
		size_t capacity = task->object_capacity ? 2 * task->object_capacity : 4;
		const void **objects = reallocarray(task->objects, capacity, sizeof(*objects));
		if (!objects)
			return -ENOMEM;
		task->objects = objects;
		task->object_capacity = capacity;
	}
	task->objects[task->object_count++] = object;
	return 0;
}

static bool waits_for(const struct task *task, const void *object)
{
	for (size_t i = 0; i < task->object_count; i++)
		if (task->objects[i] == object)
			return true;
	return false;
}

void task_wake(struct instance *instance, const void *object)
{
	struct task *first = instance->scheduler.turn, *task = first;
	if (!instance->scheduler.waiting)
		return;
	do
		if (task->state == TASK_WAITING && waits_for(task, object))
			scheduler_unpark(instance, task);
	while ((task = task->next) != first);
}

void task_interrupt(struct task *task)
{
	scheduler_unpark(task->program->instance, task);
}

int64_t task_deadline(struct program *program, int64_t until)
{
	struct task *task = program->task;
	if (!task->has_deadline)
		task->deadline = until;
	task->has_deadline = true;
	return task->deadline;
}
