/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/fuse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/fd.h"

enum {
	ARGUMENT_MAX = 1024, /* of the fixed parts and names that are looked at */
	READ_MAX = 256 << 10,
	PAGES_MAX = READ_MAX / 4096,
	DIRECTORY_MAX = 64 << 10,
	FORGETS_MAX = 1 << 16,
	VALID_SECONDS = 1, /* then the guest looks again */
};

struct request {
	struct fuse_in_header header;
	const struct chain *chain;
	uint8_t argument[ARGUMENT_MAX + 1]; /* with a NUL behind it */
	size_t argument_size;
};

int fuse_server_init(struct fuse_server *server, int root)
{
	server->root = root;
	for (int i = 0; i < FUSE_OPEN_MAX; i++)
		server->open[i] = -1;
	int r = fs_nodes_init(&server->nodes);
	if (r < 0)
		server->root = close_fd(root);
	return r;
}

static void close_all(struct fuse_server *server)
{
	for (int i = 0; i < FUSE_OPEN_MAX; i++)
		server->open[i] = close_fd(server->open[i]);
}

void fuse_server_release(struct fuse_server *server)
{
	close_all(server);
	fs_nodes_release(&server->nodes);
	server->root = close_fd(server->root);
}

void fuse_server_reset(struct fuse_server *server)
{
	close_all(server);
	fs_nodes_reset(&server->nodes);
}

/* The answer behind its header; its size, or 0 where there is no room for it. */
static uint32_t reply(const struct request *request, int error, const void *data, size_t size)
{
	struct fuse_out_header header = {
		.len = (uint32_t)(sizeof(header) + size), .error = error, .unique = request->header.unique};
	if (request->chain->writable_bytes < header.len) {
		/* The guest wanted less than that. */
		header.len = sizeof(header);
		header.error = -EIO;
		size = 0;
	}
	if (chain_write(request->chain, 0, &header, sizeof(header)) < sizeof(header))
		return 0;
	chain_write(request->chain, sizeof(header), data, size);
	return header.len;
}

static uint32_t refuse(const struct request *request, int error)
{
	return reply(request, error, NULL, 0);
}

/* The fixed part of a request: false where the guest sent less. */
#define TAKE(request, out)                                                                                             \
	((request)->argument_size >= sizeof(*(out)) && memcpy(out, (request)->argument, sizeof(*(out))))

/* A fd of the node, without following a link: O_PATH, so that nothing happens to a device or pipe by it. */
static int open_node(struct fuse_server *server, uint64_t number, struct stat *out)
{
	char path[PATH_MAX];
	int r = fs_nodes_path(&server->nodes, number, path);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = open_beneath(server->root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	return fstat(fd, out) < 0 ? -errno : TAKE_FD(fd);
}

static struct fuse_attr attributes_of(const struct stat *st)
{
	return (struct fuse_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.rdev = (uint32_t)st->st_rdev,
		.blksize = (uint32_t)st->st_blksize,
	};
}

static uint32_t initialise(struct fuse_server *server, const struct request *request)
{
	struct fuse_init_in in = {0};
	/* Older guests send less than there is in this one; the flags of the first 16 bytes are all that counts. */
	size_t size = request->argument_size < sizeof(in) ? request->argument_size : sizeof(in);
	memcpy(&in, request->argument, size);
	if (size < 16 || in.major < FUSE_KERNEL_VERSION)
		return refuse(request, -EPROTO);
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_readahead = in.max_readahead < READ_MAX ? in.max_readahead : READ_MAX,
		.flags = in.flags & (FUSE_ASYNC_READ | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS),
		.max_background = 16,
		.congestion_threshold = 12,
		.max_write = 4096,
		.time_gran = 1,
		.max_pages = PAGES_MAX,
	};
	fuse_server_reset(server);
	return reply(request, 0, &out, sizeof(out));
}

