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

/* The only task is the one that runs. */
int task_wait_for(struct program *program, const void *object)
{
	return 0;
}

void task_wake(struct instance *instance, const void *object)
{
}
