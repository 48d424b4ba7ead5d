/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/pseudo_files.h"
#include "guest/device/virtio/fuse_request.h"

enum {
	TRANSFER_MAX = 256 << 10,
	PAGES_MAX = TRANSFER_MAX / 4096,
	FORGETS_MAX = 1 << 16,
	VALID_SECONDS = 1, /* then the guest looks again */
};

int fuse_server_init(struct fuse_server *server, int root, const struct fuse_rights *rights)
{
	struct stat st;
	server->root = root;
	server->rights = *rights;
	for (int i = 0; i < FUSE_OPEN_MAX; i++)
		server->open[i].fd = -1;
	int r = fstat(root, &st) < 0 ? -errno : fs_nodes_init(&server->nodes);
	server->device = st.st_dev;
	if (r < 0)
		server->root = close_fd(root);
	return r;
}

static void close_all(struct fuse_server *server)
{
	for (uint64_t i = 0; i < FUSE_OPEN_MAX; i++)
		fuse_drop_handle(server, i);
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

uint32_t fuse_reply(const struct fuse_request *request, int error, const void *data, size_t size)
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

uint32_t fuse_refuse(const struct fuse_request *request, int error)
{
	return fuse_reply(request, error, NULL, 0);
}

int fuse_take_text(const struct fuse_request *request, size_t *offset, const char **out)
{
	if (*offset > request->argument_size)
		return -EINVAL;
	*out = (const char *)request->argument + *offset;
	*offset += strlen(*out) + 1;
	return 0;
}

int fuse_take_name(const struct fuse_request *request, size_t *offset, const char **out)
{
	int r = fuse_take_text(request, offset, out);
	if (r < 0)
		return r;
	const char *name = *out;
	if (strlen(name) > FS_NAME_MAX)
		return -ENAMETOOLONG;
	return fs_nodes_is_name(name) ? 0 : -EINVAL;
}

void fuse_fd_name(int fd, char out[FUSE_FD_NAME])
{
	snprintf(out, FUSE_FD_NAME, "/proc/self/fd/%d", fd);
}

/* A guest goes on using what it has open and has removed: by its number alone it asks for the attributes. */
static int copy_open_file(const struct fuse_server *server, uint64_t number)
{
	for (int i = 0; i < FUSE_OPEN_MAX; i++) {
		if (server->open[i].fd < 0 || server->open[i].node != number)
			continue;
		int fd = fcntl(server->open[i].fd, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? -errno : fd;
	}
	return -ENOENT;
}

bool fuse_identify(const struct fuse_server *server, int fd, struct fs_identity *out)
{
	struct statx st;
	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_INO | STATX_BTIME, &st) < 0)
		return false;
	dev_t device = makedev(st.stx_dev_major, st.stx_dev_minor);
	*out = (struct fs_identity){.device = device == server->device ? 0 : device, .inode = st.stx_ino};
	if (st.stx_mask & STATX_BTIME)
		out->born = st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec;
	return true;
}

bool fuse_is_same(const struct fuse_server *server, int fd, const struct fs_identity *identity)
{
	struct fs_identity own;
	return fuse_identify(server, fd, &own) && own.device == identity->device && own.inode == identity->inode &&
	       own.born == identity->born;
}

/* By its path; -ESTALE where the guest knows it from a snapshot and it is not there now. */
static int open_by_path(struct fuse_server *server, uint64_t number)
{
	char path[PATH_MAX];
	const struct fs_identity *expected = fs_nodes_expected(&server->nodes, number);
	int r = fs_nodes_path(&server->nodes, number, path);
	_cleanup_close_ int fd = r < 0 ? r : open_beneath(server->root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (!expected)
		return TAKE_FD(fd);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || (fd >= 0 && !fuse_is_same(server, fd, expected)))
		return -ESTALE;
	if (fd >= 0)
		fs_nodes_confirm(&server->nodes, number);
	return TAKE_FD(fd);
}

