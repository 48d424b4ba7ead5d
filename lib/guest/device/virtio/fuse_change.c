/* SPDX-License-Identifier: MIT */
/* What names there are, and attributes. Each name is a single one beneath a directory's fd, and no link is followed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/device/virtio/fuse_request.h"

/* What is about to be made. */
struct making {
	mode_t mode;
	const char *target; /* of a symbolic link */
};

static int make_kind(int directory, const char *name, const struct making *making)
{
	if (S_ISDIR(making->mode))
		return mkdirat(directory, name, 0700) < 0 ? -errno : 0;
	if (S_ISLNK(making->mode))
		return symlinkat(making->target, directory, name) < 0 ? -errno : 0;
	if (!S_ISREG(making->mode) && !S_ISFIFO(making->mode) && !S_ISSOCK(making->mode))
		return -EPERM;
	return mknodat(directory, name, (making->mode & S_IFMT) | 0600, 0) < 0 ? -errno : 0;
}

/* Another process of the host may have put something else in its place, of which nothing must be changed. */
static int set_mode(const struct fuse_server *server, int directory, const char *name, mode_t mode)
{
	struct stat st;
	_cleanup_close_ int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != (mode & S_IFMT) || st.st_uid != geteuid() || (st.st_mode & 077))
		return -EAGAIN;
	return fuse_set_mode(server, fd, mode);
}

static uint32_t make(struct fuse_server *server, const struct fuse_request *request, const char *name,
		     const struct making *making)
{
	struct fuse_entry_out out;
	struct stat st;
	_cleanup_close_ int directory = fuse_open_node(server, request->header.nodeid, &st);
	int r = directory < 0 ? directory : make_kind(directory, name, making);
	if (r == 0 && !S_ISLNK(making->mode))
		r = set_mode(server, directory, name, making->mode);
	/* Of what had the name before the guest knows the number, perhaps. */
	if (r == 0)
		fs_nodes_drop(&server->nodes, request->header.nodeid, name);
	if (r == 0)
		r = fuse_enter(server, request->header.nodeid, name, &out);
	return r < 0 ? fuse_refuse(request, r) : fuse_reply_entry(server, request, &out, sizeof(out));
}

static uint32_t make_node(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_mknod_in in;
	size_t offset = sizeof(in);
	const char *name;
	int r = FUSE_TAKE(request, &in) ? fuse_take_name(request, &offset, &name) : -EINVAL;
	if (r < 0)
		return fuse_refuse(request, r);
	return make(server, request, name, &(struct making){.mode = in.mode});
}

static uint32_t make_directory(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_mkdir_in in;
	size_t offset = sizeof(in);
	const char *name;
	int r = FUSE_TAKE(request, &in) ? fuse_take_name(request, &offset, &name) : -EINVAL;
	if (r < 0)
		return fuse_refuse(request, r);
	return make(server, request, name, &(struct making){.mode = S_IFDIR | (in.mode & 07777)});
}

/* What it says is the guest's to follow, and may be anything. */
static uint32_t make_symbolic_link(struct fuse_server *server, const struct fuse_request *request)
{
	size_t offset = 0;
	const char *name, *target;
	int r = fuse_take_name(request, &offset, &name);
	if (r == 0)
		r = fuse_take_text(request, &offset, &target);
	if (r == 0)
		r = fuse_count_written(server, strlen(target));
	if (r < 0)
		return fuse_refuse(request, r);
	return make(server, request, name, &(struct making){.mode = S_IFLNK, .target = target});
}

