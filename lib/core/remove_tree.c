/* SPDX-License-Identifier: MIT */
/*
 * A directory that is not empty is moved up into the top directory before its turn comes. So no path is longer than two
 * components, however deep the tree is; two fds and no stack are enough; and `..` is never followed, which could lead
 * out of a tree that somebody is moving about. This file needs nothing of the library but beneath.c.
 */
#include "core/remove_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"

struct removal {
	int top;
	uint64_t next_name; /* for what is moved up */
	bool progress;
};

enum { NAME_TRIES = 1000, BUFFER_SIZE = 16 << 10 };

static int empty(struct removal *removal, int fd, bool is_top);

/* Lets the owner work in a directory whose mode forbids it. */
static void allow(int fd)
{
	struct stat st;
	if (!fstat(fd, &st) && (st.st_mode & 0700) != 0700)
		fchmod(fd, 0700);
}

/* The same by name, for a directory that cannot even be opened. Needs /proc. */
static bool allow_at(int directory, const char *name)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	_cleanup_close_ int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return chmod(path, 0700) == 0;
}

/* Moves a directory into the top directory, under a name that is free. 0 or a negative errno. */
static int move_up(struct removal *removal, int directory, const char *name)
{
	bool allowed = false;
	for (int i = 0; i < NAME_TRIES; i++) {
		char new_name[sizeof("viso-") + 16];
		snprintf(new_name, sizeof(new_name), "viso-%" PRIx64, removal->next_name++);
		if (!renameat(directory, name, removal->top, new_name))
			return 0;
		if (errno == EACCES && !allowed)
			/* The `..` in it changes, so that it must be writable itself. */
			allowed = allow_at(directory, name);
		else if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
			return -errno;
		else
			continue;
		if (!allowed)
			return -EACCES;
	}
	return -EEXIST;
}

/* Empties a directory that lies in the top directory, and removes it. 0 or a negative errno. */
static int remove_directory(struct removal *removal, const char *name)
{
	_cleanup_close_ int fd = open_beneath(removal->top, name, O_RDONLY | O_DIRECTORY, true);
	if (fd == -EACCES && allow_at(removal->top, name))
		fd = open_beneath(removal->top, name, O_RDONLY | O_DIRECTORY, true);
	if (fd < 0)
		return fd == -EXDEV ? -EBUSY : fd;
	int r = empty(removal, fd, false);
	if (unlinkat(removal->top, name, AT_REMOVEDIR) < 0 && r == 0)
		r = -errno;
	return r;
}

int remove_device_mount(int directory, const char *name)
{
	/* NAME_MAX */
	char path[sizeof("/proc/self/fd//") + 3 * sizeof(int) + 256];
	struct stat st;
	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
		return -EBUSY;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", directory, name);
	return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -EBUSY : 0;
}

/* 0; -ENOENT where it has gone by itself; or another negative errno. */
static int remove_entry(struct removal *removal, int directory, const char *name, bool is_top)
{
	if (!unlinkat(directory, name, 0))
		return 0;
	if (errno == EBUSY && remove_device_mount(directory, name) == 0)
		return unlinkat(directory, name, 0) < 0 ? -errno : 0;
	/* EPERM is what POSIX asks for where it is a directory, and some file systems do. */
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	int error = errno;
	if (!unlinkat(directory, name, AT_REMOVEDIR))
		return 0;
	if (errno == ENOTDIR)
		return -error;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	return is_top ? remove_directory(removal, name) : move_up(removal, directory, name);
}

/* The entries that one getdents64(2) has returned. 0 or the first negative errno. */
static int remove_entries(struct removal *removal, int fd, bool is_top, const char *buffer, size_t size)
{
	int first = 0;
	for (size_t at = 0; at < size;) {
		const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);
		at += entry->d_reclen;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		int r = remove_entry(removal, fd, entry->d_name, is_top);
		if (r == 0)
			removal->progress = true;
		else if (first == 0 && r != -ENOENT)
			first = r;
	}
	return first;
}

/* One pass over the entries of a directory. 0 or the first negative errno. */
static int empty(struct removal *removal, int fd, bool is_top)
{
	/* Not readdir(), which allocates: removing must work without memory. */
	_Alignas(struct dirent64) char buffer[BUFFER_SIZE];
	int first = 0;
	allow(fd);
	for (;;) {
		long size = syscall(SYS_getdents64, fd, buffer, sizeof(buffer));
		if (size < 0 && first == 0)
			first = -errno;
		if (size <= 0)
			return first;
		int r = remove_entries(removal, fd, is_top, buffer, (size_t)size);
		if (first == 0)
			first = r;
	}
}

int remove_contents(int directory)
{
	struct removal removal = {.top = directory};
	/* Names that somebody in the tree cannot have guessed; without randomness any will do. */
	if (getrandom(&removal.next_name, sizeof(removal.next_name), GRND_NONBLOCK) < 0)
		removal.next_name = 0;
	for (;;) {
		_cleanup_close_ int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		removal.progress = false;
		int r = empty(&removal, fd, true);
		/* Entries were moved here while we read, and removing changes what a read returns: until a pass finds
		 * nothing. */
		if (!removal.progress)
			return r;
	}
}

int remove_tree(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && allow_at(AT_FDCWD, path))
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = remove_contents(fd);
	if (rmdir(path) < 0 && r == 0)
		r = -errno;
	return r;
}
