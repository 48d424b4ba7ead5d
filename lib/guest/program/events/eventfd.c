/* SPDX-License-Identifier: MIT */
/* eventfd(2) */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "guest/program/calls.h"
#include "guest/program/copies.h"
#include "guest/program/object.h"
#include "guest/program/readiness.h"

struct event_counter {
	struct instance *instance;
	uint64_t value;
	bool is_semaphore;
};

static int64_t read_counter(struct program *program, struct file *file, const struct iovec *pieces, int count,
			    size_t size)
{
	struct event_counter *counter = file->object;
	if (size < sizeof(counter->value))
		return -EINVAL;
	int64_t r = counter->value ? 0 : file_wait_unless_nonblocking(program, file, POLLIN);
	if (r < 0)
		return r;
	uint64_t value = counter->is_semaphore ? 1 : counter->value;
	counter->value -= value;
	file_changed(counter->instance, file);
	return pieces_put(pieces, count, &value, sizeof(value));
}

static int64_t write_counter(struct program *program, struct file *file, const struct iovec *pieces, int count,
			     size_t size)
{
	struct event_counter *counter = file->object;
	uint64_t value;
	if (size < sizeof(value))
		return -EINVAL;
	pieces_get(pieces, count, &value, sizeof(value));
	if (value == UINT64_MAX)
		return -EINVAL;
	/* Room for some is not enough for all: only a reader makes a difference. */
	if (UINT64_MAX - 1 - counter->value < value)
		return file->flags & O_NONBLOCK ? -EAGAIN : object_wait(program, file, INT64_MAX);
	counter->value += value;
	file_changed(counter->instance, file);
	return sizeof(value);
}

static short poll_counter(struct file *file, short events, struct readiness *readiness)
{
	const struct event_counter *counter = file->object;
	readiness_object(readiness, file);
	return events & ((counter->value ? POLLIN | POLLRDNORM : 0) |
			 (counter->value < UINT64_MAX - 1 ? POLLOUT | POLLWRNORM : 0));
}

static int copy_counter(const struct file *file, struct file *copy, struct copies *copies)
{
	int r = file_copy_object(file, copy, sizeof(struct event_counter));
	if (r == 0)
		((struct event_counter *)copy->object)->instance = copies->instance;
	return r;
}

static const char *describe_counter(const struct file *file, struct object_state *out)
{
	const struct event_counter *counter = file->object;
	out->kind = OBJECT_COUNTER;
	out->values[0] = (int64_t)counter->value;
	out->values[1] = counter->is_semaphore;
	return NULL;
}

static const struct file_ops ops = {.read = read_counter,
				    .write = write_counter,
				    .poll = poll_counter,
				    .release = file_free_object,
				    .copy = copy_counter,
				    .describe = describe_counter};

static int new_counter(struct program *program, uint64_t value, bool is_semaphore, int flags, struct file **out)
{
	struct event_counter *counter = malloc(sizeof(*counter));
	if (!counter)
		return -ENOMEM;
	*counter = (struct event_counter){program->instance, value, is_semaphore};
	*out = file_new_object(&ops, counter, 0, flags);
	if (*out)
		return 0;
	free(counter);
	return -ENOMEM;
}

int counter_revive(struct program *program, const struct object_state *state, int flags, struct file **out)
{
	uint64_t value = (uint64_t)state->values[0];
	if (value == UINT64_MAX || (flags & O_ACCMODE) != O_RDWR)
		return -EINVAL;
	return new_counter(program, value, state->values[1], flags, out);
}

static int64_t make_counter(struct program *program, unsigned value, int flags)
{
	struct file *file;
	if (flags & ~(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE))
		return -EINVAL;
	int r = new_counter(program, value, flags & EFD_SEMAPHORE, O_RDWR | (flags & O_NONBLOCK), &file);
	return r < 0 ? r : program_add_file(program, file, 0, flags & EFD_CLOEXEC);
}

int64_t call_eventfd(struct program *program, const uint64_t args[6])
{
	return make_counter(program, (unsigned)args[0], 0);
}

int64_t call_eventfd2(struct program *program, const uint64_t args[6])
{
	return make_counter(program, (unsigned)args[0], (int)args[1]);
}
