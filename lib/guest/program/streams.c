/* SPDX-License-Identifier: MIT */
/* The standard streams of a program in a guest, and what else is handed in. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "guest/program/program.h"
#include "guest/program/sockets/socket.h"

static int fail(int stream, const char *what)
{
	char object[32];
	snprintf(object, sizeof(object), "fd %d", stream);
	return error_fail(VISO_STAGE_STDIO, errno, object, "%s of the guest cannot be made from %s: %s", object, what,
			  strerrordesc_np(errno));
}

/* A pipe, or a terminal: but the master of a pseudo-terminal that is opened anew is another terminal (pts(4)). */
static bool can_open_anew(int fd, const struct stat *st)
{
	int number;
	return S_ISFIFO(st->st_mode) || (S_ISCHR(st->st_mode) && isatty(fd) && ioctl(fd, TIOCGPTN, &number) < 0);
}

/*
 * A stream over a host fd, which is taken over. What can be is opened anew without blocking: whether a fd blocks is a
 * matter of its open file, which here may be shared with the host program. Where that is refused, the stream is polled
 * and used in small pieces.
 */
static struct file *make_stream(struct program *program, int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &st) < 0) {
		close_fd(fd);
		return NULL;
	}
	/* As for jails and containers: a directory, or a fd that is only a place, is no stream. */
	if (S_ISDIR(st.st_mode) || (flags & O_PATH)) {
		close_fd(fd);
		errno = EISDIR;
		return NULL;
	}
	if (S_ISSOCK(st.st_mode)) {
		int error;
		struct file *socket = socket_from_host(program, fd, &error);
		errno = -error;
		return socket;
	}
	bool never_blocks = false;
	if (can_open_anew(fd, &st)) {
		char name[32];
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		int anew = fd_above_streams(open(name, (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
		if (anew >= 0) {
			close_fd(fd);
			fd = anew;
			never_blocks = true;
		}
	}
	struct file *file = file_new(FILE_STREAM, fd, flags & (O_ACCMODE | O_APPEND));
	if (!file) {
		close_fd(fd);
		return NULL;
	}
	file->type = st.st_mode & S_IFMT;
	file->never_blocks = never_blocks;
	return file;
}

static int open_copy(struct program *program, struct file **out, int stream, int fd, const char *what)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	*out = copy < 0 ? NULL : make_stream(program, copy);
	return *out ? 0 : fail(stream, what);
}

static int open_pipe(struct file **out, int stream, int *out_host)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(stream, "a pipe");
	for (int i = 0; i < 2; i++)
		ends[i] = fd_above_streams(ends[i]);
	if (ends[0] < 0 || ends[1] < 0) {
		int r = fail(stream, "a pipe");
		close_fd(ends[0]);
		close_fd(ends[1]);
		return r;
	}
	int own = stream == 0 ? ends[0] : ends[1];
	*out_host = stream == 0 ? ends[1] : ends[0];
	fcntl(own, F_SETFL, O_NONBLOCK);
	*out = file_new(FILE_STREAM, own, stream == 0 ? O_RDONLY : O_WRONLY);
	if (!*out) {
		close_fd(own);
		return error_memory();
	}
	(*out)->type = S_IFIFO;
	(*out)->never_blocks = true;
	return 0;
}

static int open_input(struct program *program, struct file **out, int fd)
{
	char name[32];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	int anew = fd_above_streams(open(name, O_RDONLY | O_CLOEXEC));
	*out = anew < 0 ? NULL : make_stream(program, anew);
	return *out ? 0 : fail(0, "the given input");
}

/* /dev/null. */
static const dev_t null_device = 1 << 8 | 3;

static int open_plain(struct file **out, enum file_kind kind)
{
	*out = file_new(kind, -1, O_RDWR);
	if (*out && kind == FILE_DEVICE)
		(*out)->rdev = null_device;
	return *out ? 0 : error_memory();
}

static int open_capture(struct program *program, struct file **out, int stream, size_t max)
{
	int r = open_plain(out, FILE_CAPTURE);
	if (r < 0)
		return r;
	(*out)->flags = O_WRONLY;
	(*out)->capture = &program->captured[stream - 1];
	(*out)->capture_max = max;
	return 0;
}

/* Where the host runs without this stream, so does the program. */
static int open_own(struct program *program, struct file **out, int stream)
{
	return fd_is_inheritable(stream) ? open_copy(program, out, stream, stream, "the host program's own")
					 : open_plain(out, FILE_DEVICE);
}

static void mark_standard(struct file *file, int stream)
{
	file->is_standard = true;
	file->stream = (uint8_t)stream;
}

int program_open_stream(struct program *program, int stream, struct file **out)
{
	int r = open_own(program, out, stream);
	if (r == 0)
		mark_standard(*out, stream);
	return r;
}

static int open_stream(struct program *program, const viso_command *command, int stream, struct file **out,
		       int *out_host)
{
	const struct stdio_setting *setting = &command->stdio[stream];
	switch (setting->kind) {
	case STDIO_NULL:
		return open_plain(out, FILE_DEVICE);
	case STDIO_PIPE:
		return open_pipe(out, stream, out_host);
	case STDIO_STDOUT:
		*out = file_ref(program_file(program, STDOUT_FILENO));
		return 0;
	case STDIO_FD:
		return open_copy(program, out, stream, setting->fd, "the given fd");
	case STDIO_INPUT:
		return open_input(program, out, setting->fd);
	case STDIO_CAPTURE:
		return open_capture(program, out, stream, setting->max);
	case STDIO_INHERIT:
	default:
		return open_own(program, out, stream);
	}
}

/* Gives a file its number. RLIMIT_NOFILE below it takes it away as little as execve(2) would. */
static int put_file(struct program *program, struct file *file, int number)
{
	rlim_t limit = program->limits[RLIMIT_NOFILE].rlim_cur;
	program->limits[RLIMIT_NOFILE].rlim_cur = PROGRAM_FILES_MAX;
	int r = program_add_file(program, file, number, false);
	program->limits[RLIMIT_NOFILE].rlim_cur = limit;
	return r < 0 ? error_memory() : 0;
}

/* What is handed in: read and written like a stream. */
static int open_added(struct program *program, const struct added_fd *added)
{
	struct file *file;
	int r = open_copy(program, &file, added->number, added->fd, "the given fd");
	return r < 0 ? r : put_file(program, file, added->number);
}

int program_open_streams(struct program *program, const viso_command *command, int out_host[3])
{
	int r = 0;
	for (int stream = 0; stream < 3; stream++) {
		struct file *file = NULL;
		r = open_stream(program, command, stream, &file, &out_host[stream]);
		if (r == 0 && file) {
			mark_standard(file, stream);
			r = put_file(program, file, stream);
		}
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < command->added_count && r == 0; i++)
		r = open_added(program, &command->added[i]);
	return r;
}
