/* SPDX-License-Identifier: MIT */
/*
 * A tree of the guest to standard output. Links are sent as links; devices, FIFOs, sockets, and what the kernel or a
 * program makes up while it is read (proc, FUSE) are left out, and counted in the last record.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/transfer.h"
#include "guest/agent/program/agent.h"
#include "launch/copy/entry.h"

static struct {
	int entries, depth;
	uint64_t left_out;
	char buffer[64 << 10];
} sending;

static int send_entry(int directory, const char *name, const char *new_name);

static int write_record(enum copy_kind kind, const struct stat *st, const char *name, uint64_t size)
{
	struct copy_record record = {.kind = kind, .size = size, .name_length = (uint32_t)strlen(name)};
	if (st) {
		record.mode = st->st_mode & 0777;
		record.seconds = st->st_mtim.tv_sec;
		record.nanoseconds = (uint32_t)st->st_mtim.tv_nsec;
	}
	int r = write_whole(1, &record, sizeof(record));
	return r < 0 ? r : write_whole(1, name, record.name_length);
}

static int send_file(int found, const struct stat *st, const char *name)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = write_record(COPY_FILE, st, name, (uint64_t)st->st_size);
	for (off_t left = st->st_size; r == 0 && left > 0;) {
		size_t part = left < (off_t)sizeof(sending.buffer) ? (size_t)left : sizeof(sending.buffer);
		ssize_t n = read(fd, sending.buffer, part);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ESTALE;
		r = write_whole(1, sending.buffer, (size_t)n);
		left -= n;
	}
	return r;
}

static int send_link(int found, const char *name)
{
	ssize_t length = readlinkat(found, "", sending.buffer, sizeof(sending.buffer));
	if (length < 0)
		return -errno;
	int r = write_record(COPY_LINK, NULL, name, (uint64_t)length);
	return r < 0 ? r : write_whole(1, sending.buffer, (size_t)length);
}

static int send_directory(int found, const struct stat *st, const char *name)
{
	int fd = openat(found, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	if (!directory) {
		int error = errno;
		close_fd(fd);
		return -error;
	}
	int r = write_record(COPY_DIRECTORY, st, name, 0);
	for (struct dirent *entry; r == 0 && (entry = readdir(directory));)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			r = send_entry(fd, entry->d_name, entry->d_name);
	return r < 0 ? r : write_record(COPY_END, NULL, "", 0);
}

static int send_entry(int directory, const char *name, const char *new_name)
{
	struct stat st;
	_cleanup_close_ int found = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (found < 0 || fstat(found, &st) < 0)
		/* It has just gone. */
		return errno == ENOENT && sending.depth ? 0 : -errno;
	if (++sending.entries > COPY_ENTRIES_MAX || sending.depth >= COPY_DEPTH_MAX)
		return -EFBIG;
	if (entry_is_made_up(found) || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode))) {
		sending.left_out++;
		return 0;
	}
	if (S_ISLNK(st.st_mode))
		return send_link(found, new_name);
	if (S_ISREG(st.st_mode))
		return send_file(found, &st, new_name);
	sending.depth++;
	int r = send_directory(found, &st, new_name);
	sending.depth--;
	return r;
}

int send_tree(const char *path)
{
	int r = send_entry(AT_FDCWD, path, "copy");
	if (r == 0)
		r = write_record(COPY_DONE, NULL, "", sending.left_out);
	return -r;
}
