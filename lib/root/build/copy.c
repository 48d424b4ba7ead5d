/* SPDX-License-Identifier: MIT */
#include "root/build/copy.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	BUFFER_SIZE = 256 << 10,
	/* copy_file_range() saves a copy to user space, and costs more than that for a small file. */
	SMALL_FILE = 64 << 10,
};

int copy_data(int fd, const void *data, size_t size)
{
	const char *rest = data;
	while (size) {
		ssize_t n = write(fd, rest, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		rest += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Whether the call does not work between these two files, whatever is in them. */
static bool is_unsupported(int error)
{
	return error == EOPNOTSUPP || error == ENOTTY || error == EXDEV || error == EINVAL || error == ENOSYS ||
	       error == EPERM || error == EBADF || error == ETXTBSY;
}

/* 1 done, 0 not possible, or a negative errno. */
static int clone(struct copier *copier, int source, int target, const struct stat *st)
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
static int copy_by_buffer(struct copier *copier, int source, int target, off_t size)
{
	if (!copier->buffer && !(copier->buffer = malloc(BUFFER_SIZE)))
		return -ENOMEM;
	while (size > 0) {
		ssize_t n = read(source, copier->buffer, size < BUFFER_SIZE ? (size_t)size : BUFFER_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		/* It was cut while we read. */
		if (n == 0)
			return 0;
		int r = copy_data(target, copier->buffer, (size_t)n);
		if (r < 0)
			return r;
		size -= n;
	}
	return 0;
}

/* From the current offsets. */
static int copy_bytes(struct copier *copier, int source, int target, off_t size, const struct stat *st)
{
	bool by_range = size > SMALL_FILE && !(copier->has_range_failed && copier->range_device == st->st_dev);
	while (by_range && size > 0) {
		ssize_t n = copy_file_range(source, NULL, target, NULL, (size_t)size, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !is_unsupported(errno))
			return -errno;
		if (n <= 0) {
			copier->has_range_failed = n < 0;
			copier->range_device = st->st_dev;
			break;
		}
		size -= n;
	}
	return copy_by_buffer(copier, source, target, size);
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
		int r = copy_bytes(copier, source, target, end - data, st);
		if (r < 0)
			return r;
	}
	return ftruncate(target, st->st_size) < 0 ? -errno : 0;
}

int copy_contents(struct copier *copier, int source, int target, const struct stat *st)
{
	/* Files of /proc and the like say 0 and have contents. They are read up to a bound, since some have no end. */
	enum { UNKNOWN_SIZE = 16 << 20 };
	if (st->st_size == 0)
		return copy_by_buffer(copier, source, target, UNKNOWN_SIZE);
	int r = clone(copier, source, target, st);
	if (r != 0)
		return r < 0 ? r : 0;
	if (st->st_blocks < st->st_size / 512)
		return copy_sparse(copier, source, target, st);
	return copy_bytes(copier, source, target, st->st_size, st);
}

void copier_clear(struct copier *copier)
{
	free(copier->buffer);
	*copier = (struct copier){0};
}
