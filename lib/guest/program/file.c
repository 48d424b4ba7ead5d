/* SPDX-License-Identifier: MIT */
#include "guest/program/file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/program/events/epoll.h"

struct file *file_new(enum file_kind kind, int fd, int flags)
{
	struct file *file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	static const mode_t types[] = {
		[FILE_REGULAR] = S_IFREG, [FILE_DIRECTORY] = S_IFDIR, [FILE_STREAM] = S_IFIFO,
		[FILE_NULL] = S_IFCHR,    [FILE_ZERO] = S_IFCHR,      [FILE_FULL] = S_IFCHR,
		[FILE_RANDOM] = S_IFCHR,  [FILE_CAPTURE] = S_IFIFO,   [FILE_CONTACT] = S_IFCHR,
		[FILE_OBJECT] = 0,
	};
	*file = (struct file){.references = 1, .kind = kind, .fd = fd, .flags = flags};
	if (kind != FILE_PATH)
		file->type = types[kind];
	return file;
}

struct file *file_new_object(const struct file_ops *ops, void *object, mode_t type, int flags)
{
	struct file *file = file_new(FILE_OBJECT, -1, flags);
	if (file) {
		file->type = type;
		file->ops = ops;
		file->object = object;
	}
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
		epoll_forget(file);
		if (file->ops)
			file->ops->release(file);
		close_fd(file->fd);
		if (file->quota)
			--*file->quota;
		free(file->path);
		free(file);
	}
	return NULL;
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
