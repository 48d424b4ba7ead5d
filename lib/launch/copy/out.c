/* SPDX-License-Identifier: MIT */
/*
 * Collecting what programs of a sandbox made. They are hostile, and at work while we look: every entry is taken by an
 * O_PATH fd, looked at, and then opened by that fd, so that what was looked at is what is read; no link is followed,
 * and nothing is opened but regular files and directories, so that no FIFO, device or lease can keep us.
 *
 * The copy is made in a directory that nobody else can enter, beside its destination, and renamed when it is whole. A
 * file with several names is copied once: a thousand hard links to a large file are one large file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/transfer.h"
#include "launch/copy/copy.h"
#include "launch/copy/entry.h"
#include "launch/copy/workshop.h"
#include "sandbox/sandbox.h"

enum { BUFFER_SIZE = 256 << 10 };

struct collection {
	int links; /* directory of the files that have several names, by device and inode */
	char *buffer;
	int entries;
	int left_out;
	int depth;
	uint64_t file_max; /* RLIMIT_FSIZE: beyond it the kernel would send the host program a signal */
};

static int copy_entry(struct collection *copy, int from, const char *name, int to, const char *new_name);

/* The same inode again, for reading. O_NONBLOCK for a lease that somebody has on it (fcntl(2), F_SETLEASE). */
static int open_found(int found, int flags)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
	int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | flags);
	return fd < 0 ? -errno : fd;
}

/* No more than the size that was looked at, whatever is appended meanwhile. */
static int copy_range(struct collection *copy, int source, int target, off_t offset, off_t end)
{
	while (offset < end) {
		size_t part = end - offset < BUFFER_SIZE ? (size_t)(end - offset) : BUFFER_SIZE;
		ssize_t n = pread(source, copy->buffer, part, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		int r = write_whole_at(target, copy->buffer, (size_t)n, offset);
		if (r < 0)
			return r;
		offset += n;
	}
	return 0;
}

/* Only what has data: a sparse file stays one. */
static int copy_data(struct collection *copy, int source, int target, off_t size)
{
	for (off_t data, end = 0; end < size;) {
		data = lseek(source, end, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0 && errno == EINVAL) {
			data = end;
			end = size;
		} else if (data < 0 || (end = lseek(source, data, SEEK_HOLE)) < 0) {
			return -errno;
		}
		int r = copy_range(copy, source, target, data, end < size ? end : size);
		if (r < 0)
			return r;
	}
	return ftruncate(target, size) < 0 ? -errno : 0;
}

/* Owner and group are ours, as the kernel gives them. */
static int set_attributes(int fd, const struct stat *st)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};
	if (fchmod(fd, st->st_mode & 0777) < 0)
		return -errno;
	futimens(fd, times);
	return 0;
}

static int copy_file(struct collection *copy, int found, const struct stat *st, int to, const char *name)
{
	if ((uint64_t)st->st_size > copy->file_max)
		return -EFBIG;
	_cleanup_close_ int source = open_found(found, 0);
	if (source == -EAGAIN) {
		copy->left_out++;
		return 0;
	}
	if (source < 0)
		return source;
	_cleanup_close_ int target = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (target < 0)
		return -errno;
	int r = copy_data(copy, source, target, st->st_size);
	return r < 0 ? r : set_attributes(target, st);
}

static int copy_file_once(struct collection *copy, int found, const struct stat *st, int to, const char *name)
{
	char key[64];
	if (st->st_nlink < 2)
		return copy_file(copy, found, st, to, name);
	snprintf(key, sizeof(key), "%" PRIxMAX "-%" PRIxMAX, (uintmax_t)st->st_dev, (uintmax_t)st->st_ino);
	if (linkat(copy->links, key, to, name, 0) == 0)
		return 0;
	/* EMLINK: as many names as this file system can give; then there is another copy. */
	if (errno == EMLINK && unlinkat(copy->links, key, 0) < 0)
		return -errno;
	int left_out = copy->left_out;
	int r = copy_file(copy, found, st, copy->links, key);
	if (r < 0 || copy->left_out > left_out)
		return r;
	return linkat(copy->links, key, to, name, 0) < 0 ? -errno : 0;
}

static int copy_link(struct collection *copy, int found, int to, const char *name)
{
	ssize_t length = readlinkat(found, "", copy->buffer, BUFFER_SIZE - 1);
	if (length < 0)
		return -errno;
	copy->buffer[length] = '\0';
	return symlinkat(copy->buffer, to, name) < 0 ? -errno : 0;
}