static bool is_name(const char *name)
{
	return name[0] && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static uint32_t look_up(struct fuse_server *server, const struct request *request)
{
	const char *name = (const char *)request->argument;
	struct fuse_entry_out out = {.entry_valid = VALID_SECONDS, .attr_valid = VALID_SECONDS};
	struct stat st;
	if (strlen(name) > FS_NAME_MAX)
		return refuse(request, -ENAMETOOLONG);
	if (!is_name(name))
		return refuse(request, -EINVAL);
	int r = fs_nodes_look_up(&server->nodes, request->header.nodeid, name, &out.nodeid);
	if (r < 0)
		return refuse(request, r);
	_cleanup_close_ int fd = open_node(server, out.nodeid, &st);
	if (fd < 0) {
		fs_nodes_forget(&server->nodes, out.nodeid, 1);
		return refuse(request, fd);
	}
	out.attr = attributes_of(&st);
	return reply(request, 0, &out, sizeof(out));
}

static uint32_t get_attributes(struct fuse_server *server, const struct request *request)
{
	struct fuse_attr_out out = {.attr_valid = VALID_SECONDS};
	struct stat st;
	_cleanup_close_ int fd = open_node(server, request->header.nodeid, &st);
	if (fd < 0)
		return refuse(request, fd);
	out.attr = attributes_of(&st);
	return reply(request, 0, &out, sizeof(out));
}

static uint32_t read_link(struct fuse_server *server, const struct request *request)
{
	char target[PATH_MAX];
	struct stat st;
	_cleanup_close_ int fd = open_node(server, request->header.nodeid, &st);
	if (fd < 0)
		return refuse(request, fd);
	ssize_t size = readlinkat(fd, "", target, sizeof(target));
	return size < 0 ? refuse(request, -errno) : reply(request, 0, target, (size_t)size);
}

/* A regular file, or a directory, for reading. */
static int open_for_reading(struct fuse_server *server, uint64_t number, bool is_directory)
{
	char path[PATH_MAX];
	struct stat st;
	_cleanup_close_ int node = open_node(server, number, &st);
	if (node < 0)
		return node;
	if (is_directory ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		return is_directory ? -ENOTDIR : S_ISDIR(st.st_mode) ? -EISDIR : -EACCES;
	int r = fs_nodes_path(&server->nodes, number, path);
	if (r < 0)
		return r;
	/* It may be another one by now: O_NONBLOCK, so that not even a pipe holds us. */
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (is_directory ? O_DIRECTORY : 0);
	_cleanup_close_ int fd = open_beneath(server->root, path, flags, 0);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || (is_directory ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode)))
		return -EACCES;
	return TAKE_FD(fd);
}

static uint32_t open_file(struct fuse_server *server, const struct request *request, bool is_directory)
{
	struct fuse_open_in in;
	struct fuse_open_out out = {0};
	if (!TAKE(request, &in))
		return refuse(request, -EINVAL);
	if ((in.flags & O_ACCMODE) != O_RDONLY || (in.flags & O_TRUNC))
		return refuse(request, -EROFS);
	while (out.fh < FUSE_OPEN_MAX && server->open[out.fh] >= 0)
		out.fh++;
	if (out.fh == FUSE_OPEN_MAX)
		return refuse(request, -ENFILE);
	int fd = fd_above_streams(open_for_reading(server, request->header.nodeid, is_directory));
	if (fd < 0)
		return refuse(request, fd);
	server->open[out.fh] = fd;
	uint32_t size = reply(request, 0, &out, sizeof(out));
	/* Of what the guest did not hear of it would never be rid. */
	if (size < sizeof(struct fuse_out_header) + sizeof(out))
		server->open[out.fh] = close_fd(fd);
	return size;
}

static int fd_of(const struct fuse_server *server, uint64_t handle)
{
	return handle < FUSE_OPEN_MAX ? server->open[handle] : -1;
}

static uint32_t read_file(struct fuse_server *server, const struct request *request)
{
	struct fuse_read_in in;
	struct iovec parts[QUEUE_SIZE_MAX];
	struct fuse_out_header header = {.unique = request->header.unique};
	int fd = TAKE(request, &in) ? fd_of(server, in.fh) : -1;
	if (fd < 0)
		return refuse(request, -EBADF);
	if (in.offset > INT64_MAX)
		return refuse(request, -EINVAL);
	unsigned count = chain_writable(request->chain, sizeof(header), in.size < READ_MAX ? in.size : READ_MAX, parts,
					QUEUE_SIZE_MAX);
	ssize_t got;
	do
		got = preadv(fd, parts, (int)count, (off_t)in.offset);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return refuse(request, -errno);
	header.len = (uint32_t)sizeof(header) + (uint32_t)got;
	chain_write(request->chain, 0, &header, sizeof(header));
	return header.len;
}

