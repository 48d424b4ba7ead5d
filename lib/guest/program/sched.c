/* SPDX-License-Identifier: MIT */
/* System calls on scheduling, of threads that share one processor in turn and are all of the same rank. */
#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/resource.h>

#include "guest/instance.h"
#include "guest/program/calls.h"

/* From Linux 5.10; older kernel headers lack it. */
#ifndef MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ
#define MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ (1 << 7)
#endif

enum { AFFINITY_SIZE = 8, REAL_TIME_MAX = 99 };

int64_t call_sched_yield(struct program *program, const uint64_t args[6])
{
	program->instance->scheduler.yields = true;
	return 0;
}

/* Whether there is such a thread; 0 is the own one. */
static bool is_task(struct program *program, uint64_t id)
{
	return (int)id == 0 || program_find_task(program->instance, (int)id);
}

int64_t call_sched_getaffinity(struct program *program, const uint64_t args[6])
{
	const uint64_t mask = 1;
	if (args[1] < AFFINITY_SIZE || args[1] % AFFINITY_SIZE)
		return -EINVAL;
	if (!is_task(program, args[0]))
		return -ESRCH;
	return space_write(program->space, args[2], &mask, sizeof(mask)) < 0 ? -EFAULT : AFFINITY_SIZE;
}

int64_t call_sched_setaffinity(struct program *program, const uint64_t args[6])
{
	uint64_t mask = 0;
	if (!is_task(program, args[0]))
		return -ESRCH;
	if (space_read(program->space, &mask, args[2], args[1] < AFFINITY_SIZE ? args[1] : AFFINITY_SIZE) < 0)
		return -EFAULT;
	return mask & 1 ? 0 : -EINVAL;
}

int64_t call_sched_getscheduler(struct program *program, const uint64_t args[6])
{
	return is_task(program, args[0]) ? SCHED_OTHER : -ESRCH;
}

/* As for a program without privileges. */
int64_t call_sched_setscheduler(struct program *program, const uint64_t args[6])
{
	int policy = (int)args[1] & ~SCHED_RESET_ON_FORK, priority;
	if (!is_task(program, args[0]))
		return -ESRCH;
	if (space_read(program->space, &priority, args[2], sizeof(priority)) < 0)
		return -EFAULT;
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		return priority >= 1 && priority <= REAL_TIME_MAX ? -EPERM : -EINVAL;
	if (policy != SCHED_OTHER && policy != SCHED_BATCH && policy != SCHED_IDLE)
		return -EINVAL;
	return priority == 0 ? 0 : -EINVAL;
}

int64_t call_sched_getparam(struct program *program, const uint64_t args[6])
{
	const int priority = 0;
	if (!is_task(program, args[0]))
		return -ESRCH;
	return space_write(program->space, args[1], &priority, sizeof(priority));
}

int64_t call_sched_setparam(struct program *program, const uint64_t args[6])
{
	int priority;
	if (!is_task(program, args[0]))
		return -ESRCH;
	if (space_read(program->space, &priority, args[1], sizeof(priority)) < 0)
		return -EFAULT;
	return priority == 0 ? 0 : -EINVAL;
}

/* The one priority of a policy without priorities, or that of a real-time one. */
static int64_t priority_of(uint64_t policy, int real_time)
{
	switch ((int)policy) {
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
		return 0;
	case SCHED_FIFO:
	case SCHED_RR:
		return real_time;
	default:
		return -EINVAL;
	}
}

int64_t call_sched_get_priority_max(struct program *program, const uint64_t args[6])
{
	return priority_of(args[0], REAL_TIME_MAX);
}

int64_t call_sched_get_priority_min(struct program *program, const uint64_t args[6])
{
	return priority_of(args[0], 1);
}

int64_t call_sched_rr_get_interval(struct program *program, const uint64_t args[6])
{
	const struct timespec slice = {.tv_nsec = KICK_SLICE_NS};
	if (!is_task(program, args[0]))
		return -ESRCH;
	return space_write(program->space, args[1], &slice, sizeof(slice));
}

/* With one processor a system call is a barrier for all threads. */
int64_t call_membarrier(struct program *program, const uint64_t args[6])
{
	const int served = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |
			   MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED |
			   MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |
			   MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE;
	const int command = (int)args[0];
	if (args[1])
		return -EINVAL;
	if (command == MEMBARRIER_CMD_QUERY)
		return served;
	return command > 0 && (command & served) == command && !(command & (command - 1)) ? 0 : -EINVAL;
}

int64_t call_getcpu(struct program *program, const uint64_t args[6])
{
	const unsigned zero = 0;
	for (int i = 0; i < 2; i++)
		if (args[i] && space_write(program->space, args[i], &zero, sizeof(zero)) < 0)
			return -EFAULT;
	return 0;
}

/* As the system call has it: 20 less the nice value. */
int64_t call_getpriority(struct program *program, const uint64_t args[6])
{
	return (int)args[0] >= PRIO_PROCESS && (int)args[0] <= PRIO_USER ? 20 : -EINVAL;
}

int64_t call_setpriority(struct program *program, const uint64_t args[6])
{
	if ((int)args[0] < PRIO_PROCESS || (int)args[0] > PRIO_USER)
		return -EINVAL;
	return (int)args[2] < 0 ? -EACCES : 0;
}