static int copy_entries(struct collection *copy, DIR *directory, int to)
{
	int r = 0;
	errno = 0;
	for (struct dirent *entry; r == 0 && (entry = readdir(directory));) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			r = copy_entry(copy, dirfd(directory), entry->d_name, to, entry->d_name);
		/* What is renamed to and fro meanwhile may be listed twice: the first one counts. */
		if (r == -EEXIST)
			r = 0;
		errno = 0;
	}
	return r < 0 ? r : -errno;
}

static int copy_directory(struct collection *copy, int found, const struct stat *st, int to, const char *name)
{
	int source = open_found(found, O_DIRECTORY);
	if (source < 0)
		return source;
	DIR *directory = fdopendir(source);
	if (!directory) {
		close_fd(source);
		return -ENOMEM;
	}
	_cleanup_close_ int target = -1;
	int r = mkdirat(to, name, 0700) < 0 ? -errno : 0;
	if (r == 0 && (target = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		r = -errno;
	if (r == 0)
		r = copy_entries(copy, directory, target);
	closedir(directory);
	return r < 0 ? r : set_attributes(target, st);
}

static int copy_found(struct collection *copy, int found, int to, const char *name)
{
	struct stat st;
	if (fstat(found, &st) < 0)
		return -errno;
	if (++copy->entries > COPY_ENTRIES_MAX || copy->depth > COPY_DEPTH_MAX)
		return -EFBIG;
	if (S_ISLNK(st.st_mode) && !entry_is_made_up(found))
		return copy_link(copy, found, to, name);
	if ((!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) || entry_is_made_up(found)) {
		copy->left_out++;
		return 0;
	}
	if (S_ISREG(st.st_mode))
		return copy_file_once(copy, found, &st, to, name);
	copy->depth++;
	int r = copy_directory(copy, found, &st, to, name);
	copy->depth--;
	return r;
}

static int copy_entry(struct collection *copy, int from, const char *name, int to, const char *new_name)
{
	_cleanup_close_ int found = openat(from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	/* It has just gone. */
	if (found < 0)
		return errno == ENOENT ? 0 : -errno;
	return copy_found(copy, found, to, new_name);
}

static int fail_copy(int error, const char *path)
{
	if (error == -EFBIG)
		return error_fail(VISO_STAGE_ROOT, EFBIG, path,
				  "%s has more than %d entries, is deeper than %d directories, or has a file beyond "
				  "RLIMIT_FSIZE",
				  path, COPY_ENTRIES_MAX, COPY_DEPTH_MAX);
	return error_fail(VISO_STAGE_ROOT, -error, path, "%s cannot be copied: %s", path, strerrordesc_np(-error));
}

static int collect(struct workshop *workshop, int found, struct collection *copy)
{
	struct rlimit limit;
	copy->file_max = getrlimit(RLIMIT_FSIZE, &limit) < 0 ? RLIM_INFINITY : limit.rlim_cur;
	copy->buffer = malloc(BUFFER_SIZE);
	copy->links = -1;
	if (!copy->buffer)
		return -ENOMEM;
	int r = mkdirat(workshop->fd, "links", 0700) < 0 ? -errno : 0;
	if (r == 0 && (copy->links = openat(workshop->fd, "links", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		r = -errno;
	if (r == 0)
		r = copy_found(copy, found, workshop->fd, "copy");
	close_fd(copy->links);
	free(copy->buffer);
	return r;
}

int copy_out(viso_sandbox *sandbox, const char *path, const char *destination)
{
	int root = -1;
	_cleanup_(workshop_close) struct workshop workshop = workshop_none;
	struct collection copy = {0};
	int r = sandbox->backend->root(sandbox, &root);
	if (r < 0)
		return error_argument("viso_sandbox_copy_out", "the instance has just ended");
	_cleanup_close_ int found = open_in_root(root, path, O_PATH | O_NOFOLLOW, false);
	if (found < 0)
		return fail_copy(found, path);
	r = workshop_open(&workshop, destination);
	if (r == 0 && (r = collect(&workshop, found, &copy)) < 0)
		r = fail_copy(r, path);
	if (r == 0)
		r = workshop_finish(&workshop, destination);
	return r < 0 ? r : copy.left_out;
}
