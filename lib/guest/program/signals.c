/* SPDX-License-Identifier: MIT */
/* System calls on signals. Handlers are remembered, and a signal that has one is not delivered yet (ENOSYS). */
#include <errno.h>
#include <signal.h>

#include "guest/program/calls.h"

enum { SIGSET_SIZE = 8 };

int64_t call_rt_sigaction(struct program *program, const uint64_t args[6])
{
	int signal = (int)args[0];
	if (args[3] != SIGSET_SIZE || signal < 1 || signal > PROGRAM_SIGNALS)
		return -EINVAL;
	struct signal_action action, old = program->actions[signal];
	if (args[1] && (signal == SIGKILL || signal == SIGSTOP))
		return -EINVAL;
	if (args[1] && space_read(program->space, &action, args[1], sizeof(action)) < 0)
		return -EFAULT;
	if (args[2] && space_write(program->space, args[2], &old, sizeof(old)) < 0)
		return -EFAULT;
	if (args[1])
		program->actions[signal] = action;
	return 0;
}

int64_t call_rt_sigprocmask(struct program *program, const uint64_t args[6])
{
	uint64_t set = 0, old = program->task->signal_mask;
	if (args[3] != SIGSET_SIZE)
		return -EINVAL;
	if (args[1] && space_read(program->space, &set, args[1], sizeof(set)) < 0)
		return -EFAULT;
	if (args[1] && (int)args[0] == SIG_BLOCK)
		program->task->signal_mask |= set;
	else if (args[1] && (int)args[0] == SIG_UNBLOCK)
		program->task->signal_mask &= ~set;
	else if (args[1] && (int)args[0] == SIG_SETMASK)
		program->task->signal_mask = set;
	else if (args[1])
		return -EINVAL;
	program_unblock_signals(program);
	return args[2] ? space_write(program->space, args[2], &old, sizeof(old)) : 0;
}

int64_t call_rt_sigpending(struct program *program, const uint64_t args[6])
{
	if (args[1] > SIGSET_SIZE)
		return -EINVAL;
	return space_write(program->space, args[0], &program->signals_pending, args[1]);
}

int64_t call_sigaltstack(struct program *program, const uint64_t args[6])
{
	const stack_t none = {.ss_flags = SS_DISABLE};
	return args[1] ? space_write(program->space, args[1], &none, sizeof(none)) : 0;
}

static int64_t send_to_self(struct program *program, int pid, uint64_t signal)
{
	if (signal > PROGRAM_SIGNALS)
		return -EINVAL;
	if (pid != program->pid && !program_task(program, pid))
		return -ESRCH;
	return signal ? program_signal(program, (int)signal) : 0;
}

int64_t call_kill(struct program *program, const uint64_t args[6])
{
	int pid = (int)args[0];
	/* 0 is the own process group, -1 everything that can be signalled: the program, or for -1 nothing else. */
	if (pid == 0 || pid == -(int)call_getpid(program, NULL))
		pid = (int)call_getpid(program, NULL);
	return send_to_self(program, pid, args[1]);
}

int64_t call_tkill(struct program *program, const uint64_t args[6])
{
	return send_to_self(program, (int)args[0], args[1]);
}

int64_t call_tgkill(struct program *program, const uint64_t args[6])
{
	if ((int)args[0] != call_getpid(program, NULL))
		return -ESRCH;
	return send_to_self(program, (int)args[1], args[2]);
}
