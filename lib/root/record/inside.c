/* SPDX-License-Identifier: MIT */
#include "root/record/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"

int inside_enter(struct directory_cache *cache, const char *path, unsigned name)
{
	/* "/usr/lib" of "/usr/lib/x", "/" of "/usr". */
	size_t length = name > 1 ? name - 1 : 1;
	if (cache->fd >= 0 && cache->length == length && !memcmp(cache->path, path, length))
		return 0;
	inside_forget(cache);
	memcpy(cache->path, path, length);
	cache->path[length] = '\0';
	cache->length = length;
	int fd = cache->base < 0 ? open_without_links(cache->path, O_PATH | O_DIRECTORY)
				 : open_beneath(cache->base, length > 1 ? cache->path + 1 : ".", O_PATH | O_DIRECTORY,
						cache->one_mount);
	if (fd < 0)
		return fd;
	cache->fd = fd;
	return 0;
}

const char *inside_name(const char *path, unsigned name)
{
	return path[name] ? path + name : ".";
}

int inside_stat(struct directory_cache *cache, const char *path, unsigned name, struct stat *st)
{
	int r = inside_enter(cache, path, name);
	if (r < 0)
		return r;
	return fstatat(cache->fd, inside_name(path, name), st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int inside_open_file(int directory, const char *name, struct stat *st)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	_cleanup_close_ int found = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (found < 0 || fstat(found, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		/* Without /proc: as near as it goes. */
		fd = openat(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void inside_forget(struct directory_cache *cache)
{
	cache->fd = close_fd(cache->fd);
}

void inside_clear(struct directory_cache *cache)
{
	inside_forget(cache);
}
