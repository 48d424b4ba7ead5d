/* SPDX-License-Identifier: MIT */
#include "root/build/copy.h"
#include "core/transfer.h"

#include <errno.h>
#include <linux/fs.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	BUFFER_SIZE = 256 << 10,
	/* So that cancelling is heard. */
	RANGE_MAX = 8 << 20,
	/* copy_file_range() saves a copy to user space, and costs more than that for a small file. */
	SMALL_FILE = 64 << 10,
};

/* Whether the call does not work between these two files, whatever is in them. */
static bool is_unsupported(int error)
{
	return error == EOPNOTSUPP || error == ENOTTY || error == EXDEV || error == EINVAL || error == ENOSYS ||
	       error == EPERM || error == EBADF || error == ETXTBSY;
}

int copy_clone(struct copier *copier, int source, int target, const struct stat *st)
{
	if (copier->has_clone_failed && copier->clone_device == st->st_dev)
		return 0;
	if (!ioctl(target, FICLONE, source))
		return 1;
	if (!is_unsupported(errno))
		return -errno;
	copier->has_clone_failed = true;
	copier->clone_device = st->st_dev;
	return 0;
}

/* Through user space, from the current offsets, `size` bytes or up to the end of the file. */
static int copy_by_buffer(struct copier *copier, int source, int target, off_t size, struct sha256_ctx *sum)
{
	if (!copier->buffer && !(copier->buffer = malloc(BUFFER_SIZE)))
		return -ENOMEM;
	while (size > 0) {
		ssize_t n = read(source, copier->buffer, size < BUFFER_SIZE ? (size_t)size : BUFFER_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		/* A file never says EAGAIN: this one waits for news, as /proc/kmsg does. */
		if (n < 0)
			return errno == EAGAIN ? -ENODATA : -errno;
		/* It was cut while we read. */
		if (n == 0)
			return 0;
		if (sum)
			sha256_update(sum, (size_t)n, (const unsigned char *)copier->buffer);
		int r = write_whole(target, copier->buffer, (size_t)n);
		if (r == 0)
			r = progress_add(copier->progress, (uint64_t)n);
		if (r < 0)
			return r;
		size -= n;
	}
	return 0;
}

/* From the current offsets. What is hashed goes through user space anyway. */
static int copy_bytes(struct copier *copier, int source, int target, off_t size, const struct stat *st,
		      struct sha256_ctx *sum)
{
	/* copy_file_range() shares blocks where it can: not what was asked for by BYTES. */
	bool by_range = !sum && size > SMALL_FILE && copier->method != VISO_COPY_BYTES &&
			!(copier->has_range_failed && copier->range_device == st->st_dev);
	while (by_range && size > 0) {
		size_t part = size < RANGE_MAX ? (size_t)size : RANGE_MAX;
		ssize_t n = copy_file_range(source, NULL, target, NULL, part, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !is_unsupported(errno))
			return -errno;
		if (n <= 0) {
			copier->has_range_failed = n < 0;
			copier->range_device = st->st_dev;
			break;
		}
		int r = progress_add(copier->progress, (uint64_t)n);
		if (r < 0)
			return r;
		size -= n;
	}
	return copy_by_buffer(copier, source, target, size, sum);
}

/* Only what has data. */
static int copy_sparse(struct copier *copier, int source, int target, const struct stat *st)
{
	for (off_t data, end = 0; end < st->st_size;) {
		data = lseek(source, end, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0 || data >= st->st_size)
			return data < 0 ? -errno : 0;
		end = lseek(source, data, SEEK_HOLE);
		if (end < 0 || lseek(source, data, SEEK_SET) < 0 || lseek(target, data, SEEK_SET) < 0)
			return -errno;
		if (end > st->st_size)
			end = st->st_size;
		int r = copy_bytes(copier, source, target, end - data, st, NULL);
		if (r < 0)
			return r;
	}
	return ftruncate(target, st->st_size) < 0 ? -errno : 0;
}

static int copy_dense(struct copier *copier, int source, int target, off_t size, const struct stat *st, char *sum)
{
	struct sha256_ctx context;
	unsigned char digest[SHA256_DIGEST_SIZE];
	sha256_init(&context);
	int r = copy_bytes(copier, source, target, size, st, sum ? &context : NULL);
	if (r < 0 || !sum)
		return r;
	sha256_digest(&context, sizeof(digest), digest);
	sum_print(digest, sum);
	return 0;
}

/* Whether it was written to since `st`. The time of change tells it where a writer sets the other one back. */
static bool has_changed(int fd, const struct stat *st)
{
	struct stat now;
	return fstat(fd, &now) < 0 || now.st_size != st->st_size || now.st_mtim.tv_sec != st->st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != st->st_mtim.tv_nsec || now.st_ctim.tv_sec != st->st_ctim.tv_sec ||
	       now.st_ctim.tv_nsec != st->st_ctim.tv_nsec;
}

int copy_contents(struct copier *copier, int source, int target, const struct stat *st, char *sum)
{
	/* Files of /proc and the like say 0 and have contents. They are read up to a bound, since some have no end.
	 * Their time is that of looking. */
	enum { UNKNOWN_SIZE = 16 << 20 };
	if (st->st_size == 0)
		return copy_dense(copier, source, target, UNKNOWN_SIZE, st, sum);
	int r = copier->method == VISO_COPY_BYTES ? 0 : copy_clone(copier, source, target, st);
	if (r == 0 && copier->method == VISO_COPY_REFLINK)
		return -EOPNOTSUPP;
	if (r == 1)
		r = progress_add(copier->progress, (uint64_t)st->st_size);
	else if (r == 0 && st->st_blocks >= st->st_size / 512) {
		r = copy_dense(copier, source, target, st->st_size, st, sum);
		return r == 0 && has_changed(source, st) ? -EAGAIN : r;
	} else if (r == 0)
		r = copy_sparse(copier, source, target, st);
	if (r >= 0 && sum)
		r = sum_any(source, st, copier->progress->cancelled, sum);
	return r == 0 && has_changed(source, st) ? -EAGAIN : r;
}

void copier_clear(struct copier *copier)
{
	free(copier->buffer);
	copier->buffer = NULL;
}
