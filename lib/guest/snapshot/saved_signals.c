/* SPDX-License-Identifier: MIT */
/*
 * Pending signals of a saved snapshot, and timers that send some. What is left of a while is left again when the
 * snapshot is loaded; a moment comes when it comes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "core/error.h"
#include "guest/instance.h"
#include "guest/program/object.h"
#include "guest/snapshot/saved.h"

void saved_put_signals(struct saved_writer *writer, const struct signal_queue *queue)
{
	saved_put_number(writer, queue->set);
	saved_put_number(writer, queue->count);
	saved_put(writer, queue->items, queue->count * sizeof(*queue->items));
}

int saved_get_signals(struct saved_reader *reader, struct signal_queue *queue)
{
	uint64_t count;
	if (!saved_get_number(reader, UINT64_MAX, &queue->set) || !saved_get_number(reader, SIGNALS_QUEUED_MAX, &count))
		return saved_damaged("signals");
	const uint8_t *items = saved_get_data(reader, count * sizeof(*queue->items));
	if (!items)
		return saved_damaged("signals");
	if (count == 0)
		return 0;
	queue->items = calloc(count, sizeof(*queue->items));
	if (!queue->items)
		return error_memory();
	memcpy(queue->items, items, count * sizeof(*queue->items));
	queue->capacity = count;
	/* What is wrong with one must not be in the queue when that is given back. */
	for (; queue->count < count; queue->count++) {
		int signal = queue->items[queue->count].si_signo;
		if (signal < 1 || signal > PROGRAM_SIGNALS || !(queue->set & signal_bit(signal)))
			return saved_damaged("signals");
	}
	return 0;
}

struct saved_alarm {
	int64_t next, interval;
};

struct saved_timers {
	struct saved_alarm interval[INTERVAL_TIMERS];
	int64_t cpu_warning;
	uint64_t are_looked_at;
	uint64_t posix_count;
};

struct saved_timer {
	int32_t used, clock, is_realtime, is_absolute;
	int32_t signal, tid, overrun, unused;
	uint64_t value;
	struct saved_alarm alarm;
};

/* CPU time begins with 0 in each clone. */
static bool is_while(int clock, bool is_absolute)
{
	return clock == CLOCK_MONOTONIC && !is_absolute;
}

static struct saved_alarm describe(const struct alarm *alarm, bool is_while, int64_t since)
{
	return (struct saved_alarm){
		.next = is_while ? time_to_while(alarm->next, CLOCK_MONOTONIC, since) : alarm->next,
		.interval = interval_bounded(alarm->interval),
	};
}

void saved_put_timers(struct saved_writer *writer, const viso_snapshot *snapshot, const struct timers *timers)
{
	struct saved_timers saved = {
		.cpu_warning = timers->cpu_warning,
		.are_looked_at = timers->next != INT64_MAX,
		.posix_count = timers->posix_count,
	};
	for (int i = 0; i < INTERVAL_TIMERS; i++)
		saved.interval[i] = describe(&timers->interval[i], i == ITIMER_REAL, snapshot->frozen_at);
	saved_put(writer, &saved, sizeof(saved));
	for (size_t i = 0; i < timers->posix_count; i++) {
		const struct posix_timer *timer = &timers->posix[i];
		const struct saved_timer own = {
			.used = timer->used,
			.clock = timer->clock,
			.is_realtime = timer->is_realtime,
			.is_absolute = timer->is_absolute,
			.signal = timer->signal,
			.tid = timer->tid,
			.overrun = timer->overrun,
			.value = (uintptr_t)timer->value.sival_ptr,
			.alarm = describe(&timer->alarm, is_while(timer->clock, timer->is_absolute),
					  snapshot->frozen_at),
		};
		saved_put(writer, &own, sizeof(own));
	}
}

static bool take_alarm(const struct saved_alarm *saved, bool is_while, int64_t since, struct alarm *out)
{
	*out = (struct alarm){
		.next = is_while ? time_from_while(saved->next, CLOCK_MONOTONIC, since) : saved->next,
		.interval = saved->interval,
	};
	return time_is_sound(saved->next) && interval_is_sound(saved->interval);
}

static bool take_timer(const struct saved_timer *saved, int64_t since, struct posix_timer *out)
{
	bool is_cpu = saved->clock == CLOCK_PROCESS_CPUTIME_ID;
	*out = (struct posix_timer){
		.used = saved->used,
		.clock = saved->clock,
		.is_realtime = saved->is_realtime,
		.is_absolute = saved->is_absolute,
		.signal = saved->signal,
		.tid = saved->tid,
		.value.sival_ptr = (void *)(uintptr_t)saved->value,
		.overrun = saved->overrun,
	};
	return (is_cpu || saved->clock == CLOCK_MONOTONIC) && saved->signal >= 0 && saved->signal <= PROGRAM_SIGNALS &&
	       saved->overrun >= 0 &&
	       take_alarm(&saved->alarm, is_while(saved->clock, saved->is_absolute), since, &out->alarm);
}

int saved_get_timers(struct saved_reader *reader, const viso_snapshot *snapshot, struct timers *timers)
{
	struct saved_timers saved;
	struct saved_timer timer;
	if (!saved_get(reader, &saved, sizeof(saved)) || saved.posix_count > TIMERS_MAX ||
	    !time_is_sound(saved.cpu_warning) || saved.cpu_warning == INT64_MAX)
		return saved_damaged("timers");
	timers->cpu_warning = saved.cpu_warning;
	/* All of them are looked at when it runs. */
	timers->next = saved.are_looked_at ? 0 : INT64_MAX;
	for (int i = 0; i < INTERVAL_TIMERS; i++)
		if (!take_alarm(&saved.interval[i], i == ITIMER_REAL, snapshot->frozen_at, &timers->interval[i]))
			return saved_damaged("timers");
	if (saved.posix_count == 0)
		return 0;
	timers->posix = calloc(saved.posix_count, sizeof(*timers->posix));
	if (!timers->posix)
		return error_memory();
	timers->posix_count = saved.posix_count;
	for (uint64_t i = 0; i < saved.posix_count; i++)
		if (!saved_get(reader, &timer, sizeof(timer)) ||
		    !take_timer(&timer, snapshot->frozen_at, &timers->posix[i]))
			return saved_damaged("timers");
	return 0;
}
