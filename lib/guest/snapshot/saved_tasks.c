/* SPDX-License-Identifier: MIT */
/*
 * The threads of a saved snapshot's processes. One that waits within a system call makes it once more, as in a clone;
 * its arguments are in its registers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/error.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/program/futex.h"
#include "guest/program/object.h"
#include "guest/snapshot/saved.h"

/* What one system call moves at most (MAX_RW_COUNT). */
static const int64_t progress_max = 0x7ffff000;

struct saved_task {
	int32_t tid;
	uint32_t is_leader;
	char name[16];
	uint64_t mask, saved_mask, has_saved_mask, waited;
	uint64_t stack_start, stack_size, stack_flags;
	uint64_t trap, trap_error, trap_address;
	uint64_t clear_tid;
	uint64_t robust_list;
	uint64_t call_number;
	uint64_t call_args[6];
	uint32_t again, is_repeated, has_deadline, is_woken;
	int64_t deadline; /* a while */
	int64_t progress;
	int64_t vfork_pid;
};

static void describe(const viso_snapshot *snapshot, const struct task *task, struct saved_task *out)
{
	const struct task_signals *signals = &task->signals;
	*out = (struct saved_task){
		.tid = task->tid,
		.is_leader = task_is_leader(task),
		.mask = signals->mask,
		.saved_mask = signals->saved_mask,
		.has_saved_mask = signals->has_saved_mask,
		.waited = signals->waited,
		.stack_start = signals->stack.start,
		.stack_size = signals->stack.size,
		.stack_flags = signals->stack.flags,
		.trap = signals->trap,
		.trap_error = signals->trap_error,
		.trap_address = signals->trap_address,
		.clear_tid = task->clear_tid,
		.robust_list = task->robust_list,
		.call_number = task->call_number,
		.again = task->again,
		.is_repeated = task->is_repeated,
		.has_deadline = task->has_deadline,
		.is_woken = task->futex.is_woken,
		.deadline = time_to_while(task->deadline, CLOCK_MONOTONIC, snapshot->frozen_at),
		.progress = task->progress,
		.vfork_pid = task->vfork_pid,
	};
	memcpy(out->name, task->name, sizeof(out->name));
	memcpy(out->call_args, task->call_args, sizeof(out->call_args));
}

static void put_task(struct saved_writer *writer, const viso_snapshot *snapshot, const struct task *task)
{
	bool is_current = task == snapshot->holder->scheduler.current;
	struct saved_task saved;
	describe(snapshot, task, &saved);
	saved_put_reference(writer, task->program);
	saved_put_reference(writer, task->vfork_child);
	saved_put(writer, &saved, sizeof(saved));
	saved_put_signals(writer, &task->signals.pending);
	saved_put_registers(writer, is_current ? &snapshot->vcpu : task->saved);
}

/* What a word that is waited for is in. */
enum { IN_SPACE, IN_SHARED, PLACES };

static bool is_space(const viso_snapshot *snapshot, const void *memory)
{
	const struct program *program = &snapshot->program;
	while (program && program->space != memory)
		program = program->next;
	return program;
}

/* For which words they wait, in the order in which they came. */
static void put_futexes(struct saved_writer *writer, const viso_snapshot *snapshot)
{
	for (const struct task *task = snapshot->holder->scheduler.first_futex; task; task = task->futex.next) {
		saved_put_reference(writer, task);
		saved_put_number(writer, is_space(snapshot, task->futex.key.memory) ? IN_SPACE : IN_SHARED);
		saved_put_reference(writer, task->futex.key.memory);
		saved_put_number(writer, task->futex.key.address);
		saved_put_number(writer, task->futex.bitset);
	}
	saved_put_reference(writer, NULL);
}

void saved_put_tasks(struct saved_writer *writer, const viso_snapshot *snapshot)
{
	const struct scheduler *scheduler = &snapshot->holder->scheduler;
	uint64_t count = 0;
	saved_put_number(writer, scheduler->count);
	saved_put_number(writer, (uint64_t)scheduler->last_id);
	for (const struct task *task = NULL; (task = scheduler_after(scheduler, task));) {
		saved_give_number(writer, task, count++);
		put_task(writer, snapshot, task);
	}
	saved_put_reference(writer, scheduler->current);
	put_futexes(writer, snapshot);
	saved_put_stay(writer, snapshot);
}

static bool is_sound(const struct saved_task *saved, const struct program *program)
{
	return program && !program->ended && saved->tid >= TASK_FIRST_ID && saved->tid < TASK_ID_MAX &&
	       saved->is_leader <= 1 && saved->is_leader == (saved->tid == program->pid) &&
	       memchr(saved->name, '\0', sizeof(saved->name)) && saved->progress >= 0 &&
	       saved->progress <= progress_max && time_is_sound(saved->deadline) && saved->vfork_pid >= 0 &&
	       saved->vfork_pid < TASK_ID_MAX;
}

/* Each number is one thread's, or that of a process that has ended. */
static bool is_free(const viso_snapshot *snapshot, const struct program *program, int tid)
{
	for (const struct program *other = &snapshot->program; other; other = other->next)
		if (other != program && other->pid == tid)
			return false;
	return !program_find_task(snapshot->holder, tid);
}

