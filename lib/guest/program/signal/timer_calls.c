/* SPDX-License-Identifier: MIT */
/* System calls on timers that send signals. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "guest/program/calls.h"

static const int64_t second_ns = 1000000000;

/* What the guest's kernel interface calls struct sigevent. */
struct signal_event {
	uint64_t value;
	int32_t signal;
	int32_t notify;
	int32_t tid;
	uint8_t rest[44];
};
_Static_assert(sizeof(struct signal_event) == 64, "struct sigevent");

static int64_t add(int64_t a, int64_t b)
{
	return b < INT64_MAX - a ? a + b : INT64_MAX;
}

static bool to_ns(int64_t seconds, int64_t fraction, int64_t unit, int64_t *out)
{
	if (seconds < 0 || fraction < 0 || fraction >= second_ns / unit)
		return false;
	*out = seconds < INT64_MAX / second_ns - 1 ? seconds * second_ns + fraction * unit : INT64_MAX;
	return true;
}

/* What is left; at least a little, since nothing would mean that it does not run. */
static int64_t left_of(const struct alarm *alarm, int64_t now)
{
	if (alarm->next == INT64_MAX)
		return 0;
	return alarm->next > now ? alarm->next - now : 1000;
}

static int64_t interval_now(struct program *program, int which)
{
	return which == ITIMER_REAL ? clock_now(CLOCK_MONOTONIC) : program_cpu_time(program);
}

static struct itimerval interval_setting(struct program *program, int which)
{
	const struct alarm *alarm = &program->signals.timers.interval[which];
	int64_t left = left_of(alarm, interval_now(program, which));
	return (struct itimerval){
		.it_value = {.tv_sec = left / second_ns, .tv_usec = left % second_ns / 1000},
		.it_interval = {.tv_sec = alarm->interval / second_ns, .tv_usec = alarm->interval % second_ns / 1000},
	};
}

int64_t call_getitimer(struct program *program, const uint64_t args[6])
{
	if (args[0] >= INTERVAL_TIMERS)
		return -EINVAL;
	struct itimerval setting = interval_setting(program, (int)args[0]);
	return space_write(program->space, args[1], &setting, sizeof(setting));
}

static void set_alarm(struct program *program, int which, int64_t value, int64_t interval)
{
	struct alarm *alarm = &program->signals.timers.interval[which];
	alarm->next = value ? add(interval_now(program, which), value) : INT64_MAX;
	alarm->interval = interval;
	timers_check(program);
}

int64_t call_setitimer(struct program *program, const uint64_t args[6])
{
	struct itimerval setting = {0};
	int64_t value, interval;
	if (args[0] >= INTERVAL_TIMERS)
		return -EINVAL;
	if (args[1] && space_read(program->space, &setting, args[1], sizeof(setting)) < 0)
		return -EFAULT;
	if (!to_ns(setting.it_value.tv_sec, setting.it_value.tv_usec, 1000, &value) ||
	    !to_ns(setting.it_interval.tv_sec, setting.it_interval.tv_usec, 1000, &interval))
		return -EINVAL;
	struct itimerval old = interval_setting(program, (int)args[0]);
	set_alarm(program, (int)args[0], value, interval);
	return args[2] ? space_write(program->space, args[2], &old, sizeof(old)) : 0;
}

int64_t call_alarm(struct program *program, const uint64_t args[6])
{
	int64_t left = left_of(&program->signals.timers.interval[ITIMER_REAL], clock_now(CLOCK_MONOTONIC));
	set_alarm(program, ITIMER_REAL, (int64_t)(uint32_t)args[0] * second_ns, 0);
	/* Rounded, but never to none. */
	int64_t seconds = (left + second_ns / 2) / second_ns;
	return left && !seconds ? 1 : seconds;
}

static struct posix_timer *find_timer(struct program *program, uint64_t id)
{
	struct timers *timers = &program->signals.timers;
	if (id >= timers->posix_count || !timers->posix[id].used)
		return NULL;
	return &timers->posix[id];
}

