/* SPDX-License-Identifier: MIT */
#include "root/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"

void source_init(struct source *source)
{
	*source = (struct source){.fd = -1};
}

void source_clear(struct source *source)
{
	source->fd = close_fd(source->fd);
	free(TAKE_PTR(source->path));
}

int source_open(const struct source *source, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

int source_stat(const struct source *source, const char *path, struct stat *st)
{
	return stat(path, st) < 0 ? -errno : 0;
}

int source_lstat(const struct source *source, const char *path, struct stat *st)
{
	return lstat(path, st) < 0 ? -errno : 0;
}

bool source_has_file(const struct source *source, const char *path)
{
	struct stat st;
	return source_stat(source, path, &st) == 0 && S_ISREG(st.st_mode);
}

bool source_has_directory(const struct source *source, const char *path)
{
	struct stat st;
	return source_stat(source, path, &st) == 0 && S_ISDIR(st.st_mode);
}

ssize_t source_readlink(const struct source *source, const char *path, char *text)
{
	ssize_t length = readlink(path, text, PATH_MAX);
	if (length < 0)
		return -errno;
	if (length == PATH_MAX)
		return -ENAMETOOLONG;
	text[length] = '\0';
	return length;
}

int source_realpath(const struct source *source, const char *path, char *out)
{
	return realpath(path, out) ? 0 : -errno;
}

int source_open_directory(const struct source *source, const char *path)
{
	return source_open(source, path, O_RDONLY | O_DIRECTORY);
}

char *source_read(const struct source *source, const char *path, size_t max)
{
	/* O_NONBLOCK: a FIFO in its place must not stop us. */
	_cleanup_close_ int fd = source_open(source, path, O_RDONLY | O_NONBLOCK);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)max)
		return NULL;
	_cleanup_free_ char *text = malloc(max + 1);
	size_t size = 0;
	ssize_t n;
	while (text && size < max && (n = read(fd, text + size, max - size)) > 0)
		size += (size_t)n;
	if (!text)
		return NULL;
	text[size] = '\0';
	return TAKE_PTR(text);
}