static void take(struct task *task, const struct saved_task *saved, int64_t since)
{
	task->tid = saved->tid;
	memcpy(task->name, saved->name, sizeof(task->name));
	task->until = INT64_MAX;
	task->clear_tid = saved->clear_tid;
	task->robust_list = saved->robust_list;
	task->call_number = saved->call_number;
	memcpy(task->call_args, saved->call_args, sizeof(task->call_args));
	task->again = saved->again;
	task->is_repeated = saved->is_repeated;
	task->has_deadline = saved->has_deadline;
	task->futex.is_woken = saved->is_woken;
	task->deadline = time_from_while(saved->deadline, CLOCK_MONOTONIC, since);
	task->progress = saved->progress;
	task->vfork_pid = (int)saved->vfork_pid;
	task->signals = (struct task_signals){
		.mask = saved->mask & ~SIGNALS_FIXED,
		.saved_mask = saved->saved_mask & ~SIGNALS_FIXED,
		.has_saved_mask = saved->has_saved_mask,
		.waited = saved->waited & ~SIGNALS_FIXED,
		.stack = {saved->stack_start, saved->stack_size, (uint32_t)saved->stack_flags},
		.trap = saved->trap,
		.trap_error = saved->trap_error,
		.trap_address = saved->trap_address,
	};
}

/* A new thread, which the scheduler knows; NULL without memory. */
static struct task *add_task(viso_snapshot *snapshot, struct program *program, const struct saved_task *saved)
{
	struct vcpu_state *state = malloc(sizeof(*state));
	struct task *task = saved->is_leader ? &program->first_task : calloc(1, sizeof(*task));
	if (!task || !state) {
		free(state);
		if (!saved->is_leader)
			free(task);
		return NULL;
	}
	*task = (struct task){.program = program, .saved = state};
	take(task, saved, snapshot->frozen_at);
	scheduler_add(snapshot->holder, task);
	if (!program->task)
		program->task = task;
	return task;
}

/* It waits in vfork(2) until its child has memory of its own. */
static int join_child(struct task *task, struct program *child)
{
	if (!child)
		return 0;
	if (child->ended || child->vfork_task || child == task->program)
		return saved_damaged("threads");
	task->vfork_child = child;
	child->vfork_task = task;
	return 0;
}

/* Only rt_sigtimedwait(2) waits for blocked signals, and does so no more when it has returned. */
static void check_waited(struct task *task)
{
	if (!task->again || task->saved->regs.rax != SYS_rt_sigtimedwait)
		task->signals.waited = 0;
}

static int get_task(struct saved_reader *reader, viso_snapshot *snapshot, const struct processor *processor)
{
	struct saved_task saved;
	void *program, *child;
	if (!saved_get_reference(reader, &reader->programs, &program) ||
	    !saved_get_reference(reader, &reader->programs, &child) || !saved_get(reader, &saved, sizeof(saved)) ||
	    !is_sound(&saved, program) || !is_free(snapshot, program, saved.tid))
		return saved_damaged("threads");
	struct task *task = add_task(snapshot, program, &saved);
	if (!task)
		return error_memory();
	int r = saved_list_add(&reader->tasks, task);
	if (r == 0)
		r = join_child(task, child);
	if (r == 0)
		r = saved_get_signals(reader, &task->signals.pending);
	if (r == 0)
		r = saved_get_registers(reader, processor, task->saved);
	if (r == 0)
		check_waited(task);
	return r;
}

/* Words are in an address space, in what processes share, or where nobody can wake who waits. */
static int get_futexes(struct saved_reader *reader, viso_snapshot *snapshot)
{
	for (;;) {
		struct futex_key key;
		uint64_t place, bitset;
		void *waiter, *memory;
		if (!saved_get_reference(reader, &reader->tasks, &waiter))
			return saved_damaged("threads");
		if (!waiter)
			return 0;
		struct task *task = waiter;
		if (task->futex.is_queued || !saved_get_number(reader, PLACES - 1, &place) ||
		    !saved_get_reference(reader, place == IN_SPACE ? &reader->spaces : &reader->shared, &memory) ||
		    !saved_get_number(reader, UINT64_MAX, &key.address) ||
		    !saved_get_number(reader, UINT32_MAX, &bitset))
			return saved_damaged("threads");
		key.memory = memory;
		bool is_woken = task->futex.is_woken;
		futex_enqueue(&snapshot->holder->scheduler, task, key, (uint32_t)bitset);
		task->futex.is_woken = is_woken;
	}
}

static int take_current(struct saved_reader *reader, viso_snapshot *snapshot)
{
	void *current;
	if (!saved_get_reference(reader, &reader->tasks, &current) || !current)
		return saved_damaged("threads");
	struct task *task = current;
	snapshot->vcpu = *task->saved;
	snapshot->holder->scheduler.current = task;
	task->program->task = task;
	/* A single one has no need of it. */
	if (snapshot->holder->scheduler.count == 1) {
		free(task->saved);
		task->saved = NULL;
	}
	for (const struct program *program = &snapshot->program; program; program = program->next)
		if (!program->ended && program->task_count == 0)
			return saved_damaged("threads");
	return 0;
}

int saved_get_tasks(struct saved_reader *reader, viso_snapshot *snapshot, const struct processor *processor)
{
	uint64_t count, last_id;
	if (!saved_get_number(reader, TASK_ID_MAX, &count) || !saved_get_number(reader, TASK_ID_MAX - 1, &last_id) ||
	    last_id < TASK_FIRST_ID)
		return saved_damaged("threads");
	if (count > guest_processes_max(snapshot->settings))
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, "threads",
				  "the snapshot has %llu threads, which is more than the guest may have; see "
				  "viso_guest_set_processes_max()",
				  (unsigned long long)count);
	snapshot->holder->scheduler.last_id = (int)last_id;
	int r = 0;
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = get_task(reader, snapshot, processor);
	if (r == 0)
		r = take_current(reader, snapshot);
	if (r == 0)
		r = get_futexes(reader, snapshot);
	return r == 0 ? saved_get_stay(reader, snapshot) : r;
}