int fuse_open_node(struct fuse_server *server, uint64_t number, struct stat *out)
{
	_cleanup_close_ int fd = open_by_path(server, number);
	if (fd == -ENOENT || fd == -ESTALE) {
		int copy = copy_open_file(server, number);
		fd = copy == -ENOENT ? fd : copy;
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, out) < 0)
		return -errno;
	if (out->st_dev != server->device && is_of_pseudo_files(fd))
		return -ENOENT;
	return TAKE_FD(fd);
}

struct fuse_attr fuse_attributes(const struct fuse_server *server, const struct stat *st)
{
	bool maps = server->rights.writes;
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
		.uid = maps && st->st_uid == geteuid() ? 0 : st->st_uid,
		.gid = maps && st->st_gid == getegid() ? 0 : st->st_gid,
		.rdev = (uint32_t)st->st_rdev,
		.blksize = (uint32_t)st->st_blksize,
	};
}

static uint32_t initialise(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_init_in in = {0};
	/* Older guests send less than there is in this one; the flags of the first 16 bytes are all that counts. */
	size_t size = request->argument_size < sizeof(in) ? request->argument_size : sizeof(in);
	memcpy(&in, request->argument, size);
	if (size < 16 || in.major < FUSE_KERNEL_VERSION)
		return fuse_refuse(request, -EPROTO);
	uint32_t wanted = FUSE_ASYNC_READ | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS;
	if (server->rights.writes)
		wanted |= FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA;
	/* They are gone as soon as a file is open for writing, and the guest need not ask whether they are there. */
	if (server->rights.writes && !server->rights.keeps_setid)
		wanted |= FUSE_HANDLE_KILLPRIV_V2;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_readahead = in.max_readahead < TRANSFER_MAX ? in.max_readahead : TRANSFER_MAX,
		.flags = in.flags & wanted,
		.max_background = 16,
		.congestion_threshold = 12,
		.max_write = server->rights.writes ? TRANSFER_MAX : 4096,
		.time_gran = 1,
		.max_pages = PAGES_MAX,
	};
	fuse_server_reset(server);
	return fuse_reply(request, 0, &out, sizeof(out));
}

/*
 * What the guest knows from a snapshot keeps its number only if it is there yet: what else has this name now gets one
 * of its own. Names are looked up in no other directory than the guest means. 0 or a negative errno.
 */
static int renew(struct fuse_server *server, uint64_t parent, const char *name)
{
	_cleanup_close_ int directory = -1, fd = -1;
	if (fs_nodes_expected(&server->nodes, parent)) {
		directory = open_by_path(server, parent);
		if (directory < 0)
			return directory;
	}
	uint64_t number = fs_nodes_find(&server->nodes, parent, name);
	if (fs_nodes_expected(&server->nodes, number))
		fd = open_by_path(server, number);
	if (fd == -ESTALE)
		fs_nodes_drop(&server->nodes, parent, name);
	return 0;
}

int fuse_enter(struct fuse_server *server, uint64_t parent, const char *name, struct fuse_entry_out *out)
{
	struct stat st;
	struct fs_identity identity;
	*out = (struct fuse_entry_out){.entry_valid = VALID_SECONDS, .attr_valid = VALID_SECONDS};
	int r = renew(server, parent, name);
	if (r == 0)
		r = fs_nodes_look_up(&server->nodes, parent, name, &out->nodeid);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = fuse_open_node(server, out->nodeid, &st);
	if (fd < 0) {
		fs_nodes_forget(&server->nodes, out->nodeid, 1);
		return fd;
	}
	if (fuse_identify(server, fd, &identity))
		fs_nodes_identify(&server->nodes, out->nodeid, &identity);
	out->attr = fuse_attributes(server, &st);
	return 0;
}

uint32_t fuse_reply_entry(struct fuse_server *server, const struct fuse_request *request, const void *out, size_t size)
{
	const struct fuse_entry_out *entry = out;
	uint32_t replied = fuse_reply(request, 0, out, size);
	if (replied < sizeof(struct fuse_out_header) + size)
		fs_nodes_forget(&server->nodes, entry->nodeid, 1);
	return replied;
}

