/* SPDX-License-Identifier: MIT */
#include "core/transfer.h"

#include <errno.h>
#include <unistd.h>

/* At the file's own position where the offset is negative. */
static const off_t own_position = -1;

static ssize_t read_at(int fd, char *data, size_t size, off_t offset)
{
	size_t done = 0;
	while (done < size) {
		ssize_t n = offset < 0 ? read(fd, data + done, size - done)
				       : pread(fd, data + done, size - done, offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int write_at(int fd, const char *data, size_t size, off_t offset)
{
	size_t done = 0;
	while (done < size) {
		ssize_t n = offset < 0 ? write(fd, data + done, size - done)
				       : pwrite(fd, data + done, size - done, offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

ssize_t read_whole(int fd, void *data, size_t size)
{
	return read_at(fd, data, size, own_position);
}

ssize_t read_whole_at(int fd, void *data, size_t size, off_t offset)
{
	return offset < 0 ? -EINVAL : read_at(fd, data, size, offset);
}

int write_whole(int fd, const void *data, size_t size)
{
	return write_at(fd, data, size, own_position);
}

int write_whole_at(int fd, const void *data, size_t size, off_t offset)
{
	return offset < 0 ? -EINVAL : write_at(fd, data, size, offset);
}
