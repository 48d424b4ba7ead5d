/* SPDX-License-Identifier: MIT */
/* pidfd_open(2): a process by a fd, which never stands for another one that has got its number. */
#include "guest/program/pidfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "guest/instance.h"
#include "guest/program/calls.h"
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

static const struct file_ops ops = {.copy = copy_watch, .poll = poll_process, .release = file_free_object};

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
	struct process_watch *watch = malloc(sizeof(*watch));
	struct file *file = watch ? file_new_object(&ops, watch, 0, O_RDWR | (int)args[1]) : NULL;
	if (!file) {
		free(watch);
		return -ENOMEM;
	}
	*watch = (struct process_watch){target->pid, target->serial};
	return program_add_file(program, file, 0, true);
}
