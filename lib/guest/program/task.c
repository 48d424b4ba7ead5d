/* SPDX-License-Identifier: MIT */
#include "guest/program/task.h"

#include <errno.h>

#include "guest/program/program.h"

int64_t task_wait(struct program *program, struct pollfd *fds, int count, int64_t until)
{
	/* What is ready, or is not waited for, comes before a signal. */
	if (signal_is_pending(program->task)) {
		int n = kick_wait(program->kick, fds, count, 0);
		return n == 0 && until > clock_now(CLOCK_MONOTONIC) ? -EINTR : n;
	}
	return kick_wait(program->kick, fds, count, until);
}

int64_t task_deadline(struct program *program, int64_t until)
{
	struct task *task = program->task;
	if (!task->has_deadline)
		task->deadline = until;
	task->has_deadline = true;
	return task->deadline;
}