static uint32_t close_file(struct fuse_server *server, const struct request *request)
{
	struct fuse_release_in in;
	if (!TAKE(request, &in) || fd_of(server, in.fh) < 0)
		return refuse(request, -EBADF);
	server->open[in.fh] = close_fd(server->open[in.fh]);
	return refuse(request, 0);
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

static uint32_t read_directory(struct fuse_server *server, const struct request *request)
{
	struct fuse_read_in in;
	int fd = TAKE(request, &in) ? fd_of(server, in.fh) : -1;
	if (fd < 0)
		return refuse(request, -EBADF);
	size_t room = in.size < DIRECTORY_MAX ? in.size : DIRECTORY_MAX;
	_cleanup_free_ uint8_t *buffers = malloc(2 * DIRECTORY_MAX);
	if (!buffers)
		return refuse(request, -ENOMEM);
	/* The offsets are those of the host's file system, which looks at them itself. */
	if (lseek(fd, (off_t)in.offset, SEEK_SET) < 0)
		return refuse(request, -errno);
	long size = syscall(SYS_getdents64, fd, buffers, room);
	if (size < 0)
		return refuse(request, -errno);
	size_t used = convert_entries(buffers, (size_t)size, buffers + DIRECTORY_MAX, room);
	return reply(request, size > 0 && used == 0 ? -EINVAL : 0, buffers + DIRECTORY_MAX, used);
}

static uint32_t get_statistics(struct fuse_server *server, const struct request *request)
{
	struct statvfs st;
	if (fstatvfs(server->root, &st) < 0)
		return refuse(request, -errno);
	const struct fuse_statfs_out out = {.st = {.blocks = st.f_blocks,
						   .bfree = st.f_bfree,
						   .bavail = st.f_bavail,
						   .files = st.f_files,
						   .ffree = st.f_ffree,
						   .bsize = (uint32_t)st.f_bsize,
						   .namelen = FS_NAME_MAX,
						   .frsize = (uint32_t)st.f_frsize}};
	return reply(request, 0, &out, sizeof(out));
}

/* None of these has an answer. */
static uint32_t forget(struct fuse_server *server, const struct request *request)
{
	struct fuse_forget_in in;
	if (TAKE(request, &in))
		fs_nodes_forget(&server->nodes, request->header.nodeid, in.nlookup);
	return 0;
}

static uint32_t forget_many(struct fuse_server *server, const struct request *request)
{
	struct fuse_batch_forget_in in;
	struct fuse_forget_one one;
	uint64_t offset = sizeof(request->header) + sizeof(in);
	if (!TAKE(request, &in))
		return 0;
	for (uint32_t i = 0; i < in.count && i < FORGETS_MAX; i++, offset += sizeof(one)) {
		if (chain_read(request->chain, offset, &one, sizeof(one)) < sizeof(one))
			break;
		fs_nodes_forget(&server->nodes, one.nodeid, one.nlookup);
	}
	return 0;
}

static uint32_t serve_change(const struct request *request)
{
	switch (request->header.opcode) {
	case FUSE_SETATTR:
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_WRITE:
	case FUSE_CREATE:
	case FUSE_SETXATTR:
	case FUSE_REMOVEXATTR:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
		return refuse(request, -EROFS);
	default:
		/* The guest's kernel does not ask again. */
		return refuse(request, -ENOSYS);
	}
}

static uint32_t serve(struct fuse_server *server, const struct request *request)
{
	switch (request->header.opcode) {
	case FUSE_INIT:
		return initialise(server, request);
	case FUSE_DESTROY:
		fuse_server_reset(server);
		return refuse(request, 0);
	case FUSE_LOOKUP:
		return look_up(server, request);
	case FUSE_FORGET:
		return forget(server, request);
	case FUSE_BATCH_FORGET:
		return forget_many(server, request);
	case FUSE_GETATTR:
		return get_attributes(server, request);
	case FUSE_READLINK:
		return read_link(server, request);
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
	case FUSE_STATFS:
		return get_statistics(server, request);
	case FUSE_INTERRUPT:
		return 0; /* nothing here takes long, and it has no answer */
	default:
		return serve_change(request);
	}
}

uint32_t fuse_serve(struct fuse_server *server, const struct chain *chain)
{
	struct request request = {.chain = chain};
	size_t size = chain_read(chain, 0, &request.header, sizeof(request.header));
	if (size < sizeof(request.header))
		return 0;
	request.argument_size = chain_read(chain, size, request.argument, ARGUMENT_MAX);
	return serve(server, &request);
}
