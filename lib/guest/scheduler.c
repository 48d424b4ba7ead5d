/* SPDX-License-Identifier: MIT */
#include "guest/scheduler.h"

#include <errno.h>
#include <stdlib.h>

#include "core/hot.h"
#include "guest/contact/hypercalls.h"
#include "guest/instance.h"

/* While others run, whether a parked task's fds are ready is looked up so often at most. */
static const int64_t poll_interval_ns = 1000000;

static void link_before(struct scheduler *scheduler, struct task *task)
{
	struct task *turn = scheduler->turn;
	if (!turn) {
		task->next = task->previous = task;
		scheduler->turn = task;
		return;
	}
	task->next = turn;
	task->previous = turn->previous;
	task->previous->next = task;
	turn->previous = task;
}

static bool needs_polling(const struct task *task)
{
	return task->fd_count || task->until != INT64_MAX;
}

void scheduler_add(struct instance *instance, struct task *task)
{
	struct scheduler *scheduler = &instance->scheduler;
	task->state = TASK_READY;
	link_before(scheduler, task);
	scheduler->count++;
	task->program->task_count++;
	if (!scheduler->current && scheduler->count == 1)
		scheduler->current = task;
}

void scheduler_remove(struct instance *instance, struct task *task)
{
	struct scheduler *scheduler = &instance->scheduler;
	if (task->state == TASK_ENDED)
		return;
	scheduler_unpark(instance, task);
	if (task->hypercall)
		hypercall_abandon(task->hypercall);
	if (instance->stay.task == task)
		instance->stay.task = NULL;
	if (scheduler->current == task) {
		scheduler_count_time(instance);
		scheduler->current = NULL;
	}
	if (scheduler->turn == task)
		scheduler->turn = task->next == task ? NULL : task->next;
	task->previous->next = task->next;
	task->next->previous = task->previous;
	task->state = TASK_ENDED;
	scheduler->count--;
	task->program->task_count--;
	task->next = scheduler->ended;
	scheduler->ended = task;
}

void scheduler_free_ended(struct instance *instance)
{
	struct scheduler *scheduler = &instance->scheduler;
	for (struct task *task; (task = scheduler->ended);) {
		scheduler->ended = task->next;
		task_free(task);
	}
}

void scheduler_replace(struct instance *instance, struct task *task, struct task *heir)
{
	struct scheduler *scheduler = &instance->scheduler;
	*heir = *task;
	if (task->next == task) {
		heir->next = heir->previous = heir;
	} else {
		heir->next->previous = heir;
		heir->previous->next = heir;
	}
	if (scheduler->turn == task)
		scheduler->turn = heir;
	if (scheduler->current == task)
		scheduler->current = heir;
	if (instance->stay.task == task)
		instance->stay.task = heir;
}

static bool is_used(const struct instance *instance, int id)
{
	for (const struct task *task = NULL; (task = scheduler_after(&instance->scheduler, task));)
		if (task->tid == id)
			return true;
	for (const struct program *program = &instance->program; program; program = program->next)
		if (program->pid == id || program->group == id || program->session == id)
			return true;
	return false;
}

int scheduler_new_id(struct instance *instance)
{
	struct scheduler *scheduler = &instance->scheduler;
	do
		scheduler->last_id = scheduler->last_id < TASK_ID_MAX - 1 ? scheduler->last_id + 1 : TASK_FIRST_ID;
	while (is_used(instance, scheduler->last_id));
	return scheduler->last_id;
}

void scheduler_unpark(struct instance *instance, struct task *task)
{
	if (task->state != TASK_WAITING)
		return;
	task->state = TASK_READY;
	instance->scheduler.waiting--;
	instance->scheduler.polling -= needs_polling(task);
}

int scheduler_park(struct instance *instance, const struct pollfd *fds, int count, int64_t until)
{
	struct task *task = instance->scheduler.current;
	if (count > task->fd_capacity) {
		struct pollfd *room = reallocarray(task->fds, (size_t)count, sizeof(*room));
		if (!room)
			return -ENOMEM;
		task->fds = room;
		task->fd_capacity = count;
	}
	task->fd_count = 0;
	for (int i = 0; i < count; i++)
		if (fds[i].fd >= 0)
			task->fds[task->fd_count++] = fds[i];
	task->until = until;
	task->state = TASK_WAITING;
	instance->scheduler.waiting++;
	instance->scheduler.polling += needs_polling(task);
	return TASK_PARKED;
}

