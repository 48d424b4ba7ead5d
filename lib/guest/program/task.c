/* SPDX-License-Identifier: MIT */
#include "guest/program/task.h"

#include "guest/program/program.h"

int task_wait(struct program *program, struct pollfd *fds, int count, int64_t until)
{
	return kick_wait(program->kick, fds, count, until);
}
