/* SPDX-License-Identifier: MIT */
/* System calls on parents, process groups and sessions. There are no terminals, so that groups are for signals only. */
#include <errno.h>

#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/program/processes.h"

/* 0 is the own process. */
static struct program *find(struct program *program, uint64_t pid)
{
	return (int)pid == 0 ? program : process_find(program->instance, (int)pid);
}

int64_t call_getppid(struct program *program, const uint64_t args[6])
{
	return program->parent ? program->parent->pid : INIT_PID;
}

int64_t call_getpgrp(struct program *program, const uint64_t args[6])
{
	return program->group;
}

int64_t call_getpgid(struct program *program, const uint64_t args[6])
{
	const struct program *other = find(program, args[0]);
	return other ? other->group : -ESRCH;
}

int64_t call_getsid(struct program *program, const uint64_t args[6])
{
	const struct program *other = find(program, args[0]);
	return other ? other->session : -ESRCH;
}

static bool is_group_of_session(const struct program *program, int group)
{
	for (const struct program *other = &program->instance->program; other; other = other->next)
		if (other->group == group && other->session == program->session)
			return true;
	return false;
}

int64_t call_setpgid(struct program *program, const uint64_t args[6])
{
	struct program *other = find(program, args[0]);
	int group = (int)args[1];
	if (group < 0)
		return -EINVAL;
	if (!other || (other != program && other->parent != program))
		return -ESRCH;
	if (other != program && other->has_executed)
		return -EACCES;
	if (group == 0)
		group = other->pid;
	if (other->session == other->pid || other->session != program->session ||
	    (group != other->pid && !is_group_of_session(program, group)))
		return -EPERM;
	other->group = group;
	return 0;
}

int64_t call_setsid(struct program *program, const uint64_t args[6])
{
	for (const struct program *other = &program->instance->program; other; other = other->next)
		if (other->group == program->pid)
			return -EPERM;
	program->session = program->group = program->pid;
	return program->pid;
}
