/* SPDX-License-Identifier: MIT */
/* Regular files of the host that the program has open. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "guest/files/view.h"
#include "guest/program/file.h"
#include "guest/program/program.h"

static int64_t read_pieces(struct program *program, struct file *file, const struct iovec *pieces, int count,
			   size_t size, int64_t offset)
{
	ssize_t n = offset < 0 ? readv(file->fd, pieces, count) : preadv(file->fd, pieces, count, offset);
	return n < 0 ? -errno : n;
}

static int64_t write_pieces(struct program *program, struct file *file, const struct iovec *pieces, int count,
			    size_t size, int64_t offset)
{
	/* O_APPEND of the program's fd, not of ours: as Linux, it also holds for pwrite(2). */
	bool appends = file->flags & O_APPEND;
	ssize_t n = pwritev2(file->fd, pieces, count, appends && offset >= 0 ? 0 : offset, appends ? RWF_APPEND : 0);
	return n < 0 ? -errno : n;
}

static int64_t seek(struct program *program, struct file *file, int64_t offset, int whence)
{
	off_t at = lseek(file->fd, (off_t)offset, whence);
	return at < 0 ? -errno : at;
}

static int status(struct file *file, struct stat *out)
{
	if (fstat(file->fd, out) < 0)
		return -errno;
	const struct mount *mount = file->mount;
	for (unsigned i = 0; mount && i < mount->layer_count; i++) {
		const struct layer *layer = &mount->layers[i];
		if (!layer->maps_owner)
			continue;
		out->st_uid = out->st_uid == geteuid() ? layer->uid : out->st_uid;
		out->st_gid = out->st_gid == getegid() ? layer->gid : out->st_gid;
	}
	return 0;
}

static int resize(struct program *program, struct file *file, uint64_t size)
{
	return ftruncate(file->fd, (off_t)size) < 0 ? -errno : 0;
}

static ssize_t contents(struct file *file, void *out, size_t size, uint64_t offset)
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

/* The program has not asked for it by a call, but what it may write is limited all the same. */
static int put(struct file *file, const void *data, size_t size, uint64_t offset)
{
	struct file_counts *counts = &file->view->counts;
	if (!counts_write(counts, size))
		return -EDQUOT;
	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(file->fd, (const uint8_t *)data + done, size - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	counts->written += size;
	return 0;
}

const struct file_ops host_file_ops = {
	.pread = read_pieces,
	.pwrite = write_pieces,
	.seek = seek,
	.status = status,
	.resize = resize,
	.contents = contents,
	.put = put,
};
