/* SPDX-License-Identifier: MIT */
/* pipe(2): a channel of bytes between two files. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "guest/program/calls.h"
#include "guest/program/channel.h"
#include "guest/program/copies.h"
#include "guest/program/object.h"
#include "guest/program/pipe.h"
#include "guest/program/readiness.h"

static int64_t read_pipe(struct program *program, struct file *file, const struct iovec *pieces, int count, size_t size)
{
	for (;;) {
		int64_t n = channel_read(file->object, pieces, count, NULL);
		if (n != -EAGAIN)
			return n;
		int64_t r = file_wait_unless_nonblocking(program, file, POLLIN);
		if (r < 0)
			return r;
	}
}

static int64_t write_pipe(struct program *program, struct file *file, const struct iovec *pieces, int count,
			  size_t size)
{
	for (;;) {
		int64_t n = channel_write(file->object, pieces, count, size, NULL);
		if (n == -EPIPE)
			signal_send_self(program, SIGPIPE);
		if (n != -EAGAIN)
			return n;
		int64_t r = file_wait_unless_nonblocking(program, file, POLLOUT);
		if (r < 0)
			return r;
	}
}

static short poll_reader(struct file *file, short events, struct readiness *readiness)
{
	const struct channel *channel = file->object;
	readiness_object(readiness, file);
	short ready = channel->first ? events & (POLLIN | POLLRDNORM) : 0;
	return ready | (channel->writer ? 0 : POLLHUP);
}

static short poll_writer(struct file *file, short events, struct readiness *readiness)
{
	const struct channel *channel = file->object;
	readiness_object(readiness, file);
	short ready = channel_can_write(channel) ? events & (POLLOUT | POLLWRNORM) : 0;
	return ready | (channel->reader ? 0 : POLLERR);
}

static int64_t control_pipe(struct program *program, struct file *file, uint32_t request, uint64_t argument)
{
	int available = (int)channel_available(file->object);
	if (request != FIONREAD)
		return -ENOTTY;
	return space_write(program->space, argument, &available, sizeof(available));
}

static void release_reader(struct file *file)
{
	channel_close(file->object, true);
}

static void release_writer(struct file *file)
{
	channel_close(file->object, false);
}

static int copy_reader(const struct file *file, struct file *copy, struct copies *copies)
{
	struct channel *channel = copy_map_find(&copies->things, file->object);
	copy->object = channel;
	channel->reader = copy;
	return 0;
}

static int copy_writer(const struct file *file, struct file *copy, struct copies *copies)
{
	struct channel *channel = copy_map_find(&copies->things, file->object);
	copy->object = channel;
	channel->writer = copy;
	return 0;
}

static const char *describe_reader(const struct file *file, struct object_state *out)
{
	out->kind = OBJECT_PIPE;
	out->in = file->object;
	return NULL;
}

static const char *describe_writer(const struct file *file, struct object_state *out)
{
	out->kind = OBJECT_PIPE;
	out->out = file->object;
	return NULL;
}

static const struct file_ops reader_ops = {.read = read_pipe,
					   .poll = poll_reader,
					   .control = control_pipe,
					   .release = release_reader,
					   .copy = copy_reader,
					   .describe = describe_reader};
static const struct file_ops writer_ops = {.write = write_pipe,
					   .poll = poll_writer,
					   .control = control_pipe,
					   .release = release_writer,
					   .copy = copy_writer,
					   .describe = describe_writer};

static bool is_pipe(const struct file *file)
{
	return file->ops == &reader_ops || file->ops == &writer_ops;
}

/* Both ends; -ENOMEM, and then nothing is left. */
static int make_ends(struct program *program, int flags, struct file *out[2])
{
	struct channel *channel = channel_new(program->instance, false, CHANNEL_SIZE);
	if (!channel)
		return -ENOMEM;
	channel->reader = out[0] = file_new_object(&reader_ops, channel, S_IFIFO, O_RDONLY | flags);
	channel->writer = out[1] = file_new_object(&writer_ops, channel, S_IFIFO, O_WRONLY | flags);
	if (out[0] && out[1])
		return 0;
	if (out[0] || out[1])
		file_unref(out[0] ? out[0] : out[1]);
	else
		channel_close(channel, true);
	return -ENOMEM;
}

int pipe_revive(struct program *program, const struct object_state *state, int flags, struct file **out)
{
	struct channel *channel = state->in ? state->in : state->out;
	if (!channel || (state->in && state->out) || channel->keeps_messages ||
	    (state->in ? channel->reader : channel->writer) || (flags & O_ACCMODE) != (state->in ? O_RDONLY : O_WRONLY))
		return -EINVAL;
	struct file *file = file_new_object(state->in ? &reader_ops : &writer_ops, channel, S_IFIFO, flags);
	if (!file)
		return -ENOMEM;
	*(state->in ? &channel->reader : &channel->writer) = file;
	*out = file;
	return 0;
}

int64_t program_add_pair(struct program *program, struct file *files[2], uint64_t out, bool close_on_exec)
{
	int fds[2];
	fds[0] = program_add_file(program, files[0], 0, close_on_exec);
	if (fds[0] < 0) {
		file_unref(files[1]);
		return fds[0];
	}
	fds[1] = program_add_file(program, files[1], 0, close_on_exec);
	int64_t r = fds[1] < 0 ? fds[1] : space_write(program->space, out, fds, sizeof(fds));
	if (r < 0) {
		program_close(program, fds[0]);
		if (fds[1] >= 0)
			program_close(program, fds[1]);
	}
	return r;
}

static int64_t make_pipe(struct program *program, uint64_t out, int flags)
{
	struct file *ends[2];
	if (flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	int r = make_ends(program, flags & O_NONBLOCK, ends);
	return r < 0 ? r : program_add_pair(program, ends, out, flags & O_CLOEXEC);
}

int64_t call_pipe(struct program *program, const uint64_t args[6])
{
	return make_pipe(program, args[0], 0);
}

int64_t call_pipe2(struct program *program, const uint64_t args[6])
{
	return make_pipe(program, args[0], (int)args[1]);
}

/* Whether it works on two files is theirs to say: what cannot be spliced gives this, and programs read and write. */
int64_t call_splice(struct program *program, const uint64_t args[6])
{
	return program_file(program, (int)args[0]) ? -EINVAL : -EBADF;
}

int64_t pipe_size(struct file *file)
{
	return is_pipe(file) ? (int64_t)((struct channel *)file->object)->size : -EBADF;
}

int64_t pipe_set_size(struct file *file, uint64_t size)
{
	if (!is_pipe(file))
		return -EBADF;
	struct channel *channel = file->object;
	if (size > CHANNEL_SIZE_MAX)
		return (int)size < 0 ? -EINVAL : -EPERM;
	/* As the kernel: a power of two of pages. */
	size_t rounded = GUEST_PAGE;
	while (rounded < size)
		rounded *= 2;
	if (rounded < channel->queued)
		return -EBUSY;
	channel->size = rounded;
	file_changed(channel->instance, channel->writer);
	return (int64_t)rounded;
}