/* By the path of its fd: with the fd alone it needs CAP_DAC_READ_SEARCH (linkat(2)). */
static int link_node(struct fuse_server *server, uint64_t number, uint64_t parent, const char *name)
{
	char path[FUSE_FD_NAME];
	struct stat st, above;
	_cleanup_close_ int node = fuse_open_node(server, number, &st);
	_cleanup_close_ int directory = node < 0 ? node : fuse_open_node(server, parent, &above);
	if (directory < 0)
		return directory;
	if (S_ISLNK(st.st_mode))
		return -EPERM;
	fuse_fd_name(node, path);
	return linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static uint32_t make_link(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_link_in in;
	struct fuse_entry_out out;
	size_t offset = sizeof(in);
	const char *name;
	int r = FUSE_TAKE(request, &in) ? fuse_take_name(request, &offset, &name) : -EINVAL;
	if (r == 0)
		r = link_node(server, in.oldnodeid, request->header.nodeid, name);
	if (r == 0)
		fs_nodes_drop(&server->nodes, request->header.nodeid, name);
	if (r == 0)
		r = fuse_enter(server, request->header.nodeid, name, &out);
	return r < 0 ? fuse_refuse(request, r) : fuse_reply_entry(server, request, &out, sizeof(out));
}

static uint32_t remove_name(struct fuse_server *server, const struct fuse_request *request, bool is_directory)
{
	struct stat st;
	size_t offset = 0;
	const char *name;
	int r = fuse_take_name(request, &offset, &name);
	_cleanup_close_ int directory = r < 0 ? r : fuse_open_node(server, request->header.nodeid, &st);
	if (directory < 0)
		return fuse_refuse(request, directory);
	if (unlinkat(directory, name, is_directory ? AT_REMOVEDIR : 0) < 0)
		return fuse_refuse(request, -errno);
	fs_nodes_drop(&server->nodes, request->header.nodeid, name);
	return fuse_refuse(request, 0);
}

struct renaming {
	uint64_t from, to;
	const char *name, *new_name;
	unsigned flags;
};

static int rename_node(struct fuse_server *server, const struct renaming *renaming)
{
	struct stat st;
	/* RENAME_WHITEOUT makes a device. */
	if (renaming->flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	_cleanup_close_ int from = fuse_open_node(server, renaming->from, &st);
	_cleanup_close_ int to = from < 0 ? from : fuse_open_node(server, renaming->to, &st);
	if (to < 0)
		return to;
	if (renameat2(from, renaming->name, to, renaming->new_name, renaming->flags) < 0)
		return -errno;
	fs_nodes_move(&server->nodes, renaming->from, renaming->name, renaming->to, renaming->new_name,
		      renaming->flags & RENAME_EXCHANGE);
	return 0;
}

static uint32_t rename_name(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_rename2_in in = {0};
	struct renaming renaming = {.from = request->header.nodeid};
	bool has_flags = request->header.opcode == FUSE_RENAME2;
	size_t offset = has_flags ? sizeof(in) : sizeof(struct fuse_rename_in);
	if (request->argument_size < offset)
		return fuse_refuse(request, -EINVAL);
	memcpy(&in, request->argument, offset);
	renaming.to = in.newdir;
	renaming.flags = in.flags;
	int r = fuse_take_name(request, &offset, &renaming.name);
	if (r == 0)
		r = fuse_take_name(request, &offset, &renaming.new_name);
	if (r == 0)
		r = rename_node(server, &renaming);
	return fuse_refuse(request, r);
}

/* Everything belongs to the host program's user, and goes on to: what is there already may be asked for. */
static int check_owner(const struct fuse_server *server, const struct fuse_setattr_in *in, const struct stat *st)
{
	const struct fuse_attr seen = fuse_attributes(server, st);
	return ((in->valid & FATTR_UID) && in->uid != seen.uid) || ((in->valid & FATTR_GID) && in->gid != seen.gid)
		       ? -EPERM
		       : 0;
}

static int set_size(const struct fuse_server *server, int node, uint64_t size)
{
	if (size > INT64_MAX)
		return -EFBIG;
	_cleanup_close_ int fd = fuse_open_found(server, node, O_WRONLY, false);
	if (fd < 0)
		return fd;
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static struct timespec time_of(const struct fuse_setattr_in *in, uint32_t set, uint32_t now, uint64_t seconds,
			       uint32_t nanoseconds)
{
	if (!(in->valid & (set | now)))
		return (struct timespec){.tv_nsec = UTIME_OMIT};
	if (in->valid & now)
		return (struct timespec){.tv_nsec = UTIME_NOW};
	return (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = nanoseconds % 1000000000};
}

static int set_times(const struct fuse_setattr_in *in, int node, bool is_link)
{
	char name[FUSE_FD_NAME];
	const struct timespec times[2] = {
		time_of(in, FATTR_ATIME, FATTR_ATIME_NOW, in->atime, in->atimensec),
		time_of(in, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime, in->mtimensec),
	};
	if (is_link)
		return utimensat(node, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
	fuse_fd_name(node, name);
	return utimensat(AT_FDCWD, name, times, 0) < 0 ? -errno : 0;
}

static int set_attributes(const struct fuse_server *server, const struct fuse_setattr_in *in, int node, struct stat *st)
{
	/* A file that is open for writing may be changed in size whatever its mode is. */
	int open_fd = in->valid & FATTR_FH ? fuse_fd_of(server, in->fh) : -1;
	int r = check_owner(server, in, st);
	if (r == 0 && (in->valid & FATTR_SIZE) && (open_fd < 0 || ftruncate(open_fd, (off_t)in->size) < 0))
		r = set_size(server, node, in->size);
	if (r == 0 && (in->valid & FATTR_MODE))
		r = S_ISLNK(st->st_mode) ? -EOPNOTSUPP : fuse_set_mode(server, node, in->mode);
	if (r == 0 && (in->valid & (FATTR_ATIME | FATTR_MTIME)))
		r = set_times(in, node, S_ISLNK(st->st_mode));
	return r == 0 && fstat(node, st) < 0 ? -errno : r;
}

static uint32_t change_attributes(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_setattr_in in;
	struct fuse_attr_out out = {.attr_valid = 1};
	struct stat st;
	if (!FUSE_TAKE(request, &in))
		return fuse_refuse(request, -EINVAL);
	_cleanup_close_ int node = fuse_open_node(server, request->header.nodeid, &st);
	int r = node < 0 ? node : set_attributes(server, &in, node, &st);
	if (r < 0)
		return fuse_refuse(request, r);
	out.attr = fuse_attributes(server, &st);
	return fuse_reply(request, 0, &out, sizeof(out));
}

/* Without writing. */
static uint32_t refuse_change(const struct fuse_request *request)
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
		return fuse_refuse(request, -EROFS);
	default:
		/* The guest's kernel does not ask again. */
		return fuse_refuse(request, -ENOSYS);
	}
}

uint32_t fuse_serve_change(struct fuse_server *server, const struct fuse_request *request)
{
	if (!server->rights.writes)
		return refuse_change(request);
	switch (request->header.opcode) {
	case FUSE_MKNOD:
		return make_node(server, request);
	case FUSE_MKDIR:
		return make_directory(server, request);
	case FUSE_SYMLINK:
		return make_symbolic_link(server, request);
	case FUSE_LINK:
		return make_link(server, request);
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		return remove_name(server, request, request->header.opcode == FUSE_RMDIR);
	case FUSE_RENAME:
	case FUSE_RENAME2:
		return rename_name(server, request);
	case FUSE_SETATTR:
		return change_attributes(server, request);
	default:
		return fuse_serve_xattr(server, request);
	}
}
