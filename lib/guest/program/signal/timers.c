/* SPDX-License-Identifier: MIT */
#include "guest/program/signal/timers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/program/copies.h"

static const int64_t second_ns = 1000000000;

/* How exactly CPU time is watched, as by a tick of Linux: a process that waits must not be looked at all the time. */
static const int64_t cpu_grain_ns = 4000000;

void timers_init(struct timers *timers)
{
	*timers = (struct timers){.next = INT64_MAX};
	for (int i = 0; i < INTERVAL_TIMERS; i++)
		timers->interval[i].next = INT64_MAX;
}

void timers_release(struct timers *timers)
{
	free(timers->posix);
	timers->posix = NULL;
	timers->posix_count = 0;
}

static void move_alarm(struct alarm *alarm, int64_t by)
{
	alarm->next = moment_moved(alarm->next, by);
}

int timers_copy(struct timers *to, const struct timers *from, int64_t frozen_ns, int64_t cpu_time)
{
	*to = *from;
	to->posix = from->posix_count ? calloc(from->posix_count, sizeof(*to->posix)) : NULL;
	to->posix_count = to->posix ? from->posix_count : 0;
	if (from->posix_count && !to->posix)
		return -ENOMEM;
	for (int i = 0; i < INTERVAL_TIMERS; i++)
		move_alarm(&to->interval[i], i == ITIMER_REAL ? frozen_ns : -cpu_time);
	for (size_t i = 0; i < from->posix_count; i++) {
		struct posix_timer *timer = &to->posix[i];
		*timer = from->posix[i];
		if (timer->clock != CLOCK_MONOTONIC)
			move_alarm(&timer->alarm, -cpu_time);
		else if (!timer->is_absolute)
			move_alarm(&timer->alarm, frozen_ns);
	}
	to->cpu_warning = to->cpu_warning > cpu_time ? to->cpu_warning - cpu_time : 0;
	/* All of them are looked at when it runs. */
	to->next = from->next == INT64_MAX ? INT64_MAX : 0;
	return 0;
}

void timers_exec(struct timers *timers)
{
	timers_release(timers);
}

void timers_taken(struct timers *timers, const siginfo_t *info)
{
	size_t id = (size_t)info->si_timerid;
	if (id < timers->posix_count)
		timers->posix[id].overrun = info->si_overrun;
}

/* How often it has gone off until `now`; sets when it will do so again. */
static int64_t advance(struct alarm *alarm, int64_t now)
{
	if (alarm->next > now)
		return 0;
	if (alarm->interval <= 0) {
		alarm->next = INT64_MAX;
		return 1;
	}
	int64_t times = 1 + (now - alarm->next) / alarm->interval;
	alarm->next =
		times < (INT64_MAX - alarm->next) / alarm->interval ? alarm->next + times * alarm->interval : INT64_MAX;
	return times;
}

/* The moments of all clocks that timers run by, and the next one at which some timer is due. */
struct moments {
	int64_t monotonic;
	int64_t realtime;
	int64_t cpu;
	int64_t next; /* CLOCK_MONOTONIC */
};

static int64_t now_of(const struct moments *moments, bool is_cpu, bool is_realtime)
{
	if (is_cpu)
		return moments->cpu;
	return is_realtime ? moments->realtime : moments->monotonic;
}

/* CPU time cannot pass faster than the clock on the wall: where it is not due then, it is looked at again. */
static void note_next(struct moments *moments, int64_t next, int64_t now, bool is_cpu)
{
	if (next == INT64_MAX)
		return;
	int64_t left = next > now ? next - now : 0;
	if (is_cpu && left < cpu_grain_ns)
		left = cpu_grain_ns;
	int64_t at = left < INT64_MAX - moments->monotonic ? moments->monotonic + left : INT64_MAX;
	if (at < moments->next)
		moments->next = at;
}

static void check_interval(struct program *program, int which, struct moments *moments)
{
	static const int signals[INTERVAL_TIMERS] = {SIGALRM, SIGVTALRM, SIGPROF};
	struct alarm *alarm = &program->signals.timers.interval[which];
	if (alarm->next == INT64_MAX)
		return;
	int64_t now = now_of(moments, which != ITIMER_REAL, false);
	if (advance(alarm, now)) {
		siginfo_t info = signal_from_kernel(signals[which]);
		signal_send(program, NULL, &info);
	}
	note_next(moments, alarm->next, now, which != ITIMER_REAL);
}

static struct task *task_of(struct program *program, int tid)
{
	return tid ? program_task(program, tid) : NULL;
}

