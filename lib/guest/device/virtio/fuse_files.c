/* SPDX-License-Identifier: MIT */
/* Files and directories that the guest has open. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fd.h"
#include "guest/device/virtio/fuse_request.h"

enum {
	TRANSFER_MAX = 256 << 10,
	DIRECTORY_MAX = 64 << 10,
};

/*
 * A guest that may write to a program which runs as somebody else must not put another one in its place. A host program
 * with CAP_FSETID keeps such bits when it writes (inode(7)).
 */
static int drop_setid(const struct fuse_server *server, int fd, const struct stat *st)
{
	if (server->rights.keeps_setid || !S_ISREG(st->st_mode) || !(st->st_mode & (S_ISUID | S_ISGID)))
		return 0;
	return fchmod(fd, st->st_mode & 01777) < 0 ? -errno : 0;
}

int fuse_open_found(const struct fuse_server *server, int node, int flags, bool is_directory)
{
	char name[FUSE_FD_NAME];
	struct stat st;
	if (fstat(node, &st) < 0)
		return -errno;
	if (is_directory ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		return is_directory ? -ENOTDIR : S_ISDIR(st.st_mode) ? -EISDIR : -EACCES;
	fuse_fd_name(node, name);
	_cleanup_close_ int fd = open(name, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = (flags & O_ACCMODE) == O_RDONLY ? 0 : drop_setid(server, fd, &st);
	return r < 0 ? r : TAKE_FD(fd);
}

int64_t fuse_add_handle(struct fuse_server *server, int fd, uint64_t node)
{
	for (int64_t i = 0; i < FUSE_OPEN_MAX; i++) {
		if (fuse_fd_of(server, (uint64_t)i) != -EBADF)
			continue;
		server->open[i] = (struct fuse_handle){.fd = fd_above_streams(fd), .node = node};
		return server->open[i].fd < 0 ? -ENFILE : i;
	}
	close_fd(fd);
	return -ENFILE;
}

void fuse_drop_handle(struct fuse_server *server, uint64_t handle)
{
	server->open[handle].fd = close_fd(server->open[handle].fd);
	server->open[handle].is_stale = false;
}

int fuse_fd_of(const struct fuse_server *server, uint64_t handle)
{
	const struct fuse_handle *open = handle < FUSE_OPEN_MAX ? &server->open[handle] : NULL;
	return !open || (open->fd < 0 && !open->is_stale) ? -EBADF : open->is_stale ? -ESTALE : open->fd;
}

static int open_node(struct fuse_server *server, uint64_t number, uint32_t flags, bool is_directory)
{
	struct stat st;
	if (!server->rights.writes && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC)))
		return -EROFS;
	/* Linux asks for the size to be changed before: FUSE_ATOMIC_O_TRUNC was not offered. */
	if ((flags & O_ACCMODE) == O_ACCMODE || (flags & O_TRUNC))
		return -EINVAL;
	_cleanup_close_ int node = fuse_open_node(server, number, &st);
	if (node < 0)
		return node;
	return fuse_open_found(server, node, (int)(flags & (O_ACCMODE | O_APPEND | O_SYNC)), is_directory);
}

static uint32_t open_file(struct fuse_server *server, const struct fuse_request *request, bool is_directory)
{
	struct fuse_open_in in;
	if (!FUSE_TAKE(request, &in))
		return fuse_refuse(request, -EINVAL);
	int fd = open_node(server, request->header.nodeid, in.flags, is_directory);
	int64_t handle = fd < 0 ? fd : fuse_add_handle(server, fd, request->header.nodeid);
	if (handle < 0)
		return fuse_refuse(request, (int)handle);
	const struct fuse_open_out out = {.fh = (uint64_t)handle};
	uint32_t size = fuse_reply(request, 0, &out, sizeof(out));
	/* Of what the guest did not hear of it would never be rid. */
	if (size < sizeof(struct fuse_out_header) + sizeof(out))
		fuse_drop_handle(server, out.fh);
	return size;
}

static uint32_t read_file(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_read_in in;
	struct iovec parts[QUEUE_SIZE_MAX];
	struct fuse_out_header header = {.unique = request->header.unique};
	int fd = FUSE_TAKE(request, &in) ? fuse_fd_of(server, in.fh) : -EBADF;
	if (fd < 0)
		return fuse_refuse(request, fd);
	if (in.offset > INT64_MAX)
		return fuse_refuse(request, -EINVAL);
	unsigned count = chain_writable(request->chain, sizeof(header), in.size < TRANSFER_MAX ? in.size : TRANSFER_MAX,
					parts, QUEUE_SIZE_MAX);
	ssize_t got;
	do
		got = preadv(fd, parts, (int)count, (off_t)in.offset);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return fuse_refuse(request, -errno);
	header.len = (uint32_t)sizeof(header) + (uint32_t)got;
	chain_write(request->chain, 0, &header, sizeof(header));
	return header.len;
}

static uint32_t close_file(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_release_in in;
	if (!FUSE_TAKE(request, &in) || fuse_fd_of(server, in.fh) == -EBADF)
		return fuse_refuse(request, -EBADF);
	fuse_drop_handle(server, in.fh);
	return fuse_refuse(request, 0);
}

/* As many entries as fit, in the guest's format. */
static size_t convert_entries(const uint8_t *entries, size_t size, uint8_t *out, size_t room)
{
	size_t used = 0;
	for (size_t at = 0; at < size;) {
		const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
		struct fuse_dirent head = {.ino = entry->d_ino,
					   .off = (uint64_t)entry->d_off,
					   .namelen = (uint32_t)strlen(entry->d_name),
					   .type = entry->d_type};
		size_t length = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + head.namelen);
		if (used + length > room)
			break;
		memset(out + used, 0, length);
		memcpy(out + used, &head, FUSE_NAME_OFFSET);
		memcpy(out + used + FUSE_NAME_OFFSET, entry->d_name, head.namelen);
		used += length;
		at += entry->d_reclen;
	}
	return used;
}

static uint32_t read_directory(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_read_in in;
	int fd = FUSE_TAKE(request, &in) ? fuse_fd_of(server, in.fh) : -EBADF;
	if (fd < 0)
		return fuse_refuse(request, fd);
	size_t room = in.size < DIRECTORY_MAX ? in.size : DIRECTORY_MAX;
	_cleanup_free_ uint8_t *buffers = malloc(2 * DIRECTORY_MAX);
	if (!buffers)
		return fuse_refuse(request, -ENOMEM);
	/* The offsets are those of the host's file system, which looks at them itself. */
	if (lseek(fd, (off_t)in.offset, SEEK_SET) < 0)
		return fuse_refuse(request, -errno);
	long size = syscall(SYS_getdents64, fd, buffers, room);
	if (size < 0)
		return fuse_refuse(request, -errno);
	size_t used = convert_entries(buffers, (size_t)size, buffers + DIRECTORY_MAX, room);
	return fuse_reply(request, size > 0 && used == 0 ? -EINVAL : 0, buffers + DIRECTORY_MAX, used);
}

uint32_t fuse_serve_file(struct fuse_server *server, const struct fuse_request *request)
{
	switch (request->header.opcode) {
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return open_file(server, request, request->header.opcode == FUSE_OPENDIR);
	case FUSE_READ:
		return read_file(server, request);
	case FUSE_READDIR:
		return read_directory(server, request);
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return close_file(server, request);
	default:
		return fuse_serve_write(server, request);
	}
}
