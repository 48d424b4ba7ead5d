/* SPDX-License-Identifier: MIT */
/* System calls that wait for signals. */
#include <errno.h>
#include <time.h>

#include "guest/program/calls.h"

static const int64_t second_ns = 1000000000;

static int64_t wait_for_signal(struct program *program, int64_t until)
{
	struct pollfd fds[1];
	return task_wait(program, fds, 0, until);
}

int64_t call_pause(struct program *program, const uint64_t args[6])
{
	return wait_for_signal(program, INT64_MAX);
}

int64_t call_rt_sigsuspend(struct program *program, const uint64_t args[6])
{
	int r = args[0] ? signal_use_mask(program, args[0], args[1]) : -EFAULT;
	return r < 0 ? r : wait_for_signal(program, INT64_MAX);
}

static int64_t take_waited(struct program *program, uint64_t set, uint64_t address)
{
	struct task_signals *own = &program->task->signals;
	struct process_signals *process = &program->signals;
	siginfo_t info;
	int signal = queue_take(&own->pending, set, &info, &process->budget);
	if (!signal)
		signal = queue_take(&process->pending, set, &info, &process->budget);
	if (!signal)
		return 0;
	if (info.si_code == SI_TIMER)
		timers_taken(&process->timers, &info);
	if (address && space_write(program->space, address, &info, sizeof(info)) < 0)
		return -EFAULT;
	return signal;
}

/* The moment until which it waits. 0 or a negative errno. */
static int read_end(struct program *program, uint64_t address, int64_t *out)
{
	struct timespec time;
	int64_t now = clock_now(CLOCK_MONOTONIC);
	*out = INT64_MAX;
	if (!address)
		return 0;
	if (space_read(program->space, &time, address, sizeof(time)) < 0)
		return -EFAULT;
	if (time.tv_sec < 0 || time.tv_nsec < 0 || time.tv_nsec >= second_ns)
		return -EINVAL;
	if (time.tv_sec < (INT64_MAX - now) / second_ns - 1)
		*out = now + time.tv_sec * second_ns + time.tv_nsec;
	return 0;
}

int64_t call_rt_sigtimedwait(struct program *program, const uint64_t args[6])
{
	struct task_signals *own = &program->task->signals;
	int64_t until;
	/* Where it waited already the set is what it was: meanwhile others can have changed or unmapped it. */
	uint64_t set = program->task->is_repeated ? own->waited : 0;
	own->waited = 0;
	if (args[3] != sizeof(set))
		return -EINVAL;
	if (!set && space_read(program->space, &set, args[0], sizeof(set)) < 0)
		return -EFAULT;
	int64_t r = read_end(program, args[2], &until);
	set &= ~SIGNALS_FIXED;
	if (r == 0)
		r = take_waited(program, set, args[1]);
	if (r != 0)
		return r;
	own->waited = set;
	r = wait_for_signal(program, task_deadline(program, until));
	if (r == TASK_PARKED)
		return r;
	own->waited = 0;
	int64_t taken = take_waited(program, set, args[1]);
	if (taken != 0)
		return taken;
	return r < 0 ? r : -EAGAIN;
}
