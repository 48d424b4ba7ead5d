/* SPDX-License-Identifier: MIT */
/* The time of a PC's devices: a thread that sleeps until the next of them has something to say. */
#include <errno.h>
#include <sys/prctl.h>

#include "core/error.h"
#include "guest/kernel/pc/pc.h"
#include "guest/thread.h"

enum { SECOND = 1000000000 };

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t next_event(struct pc *pc)
{
	int64_t wait = rtc_wait(&pc->rtc);
	int64_t next = wait < INT64_MAX ? clock_now(CLOCK_MONOTONIC) + wait : INT64_MAX;
	return smaller(next, smaller(i8042_next(&pc->i8042), acpi_pm_next(&pc->pm)));
}

static void advance(struct pc *pc)
{
	rtc_advance(&pc->rtc);
	i8042_advance(&pc->i8042);
	acpi_pm_advance(&pc->pm);
}

/* Until it is time, or something has changed. */
static void sleep_until(struct pc_clock *clock, int64_t when)
{
	if (when == INT64_MAX) {
		pthread_cond_wait(&clock->changed, &clock->lock);
		return;
	}
	const struct timespec time = {.tv_sec = when / SECOND, .tv_nsec = when % SECOND};
	pthread_cond_timedwait(&clock->changed, &clock->lock, &time);
}

static void *run(void *data)
{
	struct pc *pc = data;
	struct pc_clock *clock = &pc->clock;
	prctl(PR_SET_NAME, "viso-pc-clock");
	pthread_mutex_lock(&clock->lock);
	while (!clock->should_end) {
		if (clock->is_paused || clock->next > clock_now(CLOCK_MONOTONIC)) {
			sleep_until(clock, clock->is_paused ? INT64_MAX : clock->next);
			continue;
		}
		/* Devices wake it while it works: they find a time then that is not later than theirs. */
		clock->next = INT64_MAX;
		clock->is_busy = true;
		pthread_mutex_unlock(&clock->lock);
		advance(pc);
		int64_t next = next_event(pc);
		pthread_mutex_lock(&clock->lock);
		clock->next = smaller(clock->next, next);
		clock->is_busy = false;
		pthread_cond_broadcast(&clock->changed);
	}
	pthread_mutex_unlock(&clock->lock);
	return NULL;
}

void pc_clock_wake(void *data)
{
	struct pc *pc = data;
	struct pc_clock *clock = &pc->clock;
	int64_t next = next_event(pc);
	if (next == INT64_MAX)
		return;
	pthread_mutex_lock(&clock->lock);
	if (next < clock->next) {
		clock->next = next;
		pthread_cond_broadcast(&clock->changed);
	}
	pthread_mutex_unlock(&clock->lock);
}

int pc_clock_init(struct pc_clock *clock)
{
	pthread_condattr_t attributes;
	*clock = (struct pc_clock){.next = INT64_MAX};
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	int error = pthread_cond_init(&clock->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&clock->lock, NULL);
	return error ? error_fail(VISO_STAGE_GUEST, error, "pthread_cond_init", NULL) : 0;
}

int pc_clock_start(struct pc *pc)
{
	int r = thread_start(&pc->clock.thread, run, pc);
	pc->clock.has_thread = r == 0;
	return r < 0 ? error_fail(VISO_STAGE_GUEST, -r, "pthread_create", NULL) : 0;
}

void pc_clock_pause(struct pc *pc, bool is_paused)
{
	struct pc_clock *clock = &pc->clock;
	pthread_mutex_lock(&clock->lock);
	clock->is_paused = is_paused;
	while (is_paused && clock->is_busy)
		pthread_cond_wait(&clock->changed, &clock->lock);
	pthread_cond_broadcast(&clock->changed);
	pthread_mutex_unlock(&clock->lock);
}

void pc_clock_stop(struct pc *pc)
{
	struct pc_clock *clock = &pc->clock;
	pthread_mutex_lock(&clock->lock);
	clock->should_end = true;
	pthread_cond_broadcast(&clock->changed);
	pthread_mutex_unlock(&clock->lock);
	if (clock->has_thread)
		pthread_join(clock->thread, NULL);
	clock->has_thread = false;
}

void pc_clock_release(struct pc_clock *clock)
{
	pthread_cond_destroy(&clock->changed);
	pthread_mutex_destroy(&clock->lock);
}
