/* SPDX-License-Identifier: MIT */
/* System calls on the process as such: thread pointer, name, limits, randomness. */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>

#include "guest/program/calls.h"

/* asm/prctl.h */
enum { SET_GS = 0x1001, SET_FS = 0x1002, GET_FS = 0x1003, GET_GS = 0x1004 };

enum { RANDOM_PIECE = 256 };

int64_t call_arch_prctl(struct program *program, const uint64_t args[6])
{
	uint64_t base;
	switch ((int)args[0]) {
	case SET_FS:
	case SET_GS:
		if (args[1] >= SPACE_END)
			return -EPERM;
		vcpu_set_base(program->vcpu, (int)args[0] == SET_GS, args[1]);
		return 0;
	case GET_FS:
	case GET_GS:
		base = vcpu_base(program->vcpu, (int)args[0] == GET_GS);
		return space_write(program->space, args[1], &base, sizeof(base));
	default:
		return -EINVAL;
	}
}

int64_t call_prctl(struct program *program, const uint64_t args[6])
{
	char name[sizeof(program->name)] = {0}, *own = task_name(program->task);
	switch ((int)args[0]) {
	case PR_SET_NAME:
		if (space_read_string(program->space, name, args[1], sizeof(name)) == -EFAULT)
			return -EFAULT;
		memcpy(own, name, sizeof(name) - 1);
		return 0;
	case PR_GET_NAME:
		return space_write(program->space, args[1], own, sizeof(name));
	case PR_GET_DUMPABLE:
	case PR_SET_DUMPABLE:
	case PR_SET_PDEATHSIG:
	case PR_SET_KEEPCAPS:
	case PR_GET_KEEPCAPS:
	case PR_SET_NO_NEW_PRIVS:
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return 1;
	default:
		return -EINVAL;
	}
}

int64_t call_getrlimit(struct program *program, const uint64_t args[6])
{
	if (args[0] >= RLIM_NLIMITS)
		return -EINVAL;
	return space_write(program->space, args[1], &program->limits[args[0]], sizeof(struct rlimit));
}

/* Limits can be lowered. What is of use later reads them; the address space has copies. */
static int64_t set_limit(struct program *program, uint64_t number, uint64_t address)
{
	struct rlimit limit;
	if (space_read(program->space, &limit, address, sizeof(limit)) < 0)
		return -EFAULT;
	if (limit.rlim_cur > limit.rlim_max)
		return -EINVAL;
	if (limit.rlim_max > program->limits[number].rlim_max)
		return -EPERM;
	program->limits[number] = limit;
	if (number == RLIMIT_AS)
		program->space->limit = limit.rlim_cur;
	else if (number == RLIMIT_DATA)
		program->space->data_limit = limit.rlim_cur;
	else if (number == RLIMIT_STACK)
		program->space->stack_limit = limit.rlim_cur;
	else if (number == RLIMIT_CPU)
		timers_check(program);
	return 0;
}

int64_t call_setrlimit(struct program *program, const uint64_t args[6])
{
	return args[0] < RLIM_NLIMITS ? set_limit(program, args[0], args[1]) : -EINVAL;
}

int64_t call_prlimit64(struct program *program, const uint64_t args[6])
{
	if (args[0] != 0 && (int64_t)args[0] != call_getpid(program, args))
		return -ESRCH;
	if (args[1] >= RLIM_NLIMITS)
		return -EINVAL;
	struct rlimit old = program->limits[args[1]];
	int64_t r = args[2] ? set_limit(program, args[1], args[2]) : 0;
	if (r == 0 && args[3])
		r = space_write(program->space, args[3], &old, sizeof(old));
	return r;
}

int64_t call_getrandom(struct program *program, const uint64_t args[6])
{
	uint8_t bytes[RANDOM_PIECE];
	uint64_t size = args[1] < INT32_MAX ? args[1] : INT32_MAX, done = 0;
	if (args[2] & ~7ull)
		return -EINVAL;
	while (done < size && (done == 0 || !kick_is_due(program->kick))) {
		size_t wanted = size - done < RANDOM_PIECE ? size - done : RANDOM_PIECE;
		ssize_t n = getrandom(bytes, wanted, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (space_write(program->space, args[0] + done, bytes, (size_t)n) < 0)
			return done ? (int64_t)done : -EFAULT;
		done += (size_t)n;
	}
	return (int64_t)done;
}

int64_t call_personality(struct program *program, const uint64_t args[6])
{
	return (uint32_t)args[0] == 0xffffffff || args[0] == 0 ? 0 : -EINVAL;
}
