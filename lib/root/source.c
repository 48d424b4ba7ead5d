/* SPDX-License-Identifier: MIT */
/* The host's own root is looked at by plain system calls, another tree by openat2(2) with RESOLVE_IN_ROOT. */
#include "root/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "root/failure.h"
#include "root/path.h"

/* As many as the kernel follows, see path_resolution(7). */
enum { LINKS_MAX = 40 };

static bool is_foreign(const struct source *source)
{
	return source->fd >= 0;
}

void source_init(struct source *source)
{
	*source = (struct source){.fd = -1};
}

void source_clear(struct source *source)
{
	source->fd = close_fd(source->fd);
	free(TAKE_PTR(source->path));
}

void source_forget(struct source *source)
{
	source->fd = -1;
	free(TAKE_PTR(source->path));
}

int source_set(struct source *source, const char *path)
{
	struct source other = {.fd = -1};
	if (path[strspn(path, "/")]) {
		other.fd = fd_above_streams(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
		if (other.fd < 0)
			return fail_path(errno, "use the tree", path);
		other.path = strdup(path);
		if (!other.path) {
			source_clear(&other);
			return error_memory();
		}
	}
	source_clear(source);
	*source = other;
	return 0;
}

int source_open(const struct source *source, const char *path, int flags)
{
	flags |= O_CLOEXEC | O_NOCTTY;
	if (is_foreign(source))
		return open_in_root(source->fd, path, flags, false);
	int fd = open(path, flags);
	return fd < 0 ? -errno : fd;
}

int source_open_without_links(const struct source *source, const char *path, int flags)
{
	if (is_foreign(source))
		return open_in_root(source->fd, path, flags | O_NOFOLLOW, true);
	return open_without_links(path, flags);
}

static int stat_foreign(const struct source *source, const char *path, int flags, struct stat *st)
{
	_cleanup_close_ int fd = open_in_root(source->fd, path, O_PATH | flags, false);
	if (fd < 0)
		return fd;
	return fstat(fd, st) < 0 ? -errno : 0;
}

/* Opening a device has an effect on it, and in somebody else's tree one can have any name. */
static int open_file_foreign(const struct source *source, const char *path, bool without_links, struct stat *st)
{
	int r = stat_foreign(source, path, without_links ? O_NOFOLLOW : 0, st);
	if (r < 0 || !S_ISREG(st->st_mode))
		return r < 0 ? r : -EINVAL;
	/* O_NONBLOCK: what became a FIFO must not stop us. */
	return open_in_root(source->fd, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, without_links);
}

static int check_regular(int file, struct stat *st)
{
	_cleanup_close_ int fd = file;
	if (fd < 0)
		return fd;
	if (fstat(fd, st) < 0)
		return -errno;
	return S_ISREG(st->st_mode) ? TAKE_FD(fd) : -EINVAL;
}

int source_open_regular(const struct source *source, const char *path, struct stat *out_stat)
{
	if (!is_foreign(source))
		return open_regular(path, out_stat);
	return check_regular(open_file_foreign(source, path, true, out_stat), out_stat);
}

int source_open_file(const struct source *source, const char *path, struct stat *out_stat)
{
	if (is_foreign(source))
		return check_regular(open_file_foreign(source, path, false, out_stat), out_stat);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -errno : check_regular(fd, out_stat);
}

int source_stat(const struct source *source, const char *path, struct stat *st)
{
	if (is_foreign(source))
		return stat_foreign(source, path, 0, st);
	return stat(path, st) < 0 ? -errno : 0;
}

int source_lstat(const struct source *source, const char *path, struct stat *st)
{
	if (is_foreign(source))
		return stat_foreign(source, path, O_NOFOLLOW, st);
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

static ssize_t readlink_foreign(const struct source *source, const char *path, char *text)
{
	_cleanup_close_ int fd = open_in_root(source->fd, path, O_PATH | O_NOFOLLOW, false);
	if (fd < 0)
		return fd;
	ssize_t length = readlinkat(fd, "", text, PATH_MAX);
	/* For what is no link, an empty path gives ENOENT (do_readlinkat() in fs/stat.c). */
	return length >= 0 ? length : errno == ENOENT ? -EINVAL : -errno;
}

ssize_t source_readlink(const struct source *source, const char *path, char *text)
{
	ssize_t length = is_foreign(source) ? readlink_foreign(source, path, text) : readlink(path, text, PATH_MAX);
	if (length < 0)
		return is_foreign(source) ? length : -errno;
	if (length == PATH_MAX)
		return -ENAMETOOLONG;
	text[length] = '\0';
	return length;
}

/* realpath(3) within the tree. What it says may be out of date at once; whoever opens the result follows no link. */
static int realpath_foreign(const struct source *source, const char *path, char *out)
{
	struct path_walk walk;
	char text[PATH_MAX];
	int r = path[0] == '/' ? path_walk_begin(&walk, path) : -EINVAL;
	out[0] = '\0';
	for (int links = 0; r >= 0 && path_walk_next(&walk);) {
		if (path_walk_is_dot_dot(&walk)) {
			path_pop(out);
			continue;
		}
		r = path_push(out, walk.component, walk.length);
		if (r < 0)
			break;
		ssize_t length = readlink_foreign(source, out, text);
		if (length == -EINVAL)
			continue;
		if (length < 0)
			return (int)length;
		if (length == sizeof(text))
			return -ENAMETOOLONG;
		text[length] = '\0';
		if (++links > LINKS_MAX)
			return -ELOOP;
		path_pop(out);
		if (text[0] == '/')
			out[0] = '\0';
		r = path_walk_insert(&walk, text);
	}
	if (r >= 0 && !out[0])
		strcpy(out, "/");
	return r;
}

int source_realpath(const struct source *source, const char *path, char *out)
{
	if (is_foreign(source))
		return realpath_foreign(source, path, out);
	return realpath(path, out) ? 0 : -errno;
}

int source_open_directory(const struct source *source, const char *path)
{
	return source_open(source, path, O_RDONLY | O_DIRECTORY);
}

char *source_read(const struct source *source, const char *path, size_t max)
{
	size_t size;
	return source_read_sized(source, path, max, &size);
}

char *source_read_sized(const struct source *source, const char *path, size_t max, size_t *out_size)
{
	struct stat st;
	_cleanup_close_ int fd = source_open_file(source, path, &st);
	if (fd < 0 || st.st_size > (off_t)max)
		return NULL;
	_cleanup_free_ char *text = malloc((size_t)st.st_size + 1);
	size_t size = 0;
	ssize_t n;
	while (text && size < (size_t)st.st_size && (n = read(fd, text + size, (size_t)st.st_size - size)) > 0)
		size += (size_t)n;
	if (!text)
		return NULL;
	text[size] = '\0';
	*out_size = size;
	return TAKE_PTR(text);
}
