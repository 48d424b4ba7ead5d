/* SPDX-License-Identifier: MIT */
/* System calls that tell or take time. */
#include <errno.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

#include "guest/instance.h"
#include "guest/program/calls.h"

enum { CLOCKS_MAX = 12, TICKS_A_SECOND = 100 };

static const int64_t second_ns = 1000000000;

/* Of the thread that makes the call. */
static int64_t thread_cpu_time(const struct program *program)
{
	int64_t time = scheduler_current_time(program->instance);
	return time + program->task->cpu_time;
}

static bool read_clock(const struct program *program, uint64_t clock, int64_t *out)
{
	if (clock >= CLOCKS_MAX)
		return false;
	if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID) {
		*out = clock == CLOCK_PROCESS_CPUTIME_ID ? program_cpu_time(program) : thread_cpu_time(program);
		return true;
	}
	struct timespec time;
	if (clock_gettime((clockid_t)clock, &time) < 0)
		return false;
	*out = time.tv_sec * second_ns + time.tv_nsec;
	return true;
}

static int64_t put_time(struct program *program, uint64_t address, int64_t ns)
{
	const struct timespec time = {.tv_sec = ns / second_ns, .tv_nsec = ns % second_ns};
	return space_write(program->space, address, &time, sizeof(time));
}

int64_t call_clock_gettime(struct program *program, const uint64_t args[6])
{
	int64_t ns;
	return read_clock(program, args[0], &ns) ? put_time(program, args[1], ns) : -EINVAL;
}

int64_t call_clock_getres(struct program *program, const uint64_t args[6])
{
	int64_t ns;
	if (!read_clock(program, args[0], &ns))
		return -EINVAL;
	return args[1] ? put_time(program, args[1], 1) : 0;
}

int64_t call_gettimeofday(struct program *program, const uint64_t args[6])
{
	struct timeval now;
	gettimeofday(&now, NULL);
	if (args[0] && space_write(program->space, args[0], &now, sizeof(now)) < 0)
		return -EFAULT;
	const struct timezone utc = {0};
	return args[1] ? space_write(program->space, args[1], &utc, sizeof(utc)) : 0;
}

int64_t call_time(struct program *program, const uint64_t args[6])
{
	time_t now = time(NULL);
	if (args[0] && space_write(program->space, args[0], &now, sizeof(now)) < 0)
		return -EFAULT;
	return now;
}

/* Sleeps until the program's `clock` shows `end`. */
static int64_t sleep_until(struct program *program, uint64_t clock, int64_t end)
{
	struct pollfd fds[1];
	int64_t now;
	while (read_clock(program, clock, &now) && now < end) {
		int64_t monotonic = clock_now(CLOCK_MONOTONIC), left = end - now;
		int64_t n = task_wait(program, fds, 0, left < INT64_MAX - monotonic ? monotonic + left : INT64_MAX);
		if (n < 0)
			return n;
	}
	return 0;
}

/* What is left of a sleep that a signal ended. */
static int64_t put_rest(struct program *program, uint64_t clock, int64_t end, uint64_t address)
{
	int64_t now;
	read_clock(program, clock, &now);
	return put_time(program, address, end > now ? end - now : 0) < 0 ? -EFAULT : -EINTR;
}

static int64_t sleep_for(struct program *program, uint64_t clock, bool absolute, uint64_t address, uint64_t rest)
{
	struct timespec time;
	int64_t now;
	if (!read_clock(program, clock, &now) || clock == CLOCK_THREAD_CPUTIME_ID)
		return -EINVAL;
	if (clock == CLOCK_PROCESS_CPUTIME_ID)
		return -ENOSYS;
	if (space_read(program->space, &time, address, sizeof(time)) < 0)
		return -EFAULT;
	if (time.tv_sec < 0 || time.tv_nsec < 0 || time.tv_nsec >= second_ns)
		return -EINVAL;
	int64_t ns = time.tv_sec < INT64_MAX / second_ns - 1 ? time.tv_sec * second_ns + time.tv_nsec : INT64_MAX;
	if (!absolute)
		ns = task_deadline(program, ns < INT64_MAX - now ? ns + now : INT64_MAX);
	int64_t r = sleep_until(program, clock, ns);
	return r == -EINTR && rest && !absolute ? put_rest(program, clock, ns, rest) : r;
}

int64_t call_nanosleep(struct program *program, const uint64_t args[6])
{
	return sleep_for(program, CLOCK_MONOTONIC, false, args[0], args[1]);
}

int64_t call_clock_nanosleep(struct program *program, const uint64_t args[6])
{
	return sleep_for(program, args[0], args[1] & TIMER_ABSTIME, args[2], args[3]);
}

int64_t call_times(struct program *program, const uint64_t args[6])
{
	const struct tms times = {.tms_utime = program_cpu_time(program) / (second_ns / TICKS_A_SECOND)};
	if (args[0] && space_write(program->space, args[0], &times, sizeof(times)) < 0)
		return -EFAULT;
	return clock_now(CLOCK_MONOTONIC) / (second_ns / TICKS_A_SECOND);
}

int64_t call_getrusage(struct program *program, const uint64_t args[6])
{
	int who = (int)args[0];
	if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
		return -EINVAL;
	struct rusage usage = {0};
	if (who != RUSAGE_CHILDREN) {
		int64_t us = (who == RUSAGE_THREAD ? thread_cpu_time(program) : program_cpu_time(program)) / 1000;
		usage.ru_utime = (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
		usage.ru_maxrss = (long)(program->space->memory->peak * GUEST_PAGE / 1024);
	}
	return space_write(program->space, args[1], &usage, sizeof(usage));
}
