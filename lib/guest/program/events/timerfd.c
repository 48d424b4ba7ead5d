/* SPDX-License-Identifier: MIT */
/* timerfd_create(2) and its kin. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>

#include "guest/program/calls.h"
#include "guest/program/copies.h"
#include "guest/program/object.h"
#include "guest/program/readiness.h"

static const int64_t second_ns = 1000000000;

struct timer_file {
	struct instance *instance;
	clockid_t clock;
	int64_t next;     /* of that clock, nanoseconds; INT64_MAX while it is off */
	int64_t interval; /* 0: once */
	bool is_absolute; /* `next` was given as a moment, and not as a while */
	uint64_t expirations;
};

/* Counts what has expired meanwhile. */
static void catch_up(struct timer_file *timer, struct file *file)
{
	int64_t now = clock_now(timer->clock);
	if (timer->next > now)
		return;
	if (timer->interval) {
		int64_t times = (now - timer->next) / timer->interval + 1;
		timer->expirations += (uint64_t)times;
		timer->next += times * timer->interval;
	} else {
		timer->expirations++;
		timer->next = INT64_MAX;
	}
	file->changes++;
}

static int64_t read_timer(struct program *program, struct file *file, const struct iovec *pieces, int count,
			  size_t size)
{
	struct timer_file *timer = file->object;
	if (size < sizeof(timer->expirations))
		return -EINVAL;
	catch_up(timer, file);
	while (!timer->expirations) {
		int64_t r = file_wait_unless_nonblocking(program, file, POLLIN);
		if (r < 0)
			return r;
	}
	uint64_t expirations = timer->expirations;
	timer->expirations = 0;
	return pieces_put(pieces, count, &expirations, sizeof(expirations));
}

static short poll_timer(struct file *file, short events, struct readiness *readiness)
{
	struct timer_file *timer = file->object;
	catch_up(timer, file);
	readiness_object(readiness, file);
	if (timer->expirations)
		return events & (POLLIN | POLLRDNORM);
	if (timer->next != INT64_MAX) {
		int64_t left = timer->next - clock_now(timer->clock), now = clock_now(CLOCK_MONOTONIC);
		readiness_time(readiness, left < INT64_MAX - now ? now + left : INT64_MAX);
	}
	return 0;
}

/* What was left of its time when it was frozen is left again; a moment comes when it comes. */
static int copy_timer(const struct file *file, struct file *copy, struct copies *copies)
{
	int r = file_copy_object(file, copy, sizeof(struct timer_file));
	if (r < 0)
		return r;
	struct timer_file *timer = copy->object;
	timer->instance = copies->instance;
	if (!timer->is_absolute)
		timer->next = moment_moved(timer->next, copies->frozen_ns);
	return 0;
}

static const char *describe_timer(const struct file *file, struct object_state *out)
{
	const struct timer_file *timer = file->object;
	out->kind = OBJECT_TIMER;
	out->values[0] = timer->clock;
	out->values[1] = timer->is_absolute;
	out->values[2] = timer->is_absolute ? timer->next : time_to_while(timer->next, timer->clock, out->since);
	out->values[3] = interval_bounded(timer->interval);
	out->values[4] = (int64_t)timer->expirations;
	return NULL;
}

static const struct file_ops ops = {
	.read = read_timer,
	.poll = poll_timer,
	.release = file_free_object,
	.copy = copy_timer,
	.describe = describe_timer,
};

static int new_timer(const struct timer_file *timer, int flags, struct file **out)
{
	struct timer_file *own = malloc(sizeof(*own));
	if (!own)
		return -ENOMEM;
	*own = *timer;
	*out = file_new_object(&ops, own, 0, flags);
	if (*out)
		return 0;
	free(own);
	return -ENOMEM;
}

static bool is_clock(int64_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME;
}

