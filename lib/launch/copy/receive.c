/* SPDX-License-Identifier: MIT */
/*
 * Makes a tree that comes by standard input, in a directory that other users cannot enter, and renames it when it is
 * whole.
 */
#include "launch/copy/receive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/remove_tree.h"
#include "core/transfer.h"
#include "launch/copy/entry.h"

static struct {
	int fds[COPY_DEPTH_MAX + 2]; /* the directories in which we are */
	struct copy_record records[COPY_DEPTH_MAX + 2];
	int depth;
	char name[256];
	char data[65536];
} receipt;

static int read_all(void *data, size_t size)
{
	ssize_t n = read_whole(0, data, size);
	return n < 0 ? (int)n : (size_t)n < size ? -EPIPE : 0;
}

static int make_file(int directory, const struct copy_record *record)
{
	int fd = openat(directory, receipt.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : 0;
	for (uint64_t left = record->size; r == 0 && left > 0;) {
		size_t part = left < sizeof(receipt.data) ? (size_t)left : sizeof(receipt.data);
		r = read_all(receipt.data, part);
		if (r == 0)
			r = write_whole(fd, receipt.data, part);
		left -= part;
	}
	if (r == 0)
		r = entry_set_attributes(fd, record);
	close_fd(fd);
	return r;
}

static int make_link(int directory, const struct copy_record *record)
{
	if (record->size >= sizeof(receipt.data))
		return -ENAMETOOLONG;
	int r = read_all(receipt.data, record->size);
	receipt.data[record->size] = '\0';
	return r < 0 ? r : symlinkat(receipt.data, directory, receipt.name) < 0 ? -errno : 0;
}

static int enter_directory(int directory, const struct copy_record *record)
{
	if (receipt.depth + 1 >= (int)(sizeof(receipt.fds) / sizeof(receipt.fds[0])))
		return -EFBIG;
	if (mkdirat(directory, receipt.name, 0700) < 0)
		return -errno;
	int fd = openat(directory, receipt.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	receipt.fds[++receipt.depth] = fd;
	receipt.records[receipt.depth] = *record;
	return 0;
}

static int leave_directory(void)
{
	if (receipt.depth == 0)
		return -EPROTO;
	int r = entry_set_attributes(receipt.fds[receipt.depth], &receipt.records[receipt.depth]);
	close(receipt.fds[receipt.depth--]);
	return r;
}

/* 1 at the end. */
static int receive_entry(void)
{
	struct copy_record record;
	int directory = receipt.fds[receipt.depth];
	int r = read_all(&record, sizeof(record));
	if (r == 0 && record.name_length >= sizeof(receipt.name))
		r = -ENAMETOOLONG;
	if (r == 0)
		r = read_all(receipt.name, record.name_length);
	if (r < 0)
		return r;
	receipt.name[record.name_length] = '\0';
	switch (record.kind) {
	case COPY_FILE:
		return make_file(directory, &record);
	case COPY_LINK:
		return make_link(directory, &record);
	case COPY_DIRECTORY:
		return enter_directory(directory, &record);
	case COPY_END:
		return leave_directory();
	default:
		return record.kind == COPY_DONE && receipt.depth == 0 ? 1 : -EPROTO;
	}
}

/* The directory in which the copy is to be, and its name there; which may point into `path`. */
static int open_parent(char *path, const char *name, const char **out_name)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*out_name = name;
	if (fd >= 0 || (errno != ENOENT && errno != ENOTDIR))
		return fd < 0 ? -errno : fd;
	char *slash = strrchr(path, '/');
	if (!slash || !slash[1])
		return -errno;
	*out_name = slash + 1;
	*slash = '\0';
	fd = open(slash == path ? "/" : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int receive_tree(char *path, const char *name)
{
	char workshop[32];
	struct timespec now;
	int parent = open_parent(path, name, &name);
	if (parent < 0)
		return -parent;
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(workshop, sizeof(workshop), ".viso-%016llx",
		 (unsigned long long)now.tv_sec * 1000000000 + (unsigned long long)now.tv_nsec);
	if (mkdirat(parent, workshop, 0700) < 0)
		return errno;
	receipt.fds[0] = openat(parent, workshop, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = receipt.fds[0] < 0 ? -errno : 0;
	while (r == 0)
		r = receive_entry();
	if (r == 1)
		r = renameat(receipt.fds[0], "copy", parent, name) < 0 ? -errno : 0;
	if (receipt.fds[0] >= 0)
		remove_contents(receipt.fds[0]);
	unlinkat(parent, workshop, AT_REMOVEDIR);
	return -r;
}
