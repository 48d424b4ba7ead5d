/* SPDX-License-Identifier: MIT */
/* /dev/null and the like. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysmacros.h>

#include "guest/program/file.h"

/* Documentation/admin-guide/devices.txt: memory devices. */
enum { MEMORY_MAJOR = 1, NULL_MINOR = 3, ZERO_MINOR = 5, FULL_MINOR = 7, RANDOM_MINOR = 8, URANDOM_MINOR = 9 };

/* Where the kernel has miscellaneous devices; a number that it gives to none. */
enum { CONTACT_MAJOR = 10, CONTACT_MINOR = 255 };

int device_kind(dev_t rdev)
{
	unsigned number = minor(rdev);
	if (major(rdev) == CONTACT_MAJOR && number == CONTACT_MINOR)
		return FILE_CONTACT;
	if (major(rdev) != MEMORY_MAJOR)
		return -1;
	bool is_served = number == NULL_MINOR || number == ZERO_MINOR || number == FULL_MINOR ||
			 number == RANDOM_MINOR || number == URANDOM_MINOR;
	return is_served ? FILE_DEVICE : -1;
}

static int64_t fill(const struct iovec *pieces, int count, size_t size, bool random)
{
	for (int i = 0; i < count; i++) {
		if (!random) {
			memset(pieces[i].iov_base, 0, pieces[i].iov_len);
			continue;
		}
		for (size_t done = 0; done < pieces[i].iov_len;) {
			ssize_t n = getrandom((uint8_t *)pieces[i].iov_base + done, pieces[i].iov_len - done, 0);
			if (n < 0 && errno != EINTR)
				return -errno;
			done += n > 0 ? (size_t)n : 0;
		}
	}
	return (int64_t)size;
}

static int64_t read_device(struct program *program, struct file *file, const struct iovec *pieces, int count,
			   size_t size, int64_t offset)
{
	unsigned number = minor(file->rdev);
	return number == NULL_MINOR ? 0 : fill(pieces, count, size, number >= RANDOM_MINOR);
}

static int64_t write_device(struct program *program, struct file *file, const struct iovec *pieces, int count,
			    size_t size, int64_t offset)
{
	return minor(file->rdev) == FULL_MINOR ? -ENOSPC : (int64_t)size;
}

static int64_t seek_device(struct program *program, struct file *file, int64_t offset, int whence)
{
	return 0;
}

static int device_status(struct file *file, struct stat *out)
{
	*out = (struct stat){
		.st_mode = S_IFCHR | 0666,
		.st_nlink = 1,
		.st_ino = 1 + minor(file->rdev),
		.st_rdev = file->rdev,
		.st_blksize = 4096,
	};
	return 0;
}

const struct file_ops device_ops = {
	.pread = read_device,
	.pwrite = write_device,
	.seek = seek_device,
	.status = device_status,
};
