/* SPDX-License-Identifier: MIT */
/* Making and writing files. */
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/device/virtio/fuse_request.h"

enum { TRANSFER_MAX = 256 << 10 };

/* Devices of the host are not for a guest to make, nor are programs that run as the host's user. */
int fuse_set_mode(const struct fuse_server *server, int fd, mode_t mode)
{
	char name[FUSE_FD_NAME];
	fuse_fd_name(fd, name);
	return chmod(name, mode & (server->rights.keeps_setid ? 07777 : 01777)) < 0 ? -errno : 0;
}

int fuse_count_written(struct fuse_server *server, uint64_t bytes)
{
	uint64_t max = server->rights.written_max;
	if (max && (server->written > max || bytes > max - server->written))
		return -EDQUOT;
	server->written += bytes;
	return 0;
}

static uint32_t write_file(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_write_in in;
	struct iovec parts[QUEUE_SIZE_MAX];
	int fd = FUSE_TAKE(request, &in) ? fuse_fd_of(server, in.fh) : -EBADF;
	if (fd < 0)
		return fuse_refuse(request, fd);
	uint64_t begin = sizeof(request->header) + sizeof(in), there = request->chain->readable_bytes - begin;
	if (in.offset > INT64_MAX || in.size > TRANSFER_MAX || in.size > there)
		return fuse_refuse(request, -EINVAL);
	int r = fuse_count_written(server, in.size);
	if (r < 0)
		return fuse_refuse(request, r);
	unsigned count = chain_readable(request->chain, begin, in.size, parts, QUEUE_SIZE_MAX);
	ssize_t put;
	do
		put = pwritev(fd, parts, (int)count, (off_t)in.offset);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return fuse_refuse(request, -errno);
	const struct fuse_write_out out = {.size = (uint32_t)put};
	return fuse_reply(request, 0, &out, sizeof(out));
}

/* A file that was not there. The fd, or a negative errno. */
static int make_file(const struct fuse_server *server, int directory, const char *name, const struct fuse_create_in *in)
{
	int flags = (int)(in->flags & (O_ACCMODE | O_APPEND | O_SYNC));
	_cleanup_close_ int fd = openat(directory, name, flags | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return -errno;
	int r = fuse_set_mode(server, fd, in->mode);
	return r < 0 ? r : TAKE_FD(fd);
}

/* One that was there, and is looked at before it is opened. */
static int open_made(struct fuse_server *server, uint64_t number, const struct fuse_create_in *in)
{
	struct stat st;
	_cleanup_close_ int node = fuse_open_node(server, number, &st);
	if (node < 0)
		return node;
	_cleanup_close_ int fd =
		fuse_open_found(server, node, (int)(in->flags & (O_ACCMODE | O_APPEND | O_SYNC)), false);
	if (fd >= 0 && (in->flags & O_TRUNC) && ftruncate(fd, 0) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* A handle, or a negative errno. */
static int64_t make_and_open(struct fuse_server *server, const struct fuse_request *request, struct fuse_entry_out *out)
{
	struct fuse_create_in in;
	struct stat st;
	const char *name;
	size_t offset = sizeof(in);
	int r = FUSE_TAKE(request, &in) ? fuse_take_name(request, &offset, &name) : -EINVAL;
	if (r < 0 || (in.flags & O_ACCMODE) == O_ACCMODE)
		return r < 0 ? r : -EINVAL;
	uint64_t parent = request->header.nodeid;
	_cleanup_close_ int directory = fuse_open_node(server, parent, &st);
	_cleanup_close_ int fd = directory < 0 ? directory : make_file(server, directory, name, &in);
	if (fd >= 0)
		fs_nodes_drop(&server->nodes, parent, name);
	else if (fd != -EEXIST || (in.flags & O_EXCL))
		return fd;
	r = fuse_enter(server, parent, name, out);
	if (r < 0)
		return r;
	if (fd < 0)
		fd = open_made(server, out->nodeid, &in);
	int64_t handle = fd < 0 ? fd : fuse_add_handle(server, TAKE_FD(fd), out->nodeid);
	if (handle < 0)
		fs_nodes_forget(&server->nodes, out->nodeid, 1);
	return handle;
}

static uint32_t create(struct fuse_server *server, const struct fuse_request *request)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = {0};
	int64_t handle = make_and_open(server, request, &out.entry);
	if (handle < 0)
		return fuse_refuse(request, (int)handle);
	out.open.fh = (uint64_t)handle;
	uint32_t size = fuse_reply_entry(server, request, &out, sizeof(out));
	if (size < sizeof(struct fuse_out_header) + sizeof(out))
		fuse_drop_handle(server, out.open.fh);
	return size;
}

static uint32_t synchronise(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_fsync_in in;
	int fd = FUSE_TAKE(request, &in) ? fuse_fd_of(server, in.fh) : -EBADF;
	if (fd < 0)
		return fuse_refuse(request, fd);
	int r = in.fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(fd) : fsync(fd);
	return fuse_refuse(request, r < 0 ? -errno : 0);
}

static uint32_t allocate(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_fallocate_in in;
	int fd = FUSE_TAKE(request, &in) ? fuse_fd_of(server, in.fh) : -EBADF;
	if (fd < 0)
		return fuse_refuse(request, fd);
	if (in.mode & ~(uint32_t)(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return fuse_refuse(request, -EOPNOTSUPP);
	if (in.offset > INT64_MAX || in.length > INT64_MAX)
		return fuse_refuse(request, -EFBIG);
	int r = in.mode & FALLOC_FL_PUNCH_HOLE ? 0 : fuse_count_written(server, in.length);
	if (r < 0)
		return fuse_refuse(request, r);
	do
		r = fallocate(fd, (int)in.mode, (off_t)in.offset, (off_t)in.length);
	while (r < 0 && errno == EINTR);
	return fuse_refuse(request, r < 0 ? -errno : 0);
}

uint32_t fuse_serve_write(struct fuse_server *server, const struct fuse_request *request)
{
	if (!server->rights.writes)
		return fuse_serve_change(server, request);
	switch (request->header.opcode) {
	case FUSE_WRITE:
		return write_file(server, request);
	case FUSE_CREATE:
		return create(server, request);
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
		return synchronise(server, request);
	case FUSE_FALLOCATE:
		return allocate(server, request);
	default:
		return fuse_serve_change(server, request);
	}
}
