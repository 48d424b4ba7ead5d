/* SPDX-License-Identifier: MIT */
/* signalfd(2): whoever reads or polls one looks at the signals of its own. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#include "guest/program/calls.h"
#include "guest/program/object.h"
#include "guest/program/readiness.h"

struct signal_watch {
	uint64_t set;
};

static struct signalfd_siginfo convert(const siginfo_t *info)
{
	struct signalfd_siginfo out = {
		.ssi_signo = (uint32_t)info->si_signo,
		.ssi_errno = info->si_errno,
		.ssi_code = info->si_code,
	};
	if (info->si_code == SI_TIMER) {
		out.ssi_tid = (uint32_t)info->si_timerid;
		out.ssi_overrun = (uint32_t)info->si_overrun;
	} else {
		out.ssi_pid = (uint32_t)info->si_pid;
		out.ssi_uid = info->si_uid;
	}
	if (info->si_signo == SIGCHLD && info->si_code > 0) {
		out.ssi_status = info->si_status;
	} else {
		out.ssi_int = info->si_value.sival_int;
		out.ssi_ptr = (uintptr_t)info->si_value.sival_ptr;
	}
	return out;
}

/* As many as are pending and fit. */
static size_t take_all(struct program *program, uint64_t set, struct signalfd_siginfo *out, size_t max)
{
	struct process_signals *process = &program->signals;
	siginfo_t info;
	size_t count = 0;
	while (count < max && (queue_take(&program->task->signals.pending, set, &info, &process->budget) ||
			       queue_take(&process->pending, set, &info, &process->budget))) {
		if (info.si_code == SI_TIMER)
			timers_taken(&process->timers, &info);
		out[count++] = convert(&info);
	}
	return count;
}

static int64_t read_signals(struct program *program, struct file *file, const struct iovec *pieces, int count,
			    size_t size)
{
	enum { AT_ONCE = 16 };
	const struct signal_watch *watch = file->object;
	struct signalfd_siginfo taken[AT_ONCE];
	size_t max = size / sizeof(taken[0]);
	if (max == 0)
		return -EINVAL;
	int64_t r = file_wait_unless_nonblocking(program, file, POLLIN);
	if (r < 0)
		return r;
	size_t n = take_all(program, watch->set, taken, max < AT_ONCE ? max : AT_ONCE);
	return pieces_put(pieces, count, taken, n * sizeof(taken[0]));
}

static short poll_signals(struct file *file, short events, struct readiness *readiness)
{
	const struct signal_watch *watch = file->object;
	struct program *program = readiness->program;
	readiness_object(readiness, &program->signals);
	uint64_t pending = program->task->signals.pending.set | program->signals.pending.set;
	return pending & watch->set ? events & (POLLIN | POLLRDNORM) : 0;
}

static int copy_watch(const struct file *file, struct file *copy, struct copies *copies)
{
	return file_copy_object(file, copy, sizeof(struct signal_watch));
}

static const char *describe_watch(const struct file *file, struct object_state *out)
{
	const struct signal_watch *watch = file->object;
	out->kind = OBJECT_SIGNALS;
	out->values[0] = (int64_t)watch->set;
	return NULL;
}

static const struct file_ops ops = {
	.copy = copy_watch,
	.describe = describe_watch,
	.read = read_signals,
	.poll = poll_signals,
	.release = file_free_object,
};

static int new_watch(const struct signal_watch *watch, int flags, struct file **out)
{
	struct signal_watch *object = malloc(sizeof(*object));
	*out = object ? file_new_object(&ops, object, 0, flags) : NULL;
	if (!*out) {
		free(object);
		return -ENOMEM;
	}
	*object = *watch;
	return 0;
}

int signals_revive(struct program *program, const struct object_state *state, int flags, struct file **out)
{
	const struct signal_watch watch = {(uint64_t)state->values[0] & ~SIGNALS_FIXED};
	return (flags & O_ACCMODE) == O_RDWR ? new_watch(&watch, flags, out) : -EINVAL;
}

static int64_t watch_signals(struct program *program, int fd, const uint64_t *args, int flags)
{
	uint64_t set;
	if (args[1] != sizeof(set) || (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)))
		return -EINVAL;
	if (space_read(program->space, &set, args[0], sizeof(set)) < 0)
		return -EFAULT;
	const struct signal_watch watch = {set & ~SIGNALS_FIXED};
	struct file *file = fd == -1 ? NULL : program_file(program, fd);
	if (fd != -1) {
		if (!file || file->ops != &ops)
			return file ? -EINVAL : -EBADF;
		*(struct signal_watch *)file->object = watch;
		return fd;
	}
	int r = new_watch(&watch, O_RDWR | (flags & O_NONBLOCK), &file);
	return r < 0 ? r : program_add_file(program, file, 0, flags & SFD_CLOEXEC);
}

int64_t call_signalfd(struct program *program, const uint64_t args[6])
{
	return watch_signals(program, (int)args[0], args + 1, 0);
}

int64_t call_signalfd4(struct program *program, const uint64_t args[6])
{
	return watch_signals(program, (int)args[0], args + 1, (int)args[3]);
}
