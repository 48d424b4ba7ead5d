/* SPDX-License-Identifier: MIT */
#include "guest/program/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"

struct file *file_new(enum file_kind kind, int fd, int flags)
{
	struct file *file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	static const mode_t types[] = {
		[FILE_REGULAR] = S_IFREG, [FILE_DIRECTORY] = S_IFDIR, [FILE_STREAM] = S_IFIFO,
		[FILE_NULL] = S_IFCHR,    [FILE_ZERO] = S_IFCHR,      [FILE_FULL] = S_IFCHR,
		[FILE_RANDOM] = S_IFCHR,  [FILE_CAPTURE] = S_IFIFO,   [FILE_CONTACT] = S_IFCHR,
	};
	*file = (struct file){.references = 1, .kind = kind, .fd = fd, .flags = flags};
	if (kind != FILE_PATH)
		file->type = types[kind];
	return file;
}

struct file *file_ref(struct file *file)
{
	if (file)
		file->references++;
	return file;
}

struct file *file_unref(struct file *file)
{
	if (file && --file->references == 0) {
		close_fd(file->fd);
		if (file->quota)
			--*file->quota;
		free(file->path);
		free(file);
	}
	return NULL;
}

/* The same file with a fd of its own, counted nowhere. */
static int copy_plain(const struct file *file, int fd, struct file **out)
{
	struct file *copy = calloc(1, sizeof(*copy));
	char *path = file->path ? strdup(file->path) : NULL;
	if (!copy || (file->path && !path)) {
		free(copy);
		free(path);
		close_fd(fd);
		return -ENOMEM;
	}
	*copy = *file;
	copy->references = 1;
	copy->fd = fd;
	copy->quota = NULL;
	copy->path = path;
	*out = copy;
	return 0;
}

int file_copy_mapped(struct file *file, struct file **out)
{
	int fd = file->fd < 0 ? -1 : fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
	if (file->fd >= 0 && fd < 0)
		return -errno;
	return copy_plain(file, fd, out);
}

/* An open file of its own, which stands where the other does: two of them must not move each other's position. */
static int open_anew(const struct file *file)
{
	char name[32];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", file->fd);
	_cleanup_close_ int fd = open(name, (file->flags & O_ACCMODE) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	off_t at = lseek(file->fd, 0, SEEK_CUR);
	if (at > 0 && lseek(fd, at, SEEK_SET) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int file_copy(struct file *file, struct file **out)
{
	/* Pipes of the program's own would carry bytes from one clone to another. */
	if (file->kind == FILE_STREAM && file->quota)
		return -EOPNOTSUPP;
	int fd = -1;
	if (file->kind == FILE_REGULAR || file->kind == FILE_DIRECTORY)
		fd = open_anew(file);
	else if (file->fd >= 0)
		fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0 && file->fd >= 0)
		return fd == -1 ? -errno : fd;
	return copy_plain(file, fd, out);
}

ssize_t file_read_at(struct file *file, void *out, size_t size, uint64_t offset)
{
	size_t done = 0;
	while (done < size) {
		ssize_t n = pread(file->fd, (uint8_t *)out + done, size - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && done == 0)
			return -errno;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}
