/* SPDX-License-Identifier: MIT */
/* System calls that move bytes from one file to another. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "guest/program/calls.h"

enum { SEND_PIECE = 256 << 10 };

/* As the kernel's MAX_RW_COUNT: what one call moves at most. */
static const uint64_t transfer_max = 0x7ffff000;

/* Writes all of a host buffer; the number of bytes, or a negative errno where there were none. */
static int64_t write_all(struct program *program, struct file *file, uint8_t *data, size_t size, int64_t offset)
{
	size_t done = 0;
	while (done < size && !program->ended && (done == 0 || !kick_is_due(program->kick))) {
		struct iovec piece = {data + done, size - done};
		int64_t n =
			data_write(program, file, &piece, 1, piece.iov_len, offset < 0 ? -1 : offset + (int64_t)done);
		if (n <= 0)
			return done ? (int64_t)done : n;
		done += (size_t)n;
	}
	return (int64_t)done;
}

static int64_t send_pieces(struct program *program, struct file *in, struct file *out, int64_t offset,
			   int64_t out_offset, uint64_t size)
{
	_cleanup_free_ uint8_t *buffer = malloc(SEND_PIECE);
	if (!buffer)
		return -ENOMEM;
	int64_t total = 0;
	while ((uint64_t)total < size && !program->ended && (total == 0 || !kick_is_due(program->kick))) {
		uint64_t left = size - (uint64_t)total;
		struct iovec piece = {buffer, left < SEND_PIECE ? left : SEND_PIECE};
		int64_t got = data_read(program, in, &piece, 1, piece.iov_len, offset + total);
		if (got <= 0)
			return total ? total : got;
		int64_t n = write_all(program, out, buffer, (size_t)got, out_offset < 0 ? -1 : out_offset + total);
		if (n <= 0)
			return total ? total : n;
		total += n;
		if (n < got)
			break;
	}
	return total;
}

/* An offset that the program gives at an address, or without one where the file stands. */
static int64_t read_offset(struct program *program, struct file *file, uint64_t address, int64_t *out)
{
	if (address && space_read(program->space, out, address, sizeof(*out)) < 0)
		return -EFAULT;
	if (!address)
		*out = file->ops->seek(program, file, 0, SEEK_CUR);
	return *out < 0 || (uint64_t)*out > INT64_MAX - transfer_max ? -EINVAL : 0;
}

static int64_t write_offset(struct program *program, struct file *file, uint64_t address, int64_t offset)
{
	if (address)
		return space_write(program->space, address, &offset, sizeof(offset)) < 0 ? -EFAULT : 0;
	file->ops->seek(program, file, offset, SEEK_SET);
	return 0;
}

int64_t call_sendfile(struct program *program, const uint64_t args[6])
{
	struct file *out = program_file(program, (int)args[0]), *in = program_file(program, (int)args[1]);
	int64_t offset;
	if (!out || !in || !file_is_writable(out) || !file_is_readable(in))
		return -EBADF;
	if (!in->ops->contents)
		return -EINVAL;
	int64_t r = read_offset(program, in, args[2], &offset);
	if (r < 0)
		return r;
	int64_t n = send_pieces(program, in, out, offset, -1, args[3] < transfer_max ? args[3] : transfer_max);
	if (n <= 0)
		return n;
	r = write_offset(program, in, args[2], offset + n);
	return r < 0 ? r : n;
}

int64_t call_copy_file_range(struct program *program, const uint64_t args[6])
{
	struct file *in = program_file(program, (int)args[0]), *out = program_file(program, (int)args[2]);
	int64_t from, to;
	if (!out || !in || !file_is_writable(out) || !file_is_readable(in) || (out->flags & O_APPEND))
		return -EBADF;
	if (args[5] || !in->ops->contents || !out->ops->contents)
		return S_ISDIR(in->type) || S_ISDIR(out->type) ? -EISDIR : -EINVAL;
	int64_t r = read_offset(program, in, args[1], &from);
	if (r == 0)
		r = read_offset(program, out, args[3], &to);
	if (r < 0)
		return r;
	uint64_t size = args[4] < transfer_max ? args[4] : transfer_max;
	struct stat a, b;
	/* The same file must not overlap with itself. */
	if (file_status(in, &a) == 0 && file_status(out, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev &&
	    from < to + (int64_t)size && to < from + (int64_t)size)
		return -EINVAL;
	int64_t n = send_pieces(program, in, out, from, to, size);
	if (n <= 0)
		return n;
	r = write_offset(program, in, args[1], from + n);
	if (r == 0)
		r = write_offset(program, out, args[3], to + n);
	return r < 0 ? r : n;
}