/* Collects the fds of all parked tasks, and the earliest end of their waits. Their number, or -ENOMEM. */
static int collect_fds(struct scheduler *scheduler, int64_t *out_until)
{
	size_t count = 0;
	struct task *task = scheduler->turn;
	*out_until = INT64_MAX;
	do {
		if (task->state != TASK_WAITING)
			continue;
		if (task->until < *out_until)
			*out_until = task->until;
		/* One more for kick_wait(). */
		size_t needed = count + (size_t)task->fd_count + 1;
		if (needed > scheduler->fd_capacity) {
			struct pollfd *fds = reallocarray(scheduler->fds, 2 * needed, sizeof(*fds));
			if (!fds)
				return -ENOMEM;
			scheduler->fds = fds;
			scheduler->fd_capacity = 2 * needed;
		}
		for (int i = 0; i < task->fd_count; i++)
			scheduler->fds[count++] = task->fds[i];
	} while ((task = task->next) != scheduler->turn);
	return (int)count;
}

/* Lets those go on whose fds are ready or whose time is over. */
static void unpark_ready(struct instance *instance)
{
	struct scheduler *scheduler = &instance->scheduler;
	const struct pollfd *fds = scheduler->fds;
	struct task *task = scheduler->turn;
	int64_t now = clock_now(CLOCK_MONOTONIC);
	do {
		if (task->state != TASK_WAITING)
			continue;
		bool is_ready = task->until <= now;
		for (int i = 0; i < task->fd_count; i++)
			is_ready |= (fds++)->revents != 0;
		if (is_ready)
			scheduler_unpark(instance, task);
	} while ((task = task->next) != scheduler->turn);
}

/* Polls for all parked tasks; waits where `wait` is set. 0 or -EINTR where the guest must be looked after. */
static int poll_all(struct instance *instance, bool wait)
{
	struct scheduler *scheduler = &instance->scheduler;
	int64_t until;
	int count = collect_fds(scheduler, &until);
	/* Without memory those that wait are asked to try again themselves, one after the other. */
	if (count < 0) {
		struct task *task = scheduler->turn;
		do
			scheduler_unpark(instance, task);
		while ((task = task->next) != scheduler->turn);
		return 0;
	}
	struct pollfd none[1];
	int n = kick_wait(&instance->kick, scheduler->fds ? scheduler->fds : none, count, wait ? until : 0);
	scheduler->last_poll = clock_now(CLOCK_MONOTONIC);
	if (n == -EINTR)
		return n;
	if (n <= 0)
		for (int i = 0; i < count; i++)
			scheduler->fds[i].revents = n < 0 ? POLLERR : 0;
	unpark_ready(instance);
	return 0;
}

static bool can_run(const struct task *task)
{
	return task->state == TASK_READY && !task->program->stopped_by;
}

static struct task *next_ready(const struct scheduler *scheduler)
{
	struct task *task = scheduler->turn;
	do
		if (can_run(task))
			return task;
	while ((task = task->next) != scheduler->turn);
	return NULL;
}

static int64_t scheduler_clock_at(const struct instance *instance, int64_t now)
{
	return instance->scheduler.has_cpu_clock ? clock_now(CLOCK_THREAD_CPUTIME_ID) : now - instance->kick.waited;
}

static int64_t scheduler_clock(const struct instance *instance)
{
	return scheduler_clock_at(instance, instance->scheduler.has_cpu_clock ? 0 : clock_now(CLOCK_MONOTONIC));
}

HOT void scheduler_count_time(struct instance *instance)
{
	struct scheduler *scheduler = &instance->scheduler;
	int64_t now = scheduler_clock(instance);
	if (scheduler->current) {
		scheduler->current->cpu_time += now - scheduler->cpu_start;
		scheduler->current->program->cpu_time += now - scheduler->cpu_start;
	}
	scheduler->cpu_start = now;
}

