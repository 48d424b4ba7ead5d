/* SPDX-License-Identifier: MIT */
#include "guest/program/readiness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "guest/instance.h"
#include "guest/program/program.h"

/* One more than is in use is there for task_wait(). */
static bool make_room(struct readiness *readiness)
{
	if (readiness->count + 1 < readiness->capacity)
		return true;
	size_t capacity = 2 * readiness->capacity;
	struct pollfd *fds = readiness->fds == readiness->few ? NULL : readiness->fds;
	fds = reallocarray(fds, capacity, sizeof(*fds));
	if (!fds) {
		readiness->no_memory = true;
		return false;
	}
	if (readiness->fds == readiness->few)
		memcpy(fds, readiness->few, sizeof(readiness->few));
	readiness->fds = fds;
	readiness->capacity = capacity;
	return true;
}

short readiness_host(struct readiness *readiness, int fd, short events)
{
	if (readiness->polled)
		return readiness->next < readiness->count ? readiness->fds[readiness->next++].revents : 0;
	if (make_room(readiness))
		readiness->fds[readiness->count++] = (struct pollfd){.fd = fd, .events = events};
	return 0;
}

void readiness_time(struct readiness *readiness, int64_t moment)
{
	if (moment < readiness->until)
		readiness->until = moment;
}

void readiness_object(struct readiness *readiness, const void *object)
{
	if (!readiness->polled && task_wait_for(readiness->program, object) < 0)
		readiness->no_memory = true;
}

short file_poll(struct file *file, short events, struct readiness *readiness)
{
	switch (file->kind) {
	case FILE_STREAM:
		return readiness_host(readiness, file->fd, events);
	case FILE_OBJECT:
		return file->ops->poll(file, events, readiness);
	case FILE_PATH:
		return POLLNVAL;
	default:
		return events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
	}
}

static int64_t look(struct readiness *readiness, readiness_check *check, void *data)
{
	readiness->look = ++readiness->program->instance->looks;
	return check(data, readiness);
}

int64_t readiness_wait(struct program *program, readiness_check *check, void *data, int64_t until)
{
	struct readiness readiness = {.program = program, .capacity = READINESS_FDS};
	int64_t ready;
	readiness.fds = readiness.few;
	do {
		program->task->object_count = 0;
		readiness.count = readiness.next = 0;
		readiness.polled = false;
		readiness.until = until;
		ready = look(&readiness, check, data);
		if (readiness.no_memory)
			ready = -ENOMEM;
		if (ready < 0 || (ready > 0 && readiness.count == 0))
			break;
		int64_t n = task_wait(program, readiness.fds, (int)readiness.count, ready ? 0 : readiness.until);
		if (n < 0) {
			ready = n;
			break;
		}
		readiness.polled = true;
		ready = look(&readiness, check, data);
	} while (ready == 0 && clock_now(CLOCK_MONOTONIC) < until);
	if (readiness.fds != readiness.few)
		free(readiness.fds);
	return ready;
}

struct one_file {
	struct file *file;
	short events;
};

static int64_t check_one(void *data, struct readiness *readiness)
{
	const struct one_file *one = data;
	return file_poll(one->file, one->events, readiness) != 0;
}

int64_t file_wait(struct program *program, struct file *file, short events, int64_t until)
{
	struct one_file one = {file, events};
	int64_t n = readiness_wait(program, check_one, &one, until);
	return n == 0 ? -EAGAIN : n > 0 ? 0 : n;
}

int64_t file_wait_unless_nonblocking(struct program *program, struct file *file, short events)
{
	return file_wait(program, file, events, file->flags & O_NONBLOCK ? 0 : INT64_MAX);
}

int64_t object_wait(struct program *program, const void *object, int64_t until)
{
	struct pollfd fds[1];
	int r = task_wait_for(program, object);
	if (r == 0)
		r = task_wait(program, fds, 0, until);
	return r < 0 ? r : -EAGAIN;
}

void file_changed(struct instance *instance, struct file *file)
{
	if (!file)
		return;
	file->changes++;
	task_wake(instance, file);
}
