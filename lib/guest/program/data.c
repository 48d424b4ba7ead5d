/* SPDX-License-Identifier: MIT */
/* System calls that move bytes: read, write and their kin. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/contact/stay.h"
#include "guest/files/mapped.h"
#include "guest/program/calls.h"

/* After so many bytes a long call looks whether the guest must end. */
enum { PIECES_MAX = 64, PARTS_MAX = 1024, SEND_PIECE = 256 << 10, ROUND_MAX = 4 << 20 };

/* As the kernel's MAX_RW_COUNT: what one call moves at most. */
static const uint64_t transfer_max = 0x7ffff000;

/* Waits until a stream is ready. 0, -EAGAIN where the program's fd is non-blocking, -EINTR where the guest must end. */
static int64_t wait_ready(struct program *program, struct file *file, short events)
{
	if (S_ISREG(file->type))
		return 0;
	struct pollfd fds[2] = {{.fd = file->fd, .events = events}};
	int64_t until = file->flags & O_NONBLOCK ? 0 : INT64_MAX;
	int64_t n = task_wait(program, fds, 1, until);
	if (n < 0)
		return n;
	return n == 0 ? -EAGAIN : 0;
}

/* As many of the pieces as have `max` bytes together; the last one is cut. Changes the array. */
static int limit_pieces(struct iovec *pieces, int count, size_t max)
{
	for (int i = 0; i < count; i++) {
		if (pieces[i].iov_len >= max) {
			pieces[i].iov_len = max;
			return i + 1;
		}
		max -= pieces[i].iov_len;
	}
	return count;
}

static int64_t read_stream(struct program *program, struct file *file, const struct iovec *pieces, int count)
{
	for (;;) {
		int64_t r = wait_ready(program, file, POLLIN);
		if (r < 0)
			return r;
		ssize_t n;
		if (S_ISSOCK(file->type)) {
			struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)count};
			n = recvmsg(file->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		} else {
			n = readv(file->fd, pieces, count);
		}
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			return n < 0 ? -errno : n;
	}
}

/* RLIMIT_FSIZE: how many bytes may still be written at `offset`, or with -1 where the file stands. */
static uint64_t file_size_left(struct program *program, struct file *file, int64_t offset)
{
	uint64_t limit = program->limits[RLIMIT_FSIZE].rlim_cur;
	if (limit == RLIM_INFINITY || !S_ISREG(file->type) || !file->ops->seek)
		return UINT64_MAX;
	struct stat st;
	int64_t at = offset < 0 ? file->ops->seek(program, file, 0, SEEK_CUR) : offset;
	if ((file->flags & O_APPEND) && file_status(file, &st) == 0)
		at = st.st_size;
	return at < 0 || (uint64_t)at >= limit ? 0 : limit - (uint64_t)at;
}

static int64_t broken_pipe(struct program *program)
{
	signal_send_self(program, SIGPIPE);
	return -EPIPE;
}