int timer_revive(struct program *program, const struct object_state *state, int flags, struct file **out)
{
	const int64_t *values = state->values;
	if (!is_clock(values[0]) || !time_is_sound(values[2]) || !interval_is_sound(values[3]) ||
	    (flags & O_ACCMODE) != O_RDWR)
		return -EINVAL;
	const struct timer_file timer = {
		.instance = program->instance,
		.clock = (clockid_t)values[0],
		.is_absolute = values[1],
		.next = values[1] ? values[2] : time_from_while(values[2], (int)values[0], state->since),
		.interval = values[3],
		.expirations = (uint64_t)values[4],
	};
	return new_timer(&timer, flags, out);
}

int64_t call_timerfd_create(struct program *program, const uint64_t args[6])
{
	clockid_t clock = (clockid_t)args[0];
	int flags = (int)args[1];
	if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	if (clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM)
		return -EPERM;
	if (!is_clock(clock))
		return -EINVAL;
	const struct timer_file timer = {.instance = program->instance, .clock = clock, .next = INT64_MAX};
	struct file *file;
	int r = new_timer(&timer, O_RDWR | (flags & O_NONBLOCK), &file);
	return r < 0 ? r : program_add_file(program, file, 0, flags & TFD_CLOEXEC);
}

static struct file *timer_of(struct program *program, uint64_t fd, int *error)
{
	struct file *file = program_file(program, (int)fd);
	*error = !file ? -EBADF : file->ops != &ops ? -EINVAL : 0;
	return *error ? NULL : file;
}

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / second_ns, .tv_nsec = ns % second_ns};
}

/* In nanoseconds, INT64_MAX at most; -EINVAL. */
static int64_t from_timespec(struct timespec time)
{
	if (time.tv_sec < 0 || time.tv_nsec < 0 || time.tv_nsec >= second_ns)
		return -EINVAL;
	return time.tv_sec < INT64_MAX / second_ns - 1 ? time.tv_sec * second_ns + time.tv_nsec : INT64_MAX;
}

static int64_t put_setting(struct program *program, struct file *file, uint64_t address)
{
	struct timer_file *timer = file->object;
	catch_up(timer, file);
	int64_t left = timer->next == INT64_MAX ? 0 : timer->next - clock_now(timer->clock);
	const struct itimerspec setting = {to_timespec(timer->interval), to_timespec(left < 0 ? 0 : left)};
	return space_write(program->space, address, &setting, sizeof(setting));
}

int64_t call_timerfd_gettime(struct program *program, const uint64_t args[6])
{
	int error;
	struct file *file = timer_of(program, args[0], &error);
	return file ? put_setting(program, file, args[1]) : error;
}

int64_t call_timerfd_settime(struct program *program, const uint64_t args[6])
{
	struct itimerspec setting;
	int error, flags = (int)args[1];
	if (space_read(program->space, &setting, args[2], sizeof(setting)) < 0)
		return -EFAULT;
	struct file *file = timer_of(program, args[0], &error);
	if (!file)
		return error;
	int64_t value = from_timespec(setting.it_value), interval = from_timespec(setting.it_interval);
	/* That the clock was set is never told of: TFD_TIMER_CANCEL_ON_SET has no effect. */
	if (value < 0 || interval < 0 || (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)))
		return -EINVAL;
	if (args[3] && put_setting(program, file, args[3]) < 0)
		return -EFAULT;
	struct timer_file *timer = file->object;
	int64_t now = clock_now(timer->clock);
	if (value && !(flags & TFD_TIMER_ABSTIME))
		value = value < INT64_MAX - now ? value + now : INT64_MAX;
	/* Far beyond the end of all times a timer is off; so the sums above do not overflow. */
	timer->next = value && value < INT64_MAX / 2 ? value : INT64_MAX;
	timer->interval = interval < INT64_MAX / 2 ? interval : INT64_MAX / 2;
	timer->is_absolute = flags & TFD_TIMER_ABSTIME;
	timer->expirations = 0;
	file_changed(timer->instance, file);
	return 0;
}
