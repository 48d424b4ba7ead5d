/* SPDX-License-Identifier: MIT */
/* System calls of threads on themselves, and their end. */
#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/program/futex.h"

void program_end_task(struct task *task)
{
	struct program *program = task->program;
	const int none = 0;
	futex_end_task(task);
	if (task->vfork_child)
		task->vfork_child->vfork_task = NULL;
	if (task->clear_tid && space_write(program->space, task->clear_tid, &none, sizeof(none)) == 0)
		futex_wake_one(program, task->clear_tid);
	task->clear_tid = 0;
	scheduler_remove(program->instance, task);
	signals_retarget(program);
}

int64_t call_exit(struct program *program, const uint64_t args[6])
{
	if (program->task_count == 1)
		program_exit(program, (int)args[0]);
	else
		program_end_task(program->task);
	return 0;
}

int64_t call_exit_group(struct program *program, const uint64_t args[6])
{
	program_exit(program, (int)args[0]);
	return 0;
}

int64_t call_set_tid_address(struct program *program, const uint64_t args[6])
{
	program->task->clear_tid = args[0];
	return program->task->tid;
}