static int64_t write_stream(struct program *program, struct file *file, const struct iovec *whole, int count,
			    size_t size, int64_t offset)
{
	struct iovec pieces[PIECES_MAX];
	memcpy(pieces, whole, (size_t)count * sizeof(pieces[0]));
	/* Where only polling tells whether a write would block, it tells so for PIPE_BUF bytes. */
	if (!S_ISREG(file->type) && !S_ISSOCK(file->type) && !file->never_blocks && size > PIPE_BUF)
		count = limit_pieces(pieces, count, PIPE_BUF);
	for (;;) {
		int64_t r = wait_ready(program, file, POLLOUT);
		if (r < 0)
			return r;
		ssize_t n;
		if (S_ISSOCK(file->type)) {
			struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
			n = sendmsg(file->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		} else {
			n = offset < 0 ? writev(file->fd, pieces, count) : pwritev(file->fd, pieces, count, offset);
		}
		if (n < 0 && errno == EPIPE)
			return broken_pipe(program);
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			return n < 0 ? -errno : n;
	}
}

/* Grows the buffer by doubling, so that `more` bytes and a NUL fit. */
static int grow_capture(struct file *file, size_t more)
{
	size_t needed = file->capture->size + more + 1;
	if (needed <= file->capture_capacity)
		return 0;
	size_t capacity = needed < 4096 ? 4096 : 2 * needed;
	char *data = realloc(file->capture->data, capacity);
	if (!data)
		return -ENOMEM;
	file->capture->data = data;
	file->capture_capacity = capacity;
	return 0;
}

static int64_t capture(struct program *program, struct file *file, const struct iovec *pieces, int count, size_t size)
{
	struct captured_output *output = file->capture;
	for (int i = 0; i < count; i++) {
		size_t room = file->capture_max - output->size;
		size_t take = pieces[i].iov_len < room ? pieces[i].iov_len : room;
		if (take < pieces[i].iov_len)
			output->truncated = true;
		if (take == 0)
			continue;
		if (grow_capture(file, take) < 0)
			return -ENOMEM;
		memcpy(output->data + output->size, pieces[i].iov_base, take);
		output->size += take;
		output->data[output->size] = '\0';
	}
	return (int64_t)size;
}

void pieces_get(const struct iovec *pieces, int count, void *out, size_t size)
{
	for (size_t done = 0, i = 0; done < size && i < (size_t)count; done += pieces[i++].iov_len) {
		size_t step = pieces[i].iov_len < size - done ? pieces[i].iov_len : size - done;
		memcpy((uint8_t *)out + done, pieces[i].iov_base, step);
	}
}

int64_t pieces_put(const struct iovec *pieces, int count, const void *data, size_t size)
{
	for (size_t done = 0, i = 0; done < size && i < (size_t)count; done += pieces[i++].iov_len) {
		size_t step = pieces[i].iov_len < size - done ? pieces[i].iov_len : size - done;
		memcpy(pieces[i].iov_base, (const uint8_t *)data + done, step);
	}
	return (int64_t)size;
}

static int64_t read_stream_at(struct program *program, struct file *file, const struct iovec *pieces, int count,
			      size_t size, int64_t offset)
{
	if (offset < 0)
		return read_stream(program, file, pieces, count);
	ssize_t n = preadv(file->fd, pieces, count, offset);
	return n < 0 ? -errno : n;
}

static int64_t seek_stream(struct program *program, struct file *file, int64_t offset, int whence)
{
	off_t at = lseek(file->fd, (off_t)offset, whence);
	return at < 0 ? -errno : at;
}

static int resize_stream(struct program *program, struct file *file, uint64_t size)
{
	return ftruncate(file->fd, (off_t)size) < 0 ? -errno : 0;
}

const struct file_ops stream_ops = {
	.pread = read_stream_at,
	.pwrite = write_stream,
	.seek = seek_stream,
	.resize = resize_stream,
};

const struct file_ops capture_ops = {.write = capture};

/* Where a call begins that reads, or writes. */
static uint64_t start_of(struct program *program, struct file *file, int64_t offset, bool write)
{
	struct stat st;
	int64_t at = offset >= 0 ? offset : file->ops->seek(program, file, 0, SEEK_CUR);
	if (write && (file->flags & O_APPEND) && file_status(file, &st) == 0)
		at = st.st_size;
	return at < 0 ? 0 : (uint64_t)at;
}

static struct mapped_range begin_mapped(struct program *program, struct file *file, size_t size, int64_t offset,
					bool write)
{
	if (!program->view->mapped || !file->ops->put)
		return (struct mapped_range){0};
	return mapped_begin(file, start_of(program, file, offset, write), size);
}

int64_t data_read(struct program *program, struct file *file, const struct iovec *pieces, int count, size_t size,
		  int64_t offset)
{
	if (!file_is_readable(file))
		return -EBADF;
	begin_mapped(program, file, size, offset, false);
	if (file->ops->pread)
		return file->ops->pread(program, file, pieces, count, size, offset);
	return file->ops->read ? file->ops->read(program, file, pieces, count, size) : -EINVAL;
}

/* How many bytes may be written: -EDQUOT and -EFBIG where there are none. */
static int64_t bytes_left(struct program *program, struct file *file, int64_t offset)
{
	const struct file_counts *counts = &program->view->counts;
	uint64_t left = file_size_left(program, file, offset);
	if (left == 0) {
		signal_send_self(program, SIGXFSZ);
		return -EFBIG;
	}
	if (counts->written_max) {
		uint64_t more = counts->written < counts->written_max ? counts->written_max - counts->written : 0;
		left = more < left ? more : left;
	}
	return left == 0 ? -EDQUOT : left < INT64_MAX ? (int64_t)left : INT64_MAX;
}

int64_t data_write(struct program *program, struct file *file, const struct iovec *pieces, int count, size_t size,
		   int64_t offset)
{
	struct iovec limited[PIECES_MAX];
	if (!file_is_writable(file))
		return -EBADF;
	int64_t left = bytes_left(program, file, offset);
	if (left < 0)
		return left;
	if ((uint64_t)left < size) {
		memcpy(limited, pieces, (size_t)count * sizeof(limited[0]));
		count = limit_pieces(limited, count, (size_t)left);
		pieces = limited;
		size = (size_t)left;
	}
	const struct mapped_range range = begin_mapped(program, file, size, offset, true);
	int64_t n = -EINVAL;
	if (file->ops->pwrite)
		n = file->ops->pwrite(program, file, pieces, count, size, offset);
	else if (file->ops->write)
		n = file->ops->write(program, file, pieces, count, size);
	mapped_end(&range);
	if (n > 0)
		program->view->counts.written += (uint64_t)n;
	return n;
}

/* The guest's buffers of one call, and how far they have been used. */
struct cursor {
	struct iovec parts[PARTS_MAX]; /* iov_base is a guest address */
	int count;
	int index;
	size_t done; /* of parts[index] */
};

static bool at_end(struct cursor *cursor)
{
	while (cursor->index < cursor->count && cursor->done == cursor->parts[cursor->index].iov_len) {
		cursor->index++;
		cursor->done = 0;
	}
	return cursor->index == cursor->count;
}

static void advance(struct cursor *cursor, size_t size)
{
	while (size > 0 && !at_end(cursor)) {
		size_t left = cursor->parts[cursor->index].iov_len - cursor->done;
		size_t step = size < left ? size : left;
		cursor->done += step;
		size -= step;
	}
}

/* The host's pieces of the next bytes. Their number, or -EFAULT. */
static int next_pieces(struct program *program, const struct cursor *cursor, unsigned access, struct iovec *out,
		       size_t *out_size)
{
	int count = 0;
	size_t total = 0, done = cursor->done;
	for (int i = cursor->index; i < cursor->count && count < PIECES_MAX && total < ROUND_MAX; i++, done = 0) {
		size_t left = cursor->parts[i].iov_len - done, room = ROUND_MAX - total, size = 0;
		size_t wanted = left < room ? left : room;
		if (wanted == 0)
			continue;
		int n = space_pieces(program->space, (uintptr_t)cursor->parts[i].iov_base + done, wanted, access,
				     out + count, PIECES_MAX - count, &size);
		if (n < 0)
			break;
		count += n;
		total += size;
		if (size < wanted)
			break;
	}
	*out_size = total;
	return count ? count : -EFAULT;
}

/* A read of a stream gives what is there; everything else goes on until the buffers are full or the file is at its end.
 */
static bool goes_on(const struct file *file, bool write, size_t wanted, size_t moved)
{
	if (write)
		return S_ISREG(file->type) || !(file->flags & O_NONBLOCK);
	return moved == wanted && file->kind != FILE_OBJECT && (file->kind != FILE_STREAM || S_ISREG(file->type));
}

/* As on Linux, signals interrupt what waits, but not what is read from a file and written to it. */
static bool is_interrupted(const struct program *program, const struct file *file)
{
	return S_ISREG(file->type) ? kick_must_end(program->kick) : kick_is_due(program->kick);
}

static int64_t transfer(struct program *program, struct file *file, struct cursor *cursor, bool write, int64_t offset)
{
	if (file->kind == FILE_CONTACT)
		return write ? stay_write(program, cursor->parts, cursor->count)
			     : stay_read(program, cursor->parts, cursor->count);
	/* A write that has to wait for room goes on where it was. */
	int64_t total = program->task->progress;
	advance(cursor, (size_t)total);
	while (!at_end(cursor)) {
		struct iovec pieces[PIECES_MAX];
		size_t size;
		int count = next_pieces(program, cursor, write ? PROT_READ : PROT_WRITE, pieces, &size);
		if (count < 0)
			return total ? total : count;
		int64_t at = offset < 0 ? -1 : offset + total;
		int64_t n = write ? data_write(program, file, pieces, count, size, at)
				  : data_read(program, file, pieces, count, size, at);
		if (n == TASK_PARKED) {
			program->task->progress = total;
			return n;
		}
		if (n <= 0)
			return total ? total : n;
		total += n;
		advance(cursor, (size_t)n);
		if (!goes_on(file, write, size, (size_t)n) || program->ended || is_interrupted(program, file))
			break;
	}
	return total;
}

static int64_t transfer_one(struct program *program, const uint64_t *args, bool write, int64_t offset)
{
	struct file *file = program_file(program, (int)args[0]);
	if (!file || (write ? !file_is_writable(file) : !file_is_readable(file)))
		return -EBADF;
	if (!space_is_user(args[1], args[2]))
		return -EFAULT;
	struct cursor cursor;
	cursor.parts[0].iov_base = (void *)(uintptr_t)args[1];
	cursor.parts[0].iov_len = args[2] < transfer_max ? args[2] : transfer_max;
	cursor.count = 1;
	cursor.index = 0;
	cursor.done = 0;
	/* Where nothing is an answer as well. */
	if (args[2] == 0 && !(write && file->kind == FILE_CONTACT))
		return file->kind == FILE_DIRECTORY ? -EISDIR : 0;
	return transfer(program, file, &cursor, write, offset);
}

static int64_t transfer_list(struct program *program, const uint64_t *args, bool write, int64_t offset)
{
	struct file *file = program_file(program, (int)args[0]);
	if (!file || (write ? !file_is_writable(file) : !file_is_readable(file)))
		return -EBADF;
	if (args[2] > PARTS_MAX)
		return -EINVAL;
	struct cursor cursor;
	cursor.count = (int)args[2];
	cursor.index = 0;
	cursor.done = 0;
	if (space_read(program->space, cursor.parts, args[1], args[2] * sizeof(cursor.parts[0])) < 0)
		return -EFAULT;
	uint64_t total = 0;
	for (int i = 0; i < cursor.count; i++) {
		struct iovec *part = &cursor.parts[i];
		if (part->iov_len > INT64_MAX)
			return -EINVAL;
		if (!space_is_user((uintptr_t)part->iov_base, part->iov_len))
			return -EFAULT;
		if (part->iov_len > transfer_max - total)
			part->iov_len = transfer_max - total;
		total += part->iov_len;
	}
	return transfer(program, file, &cursor, write, offset);
}

int64_t call_read(struct program *program, const uint64_t args[6])
{
	return transfer_one(program, args, false, -1);
}

int64_t call_write(struct program *program, const uint64_t args[6])
{
	return transfer_one(program, args, true, -1);
}

int64_t call_readv(struct program *program, const uint64_t args[6])
{
	return transfer_list(program, args, false, -1);
}

int64_t call_writev(struct program *program, const uint64_t args[6])
{
	return transfer_list(program, args, true, -1);
}

/* Whether a file has offsets: 0 or a negative errno as of pread(2). */
static int check_offset(const struct file *file, uint64_t offset)
{
	if (!file)
		return -EBADF;
	if (offset > INT64_MAX - transfer_max)
		return -EINVAL;
	return file_is_seekable(file) ? 0 : -ESPIPE;
}

int64_t call_pread64(struct program *program, const uint64_t args[6])
{
	int r = check_offset(program_file(program, (int)args[0]), args[3]);
	return r < 0 ? r : transfer_one(program, args, false, (int64_t)args[3]);
}

int64_t call_preadv(struct program *program, const uint64_t args[6])
{
	int r = check_offset(program_file(program, (int)args[0]), args[3]);
	return r < 0 ? r : transfer_list(program, args, false, (int64_t)args[3]);
}

int64_t call_pwrite64(struct program *program, const uint64_t args[6])
{
	int r = check_offset(program_file(program, (int)args[0]), args[3]);
	return r < 0 ? r : transfer_one(program, args, true, (int64_t)args[3]);
}

int64_t call_pwritev(struct program *program, const uint64_t args[6])
{
	int r = check_offset(program_file(program, (int)args[0]), args[3]);
	return r < 0 ? r : transfer_list(program, args, true, (int64_t)args[3]);
}

/* preadv2(2), pwritev2(2): an offset of -1 is where the file stands. What the flags ask for beyond advice is not done.
 */
static int64_t transfer_flags(struct program *program, const uint64_t *args, bool write)
{
	if (args[5] & ~(uint64_t)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC))
		return -EOPNOTSUPP;
	if ((int64_t)args[3] == -1)
		return transfer_list(program, args, write, -1);
	return write ? call_pwritev(program, args) : call_preadv(program, args);
}

int64_t call_preadv2(struct program *program, const uint64_t args[6])
{
	return transfer_flags(program, args, false);
}

int64_t call_pwritev2(struct program *program, const uint64_t args[6])
{
	return transfer_flags(program, args, true);
}