static uint32_t look_up(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_entry_out out;
	const char *name;
	size_t offset = 0;
	int r = fuse_take_name(request, &offset, &name);
	if (r == 0)
		r = fuse_enter(server, request->header.nodeid, name, &out);
	return r < 0 ? fuse_refuse(request, r) : fuse_reply_entry(server, request, &out, sizeof(out));
}

static uint32_t get_attributes(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_attr_out out = {.attr_valid = VALID_SECONDS};
	struct stat st;
	_cleanup_close_ int fd = fuse_open_node(server, request->header.nodeid, &st);
	if (fd < 0)
		return fuse_refuse(request, fd);
	out.attr = fuse_attributes(server, &st);
	return fuse_reply(request, 0, &out, sizeof(out));
}

static uint32_t read_link(struct fuse_server *server, const struct fuse_request *request)
{
	char target[PATH_MAX];
	struct stat st;
	_cleanup_close_ int fd = fuse_open_node(server, request->header.nodeid, &st);
	if (fd < 0)
		return fuse_refuse(request, fd);
	ssize_t size = readlinkat(fd, "", target, sizeof(target));
	return size < 0 ? fuse_refuse(request, -errno) : fuse_reply(request, 0, target, (size_t)size);
}

static uint32_t get_statistics(struct fuse_server *server, const struct fuse_request *request)
{
	struct statvfs st;
	if (fstatvfs(server->root, &st) < 0)
		return fuse_refuse(request, -errno);
	const struct fuse_statfs_out out = {.st = {.blocks = st.f_blocks,
						   .bfree = st.f_bfree,
						   .bavail = st.f_bavail,
						   .files = st.f_files,
						   .ffree = st.f_ffree,
						   .bsize = (uint32_t)st.f_bsize,
						   .namelen = FS_NAME_MAX,
						   .frsize = (uint32_t)st.f_frsize}};
	return fuse_reply(request, 0, &out, sizeof(out));
}

/* None of these has an answer. */
static uint32_t forget(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_forget_in in;
	if (FUSE_TAKE(request, &in))
		fs_nodes_forget(&server->nodes, request->header.nodeid, in.nlookup);
	return 0;
}

static uint32_t forget_many(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_batch_forget_in in;
	struct fuse_forget_one one;
	uint64_t offset = sizeof(request->header) + sizeof(in);
	if (!FUSE_TAKE(request, &in))
		return 0;
	for (uint32_t i = 0; i < in.count && i < FORGETS_MAX; i++, offset += sizeof(one)) {
		if (chain_read(request->chain, offset, &one, sizeof(one)) < sizeof(one))
			break;
		fs_nodes_forget(&server->nodes, one.nodeid, one.nlookup);
	}
	return 0;
}

static uint32_t serve(struct fuse_server *server, const struct fuse_request *request)
{
	switch (request->header.opcode) {
	case FUSE_INIT:
		return initialise(server, request);
	case FUSE_DESTROY:
		fuse_server_reset(server);
		return fuse_refuse(request, 0);
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
	case FUSE_STATFS:
		return get_statistics(server, request);
	case FUSE_INTERRUPT:
		return 0; /* nothing here takes long, and it has no answer */
	default:
		return fuse_serve_file(server, request);
	}
}

uint32_t fuse_serve(struct fuse_server *server, const struct chain *chain)
{
	struct fuse_request request;
	size_t size = chain_read(chain, 0, &request.header, sizeof(request.header));
	if (size < sizeof(request.header))
		return 0;
	/* What is written stays where it is. */
	size_t wanted = request.header.opcode == FUSE_WRITE ? sizeof(struct fuse_write_in) : FUSE_ARGUMENT_MAX;
	request.chain = chain;
	request.argument_size = chain_read(chain, size, request.argument, wanted);
	request.argument[request.argument_size] = '\0';
	return serve(server, &request);
}