/* A free entry. Its id, -EAGAIN or -ENOMEM. */
static int new_timer(struct timers *timers)
{
	size_t id = 0;
	while (id < timers->posix_count && timers->posix[id].used)
		id++;
	if (id == TIMERS_MAX)
		return -EAGAIN;
	if (id == timers->posix_count) {
		struct posix_timer *grown = reallocarray(timers->posix, id + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		timers->posix = grown;
		timers->posix_count++;
	}
	return (int)id;
}

static int read_event(struct program *program, uint64_t address, struct posix_timer *timer)
{
	struct signal_event event;
	if (!address) {
		timer->signal = SIGALRM;
		return 0;
	}
	if (space_read(program->space, &event, address, sizeof(event)) < 0)
		return -EFAULT;
	timer->value.sival_ptr = (void *)(uintptr_t)event.value;
	if (event.notify == SIGEV_NONE)
		return 0;
	if (event.signal < 1 || event.signal > PROGRAM_SIGNALS)
		return -EINVAL;
	timer->signal = event.signal;
	if (event.notify == SIGEV_SIGNAL)
		return 0;
	/* SIGEV_THREAD is made of it by the C library. */
	timer->tid = event.tid;
	return event.notify == SIGEV_THREAD_ID && program_task(program, event.tid) ? 0 : -EINVAL;
}

int64_t call_timer_create(struct program *program, const uint64_t args[6])
{
	struct posix_timer timer = {.used = true, .alarm = {.next = INT64_MAX}};
	switch ((int)args[0]) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		timer.clock = CLOCK_MONOTONIC;
		timer.is_realtime = (int)args[0] == CLOCK_REALTIME;
		break;
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
		timer.clock = CLOCK_PROCESS_CPUTIME_ID;
		break;
	default:
		return -EINVAL;
	}
	int r = read_event(program, args[1], &timer);
	int id = r < 0 ? r : new_timer(&program->signals.timers);
	if (id < 0)
		return id;
	program->signals.timers.posix[id] = timer;
	if (!args[1])
		program->signals.timers.posix[id].value.sival_int = id;
	if (space_write(program->space, args[2], &id, sizeof(id)) < 0) {
		program->signals.timers.posix[id] = (struct posix_timer){0};
		return -EFAULT;
	}
	return 0;
}

static int64_t timer_now(struct program *program, const struct posix_timer *timer)
{
	if (timer->clock != CLOCK_MONOTONIC)
		return program_cpu_time(program);
	return clock_now(timer->is_realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC);
}

static struct itimerspec timer_setting(struct program *program, const struct posix_timer *timer)
{
	int64_t left = left_of(&timer->alarm, timer_now(program, timer)), interval = timer->alarm.interval;
	return (struct itimerspec){
		.it_value = {.tv_sec = left / second_ns, .tv_nsec = left % second_ns},
		.it_interval = {.tv_sec = interval / second_ns, .tv_nsec = interval % second_ns},
	};
}

int64_t call_timer_settime(struct program *program, const uint64_t args[6])
{
	struct itimerspec setting;
	struct posix_timer *timer = find_timer(program, args[0]);
	int64_t value, interval;
	if (!timer)
		return -EINVAL;
	if (space_read(program->space, &setting, args[2], sizeof(setting)) < 0)
		return args[2] ? -EFAULT : -EINVAL;
	if (!to_ns(setting.it_value.tv_sec, setting.it_value.tv_nsec, 1, &value) ||
	    !to_ns(setting.it_interval.tv_sec, setting.it_interval.tv_nsec, 1, &interval))
		return -EINVAL;
	struct itimerspec old = timer_setting(program, timer);
	int64_t now = (int)args[1] & TIMER_ABSTIME ? 0 : timer_now(program, timer);
	timer->alarm = (struct alarm){.next = value ? add(now, value) : INT64_MAX, .interval = interval};
	timer->is_absolute = (int)args[1] & TIMER_ABSTIME;
	timer->overrun = 0;
	timers_check(program);
	return args[3] ? space_write(program->space, args[3], &old, sizeof(old)) : 0;
}

int64_t call_timer_gettime(struct program *program, const uint64_t args[6])
{
	struct posix_timer *timer = find_timer(program, args[0]);
	if (!timer)
		return -EINVAL;
	struct itimerspec setting = timer_setting(program, timer);
	return space_write(program->space, args[1], &setting, sizeof(setting));
}

int64_t call_timer_getoverrun(struct program *program, const uint64_t args[6])
{
	struct posix_timer *timer = find_timer(program, args[0]);
	return timer ? timer->overrun : -EINVAL;
}

int64_t call_timer_delete(struct program *program, const uint64_t args[6])
{
	struct posix_timer *timer = find_timer(program, args[0]);
	if (!timer)
		return -EINVAL;
	*timer = (struct posix_timer){0};
	timers_check(program);
	return 0;
}