int64_t scheduler_current_time(struct instance *instance)
{
	struct scheduler *scheduler = &instance->scheduler;
	scheduler->wants_cpu_time = true;
	if (!scheduler->has_cpu_clock) {
		scheduler_count_time(instance);
		scheduler->has_cpu_clock = true;
		scheduler->cpu_start = scheduler_clock(instance);
	}
	return scheduler_clock(instance) - scheduler->cpu_start;
}

/* Puts the state of the processor away and that of another task in its place. */
static bool switch_to(struct instance *instance, struct task *task)
{
	struct scheduler *scheduler = &instance->scheduler;
	struct task *current = scheduler->current;
	scheduler->turn = task->next;
	if (task == current)
		return true;
	scheduler_count_time(instance);
	if (current && vcpu_save(&instance->vcpu, current->saved) < 0)
		return false;
	if (vcpu_load(&instance->vcpu, task->saved, &task->program->space->tables) < 0)
		return false;
	scheduler->current = task;
	task->program->task = task;
	return true;
}

/* Whether the timer must interrupt the current task for the sake of others. */
static bool needs_slices(const struct scheduler *scheduler)
{
	return scheduler->count - scheduler->waiting > 1 || scheduler->polling || scheduler->has_ticks;
}

/* The timer goes on until its own next signal, so that it is not set at every change. */
static void start_slice(struct instance *instance)
{
	struct scheduler *scheduler = &instance->scheduler;
	bool needed = needs_slices(scheduler);
	if (needed && !scheduler->has_slices)
		scheduler->has_slices = kick_set_slices(&instance->kick, true) == 0;
	/* Without a timer each exit of the guest ends a slice. */
	scheduler->yields = needed && !scheduler->has_slices;
}

void scheduler_end_slice(struct instance *instance)
{
	struct scheduler *scheduler = &instance->scheduler;
	scheduler->yields = scheduler->count > 1;
	if (scheduler->has_slices && !needs_slices(scheduler)) {
		kick_set_slices(&instance->kick, false);
		scheduler->has_slices = false;
	}
}

static bool choose_other(struct instance *instance)
{
	struct scheduler *scheduler = &instance->scheduler;
	struct task *next;
	if (scheduler->polling && clock_now(CLOCK_MONOTONIC) - scheduler->last_poll >= poll_interval_ns &&
	    poll_all(instance, false) < 0)
		return false;
	while (!(next = next_ready(scheduler)))
		if (poll_all(instance, true) < 0)
			return false;
	if (switch_to(instance, next))
		return true;
	program_end(&instance->program, VISO_REASON_GUEST_FAULT, 0, "the processor's state cannot be exchanged");
	return false;
}

HOT bool scheduler_choose(struct instance *instance)
{
	struct scheduler *scheduler = &instance->scheduler;
	struct task *current = scheduler->current;
	if (scheduler->ended)
		scheduler_free_ended(instance);
	if (scheduler->count == 1 && current && current->state == TASK_READY)
		return true;
	bool goes = scheduler->yields || (current && !can_run(current));
	bool stays = current && current->state == TASK_READY && (!goes || !vcpu_can_switch(&instance->vcpu));
	if (!stays && !choose_other(instance))
		return false;
	if (!stays || !scheduler->has_slices)
		start_slice(instance);
	return true;
}

HOT void scheduler_start(struct instance *instance, int64_t now, bool exact)
{
	struct scheduler *scheduler = &instance->scheduler;
	scheduler->has_cpu_clock = exact || scheduler->wants_cpu_time;
	scheduler->cpu_start = scheduler_clock_at(instance, now);
	if (!scheduler->has_ticks)
		return;
	start_slice(instance);
	if (!scheduler->has_slices)
		program_end(&instance->program, VISO_REASON_GUEST_FAULT, 0, "a timer cannot be made");
}

HOT void scheduler_stop(struct instance *instance)
{
	scheduler_count_time(instance);
	/* The timer is the thread's. */
	instance->scheduler.has_slices = false;
}

void scheduler_release(struct instance *instance)
{
	struct scheduler *scheduler = &instance->scheduler;
	while (scheduler->turn)
		scheduler_remove(instance, scheduler->turn);
	scheduler_free_ended(instance);
	free(scheduler->fds);
	scheduler->fds = NULL;
	scheduler->fd_capacity = 0;
}
