/* SPDX-License-Identifier: MIT */
#include "guest/program/task.h"

#include "guest/program/program.h"

int64_t task_wait(struct program *program, struct pollfd *fds, int count, int64_t until)
{
	return kick_wait(program->kick, fds, count, until);
}

int64_t task_deadline(struct program *program, int64_t until)
{
	return until;
}

void task_wait_for(struct task *task, const void *object)
{
	task->waits_for |= 1ull << ((uint64_t)(uintptr_t)object * 0x9e3779b97f4a7c15ull >> 58);
}

/* The only task is the one that runs. */
void task_wake(struct instance *instance, const void *object)
{
}
