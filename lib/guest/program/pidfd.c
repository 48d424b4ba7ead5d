/* SPDX-License-Identifier: MIT */
/* pidfd_open(2): a process by a fd, which never stands for another one that has got its number. */
#include "guest/program/pidfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/program/object.h"
#include "guest/program/processes.h"
#include "guest/program/readiness.h"

struct process_watch {
	int pid;
	uint64_t serial;
};

static struct program *find(struct instance *instance, const struct file *file)
{
	const struct process_watch *watch = file->object;
	struct program *program = process_find(instance, watch->pid);
	return program && program->serial == watch->serial ? program : NULL;
}

static short poll_process(struct file *file, short events, struct readiness *readiness)
{
	const struct program *program = find(readiness->program->instance, file);
	if (!program || program->ended)
		return events & (POLLIN | POLLRDNORM);
	readiness_object(readiness, program);
	return 0;
}

static int copy_watch(const struct file *file, struct file *copy, struct copies *copies)
{
	return file_copy_object(file, copy, sizeof(struct process_watch));
}

static const char *describe_watch(const struct file *file, struct object_state *out)
{
	const struct process_watch *watch = file->object;
	out->kind = OBJECT_PROCESS;
	out->values[0] = watch->pid;
	out->values[1] = (int64_t)watch->serial;
	return NULL;
}

static const struct file_ops ops = {
	.copy = copy_watch, .describe = describe_watch, .poll = poll_process, .release = file_free_object};

static int new_watch(const struct process_watch *watch, int flags, struct file **out)
{
	struct process_watch *object = malloc(sizeof(*object));
	*out = object ? file_new_object(&ops, object, 0, flags) : NULL;
	if (!*out) {
		free(object);
		return -ENOMEM;
	}
	*object = *watch;
	return 0;
}

int process_watch_revive(struct program *program, const struct object_state *state, int flags, struct file **out)
{
	const struct process_watch watch = {(int)state->values[0], (uint64_t)state->values[1]};
	return (flags & O_ACCMODE) == O_RDWR ? new_watch(&watch, flags, out) : -EINVAL;
}

int pidfd_find(struct program *program, int fd, struct program **out)
{
	const struct file *file = program_file(program, fd);
	if (!file || file->ops != &ops)
		return -EBADF;
	*out = find(program->instance, file);
	return *out ? 0 : -ESRCH;
}

int64_t call_pidfd_open(struct program *program, const uint64_t args[6])
{
	struct program *target = program_by_pid(program, (int)args[0]);
	if ((int)args[0] <= 0 || (args[1] & ~(uint64_t)O_NONBLOCK))
		return -EINVAL;
	if (!target)
		return program_find_task(program->instance, (int)args[0]) ? -EINVAL : -ESRCH;
	const struct process_watch watch = {target->pid, target->serial};
	struct file *file;
	int r = new_watch(&watch, O_RDWR | (int)args[1], &file);
	return r < 0 ? r : program_add_file(program, file, 0, true);
}