/* As Linux: one signal of a timer is pending at most, and the times that it went off beside are counted. */
static void send_timer(struct program *program, const struct posix_timer *timer, int id, int64_t times)
{
	struct task *task = task_of(program, timer->tid);
	if (!timer->signal || (timer->tid && !task))
		return;
	struct signal_queue *queue = task ? &task->signals.pending : &program->signals.pending;
	siginfo_t *pending = queue_find_timer(queue, id);
	if (pending) {
		int64_t overrun = pending->si_overrun + times;
		pending->si_overrun = overrun < INT32_MAX ? (int)overrun : INT32_MAX;
		return;
	}
	siginfo_t info = {.si_signo = timer->signal, .si_code = SI_TIMER};
	info.si_timerid = id;
	info.si_overrun = times - 1 < INT32_MAX ? (int)(times - 1) : INT32_MAX;
	info.si_value = timer->value;
	signal_send(program, task, &info);
}

static void check_posix(struct program *program, size_t id, struct moments *moments)
{
	struct posix_timer *timer = &program->signals.timers.posix[id];
	if (!timer->used || timer->alarm.next == INT64_MAX)
		return;
	bool is_cpu = timer->clock != CLOCK_MONOTONIC;
	int64_t now = now_of(moments, is_cpu, timer->is_realtime);
	int64_t times = advance(&timer->alarm, now);
	if (times)
		send_timer(program, timer, (int)id, times);
	note_next(moments, timer->alarm.next, now, is_cpu);
}

/* setrlimit(2): SIGXCPU at the soft limit and each second after it, the end at the hard one. */
static void check_cpu_limit(struct program *program, struct moments *moments)
{
	const struct rlimit *limit = &program->limits[RLIMIT_CPU];
	int64_t *warning = &program->signals.timers.cpu_warning;
	const rlim_t max = INT64_MAX / second_ns / 2;
	/* What was set for the program as a whole ends it elsewhere. */
	if (limit->rlim_cur == RLIM_INFINITY || limit->rlim_cur > max || limit->rlim_cur >= limit->rlim_max)
		return;
	int64_t soft = (int64_t)limit->rlim_cur * second_ns;
	if (limit->rlim_max < max && moments->cpu >= (int64_t)limit->rlim_max * second_ns) {
		program_end(program, VISO_REASON_CPU_TIME, SIGKILL, NULL);
		return;
	}
	if (*warning < soft)
		*warning = soft;
	if (moments->cpu >= *warning) {
		siginfo_t info = signal_from_kernel(SIGXCPU);
		*warning = moments->cpu + second_ns;
		signal_send(program, NULL, &info);
	}
	note_next(moments, *warning, moments->cpu, true);
}

static bool is_idle(const struct program *program)
{
	const struct timers *timers = &program->signals.timers;
	const struct rlimit *limit = &program->limits[RLIMIT_CPU];
	for (int i = 0; i < INTERVAL_TIMERS; i++)
		if (timers->interval[i].next != INT64_MAX)
			return false;
	return timers->posix_count == 0 && (limit->rlim_cur == RLIM_INFINITY || limit->rlim_cur >= limit->rlim_max);
}

/* Sends what is due, and has `next` of the timers. */
static void check(struct program *program)
{
	struct timers *timers = &program->signals.timers;
	timers->next = INT64_MAX;
	if (is_idle(program))
		return;
	struct moments moments = {
		.monotonic = clock_now(CLOCK_MONOTONIC),
		.realtime = clock_now(CLOCK_REALTIME),
		.cpu = program_cpu_time(program),
		.next = INT64_MAX,
	};
	for (int i = 0; i < INTERVAL_TIMERS; i++)
		check_interval(program, i, &moments);
	for (size_t i = 0; i < timers->posix_count; i++)
		check_posix(program, i, &moments);
	check_cpu_limit(program, &moments);
	timers->next = moments.next;
}

static void set_alarm(struct instance *instance)
{
	int64_t next = INT64_MAX;
	for (struct task *task = NULL; (task = scheduler_after(&instance->scheduler, task));)
		if (task->program->signals.timers.next < next)
			next = task->program->signals.timers.next;
	kick_set_alarm(&instance->kick, next);
}

void timers_check(struct program *program)
{
	check(program);
	set_alarm(program->instance);
}

void timers_check_all(struct instance *instance)
{
	for (struct task *task = NULL; (task = scheduler_after(&instance->scheduler, task));)
		if (task->program->signals.timers.next <= clock_now(CLOCK_MONOTONIC))
			check(task->program);
	set_alarm(instance);
}
