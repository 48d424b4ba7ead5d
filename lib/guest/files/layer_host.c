/* SPDX-License-Identifier: MIT */
/*
 * Layers that are directories of the host. Another process of the host may change them at any time, so whatever is
 * examined is held by a fd, and opened through it (proc(5): /proc/self/fd). Names are single components, looked up
 * beneath the directory's fd.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fd.h"
#include "core/pseudo_files.h"
#include "guest/files/layer.h"

/* As of overlay file systems in images (OCI image specification, "Whiteouts"). */
static const char whiteout_prefix[] = ".wh.";
static const char opaque_name[] = ".wh..wh..opq";

enum { PREFIX_LENGTH = 4, ENTRIES_SIZE = 32 << 10, FD_NAME = 32 };

/*
 * What a single name stands for in a directory, and nothing beyond: a link is not followed. Not by openat2(2), which
 * could make files with any bits (see contained/policy.c).
 */
static int open_beneath(int directory, const char *name, int flags, mode_t mode)
{
	int fd;
	if (strchr(name, '/') || !strcmp(name, ".."))
		return -EXDEV;
	while ((fd = openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW, mode)) < 0 && errno == EINTR)
		;
	fd = fd_above_streams(fd);
	return fd < 0 ? -errno : fd;
}

static void fd_name(int fd, char out[FD_NAME])
{
	snprintf(out, FD_NAME, "/proc/self/fd/%d", fd);
}

static bool is_reserved(const struct layer *layer, const char *name)
{
	return layer->has_whiteouts && !strncmp(name, whiteout_prefix, PREFIX_LENGTH);
}

/* Names of NAME_MAX bytes less the prefix can be hidden. */
static int whiteout_name(const char *name, char out[NAME_MAX + 1])
{
	int n = snprintf(out, NAME_MAX + 1, "%s%s", whiteout_prefix, name);
	return n > NAME_MAX ? -ENAMETOOLONG : 0;
}

static bool has_whiteout(const struct layer *layer, int directory, const char *name)
{
	char hidden[NAME_MAX + 1];
	struct stat st;
	return layer->has_whiteouts && whiteout_name(name, hidden) == 0 &&
	       fstatat(directory, hidden, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int status(const struct layer *layer, const struct part *part, struct stat *out)
{
	if (fstat(part->fd, out) < 0)
		return -errno;
	if (layer->maps_owner && out->st_uid == geteuid())
		out->st_uid = layer->uid;
	if (layer->maps_owner && out->st_gid == getegid())
		out->st_gid = layer->gid;
	return 0;
}

static int look(const struct layer *layer, const struct part *directory, const char *name, struct part *out,
		struct stat *out_st)
{
	struct stat st;
	if (is_reserved(layer, name))
		return -ENOENT;
	_cleanup_close_ int fd = open_beneath(directory->fd, name, O_PATH, 0);
	if (fd == -ENOENT && has_whiteout(layer, directory->fd, name))
		return LAYER_WHITEOUT;
	if (fd < 0)
		return fd;
	struct part found = {.fd = fd};
	int r = status(layer, &found, out_st);
	if (r == 0 && out_st->st_dev != layer->device && is_of_pseudo_files(fd))
		r = -ENOENT;
	if (r < 0)
		return r;
	if (layer->has_whiteouts && S_ISDIR(out_st->st_mode))
		found.opaque = fstatat(fd, opaque_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	found.fd = TAKE_FD(fd);
	*out = found;
	return 0;
}

static ssize_t read_link(const struct layer *layer, const struct part *part, char *out, size_t size)
{
	ssize_t n = readlinkat(part->fd, "", out, size);
	return n < 0 ? -errno : n;
}

int layer_host_open(const struct part *part, int flags)
{
	/* Through the fd that was examined, so that nothing else can have come in its place: no FIFO that blocks, no
	 * device that does something. */
	char name[FD_NAME];
	struct stat st;
	if (fstat(part->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return -EACCES;
	fd_name(part->fd, name);
	int fd = fd_above_streams(open(name, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
	return fd < 0 ? -errno : fd;
}

struct raw_entry {
	uint64_t ino;
	int64_t offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

static int list_one(const struct layer *layer, const struct raw_entry *at, layer_entry_fn *entry, void *data)
{
	if (!strcmp(at->name, ".") || !strcmp(at->name, ".."))
		return 0;
	if (!is_reserved(layer, at->name))
		return entry(data, at->name, at->ino, at->type, false);
	return strcmp(at->name, opaque_name) != 0 ? entry(data, at->name + PREFIX_LENGTH, 0, DT_UNKNOWN, true) : 0;
}

static int list(const struct layer *layer, const struct part *directory, layer_entry_fn *entry, void *data)
{
	_cleanup_close_ int fd = layer_host_open(directory, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	_cleanup_free_ uint8_t *buffer = malloc(ENTRIES_SIZE);
	if (!buffer)
		return -ENOMEM;
	int r = 0;
	for (long n; r == 0 && (n = syscall(SYS_getdents64, fd, buffer, ENTRIES_SIZE)) != 0;) {
		if (n < 0)
			return -errno;
		for (long at = 0; r == 0 && at < n; at += ((struct raw_entry *)(buffer + at))->length)
			r = list_one(layer, (struct raw_entry *)(buffer + at), entry, data);
	}
	return r;
}

/* Set-user-ID programs of the host's user are not for a guest to make. */
static mode_t safe_mode(mode_t mode)
{
	return mode & (0777 | S_ISVTX);
}

/* The host program's umask is not the guest's. */
static int set_mode(int fd, mode_t mode)
{
	char name[FD_NAME];
	fd_name(fd, name);
	return chmod(name, safe_mode(mode)) < 0 ? -errno : 0;
}

static void forget_whiteout(const struct layer *layer, int directory, const char *name)
{
	char hidden[NAME_MAX + 1];
	if (layer->has_whiteouts && whiteout_name(name, hidden) == 0)
		unlinkat(directory, hidden, 0);
}

/* A fd of a regular file, 0 for others, or a negative errno. */
static int make_kind(const struct part *directory, const char *name, const struct making *making)
{
	if (S_ISDIR(making->mode))
		return mkdirat(directory->fd, name, 0700) < 0 ? -errno : 0;
	if (S_ISLNK(making->mode))
		return symlinkat(making->target, directory->fd, name) < 0 ? -errno : 0;
	if (!S_ISREG(making->mode))
		return -EPERM;
	return open_beneath(directory->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK | O_NOCTTY, 0600);
}

/*
 * Whether what has the name is what was made under it: another process of the host may have put something else in its
 * place, of which nothing must be changed.
 */
static bool is_own_making(int fd, const struct making *making)
{
	struct stat st;
	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == (making->mode & S_IFMT) && st.st_uid == geteuid() &&
	       (S_ISLNK(st.st_mode) || (st.st_mode & 077) == 0);
}

static int make(const struct layer *layer, const struct part *directory, const char *name, const struct making *making,
		struct part *out)
{
	if (is_reserved(layer, name))
		return -EINVAL;
	int r = make_kind(directory, name, making);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = S_ISREG(making->mode) ? r : open_beneath(directory->fd, name, O_PATH, 0);
	if (fd < 0)
		return fd;
	if (!is_own_making(fd, making))
		return -EAGAIN;
	r = S_ISLNK(making->mode) ? 0 : set_mode(fd, making->mode);
	if (r < 0)
		return r;
	forget_whiteout(layer, directory->fd, name);
	*out = (struct part){.fd = TAKE_FD(fd)};
	return 0;
}

static int make_link(const struct layer *layer, const struct part *part, const struct part *directory, const char *name)
{
	char own[FD_NAME];
	if (is_reserved(layer, name))
		return -EINVAL;
	fd_name(part->fd, own);
	/* Not AT_EMPTY_PATH, which needs CAP_DAC_READ_SEARCH. */
	struct stat st;
	if (fstat(part->fd, &st) < 0 || S_ISLNK(st.st_mode))
		return -EPERM;
	if (linkat(AT_FDCWD, own, directory->fd, name, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	forget_whiteout(layer, directory->fd, name);
	return 0;
}

/* A directory of which nothing is to be seen: what is left in it are whiteouts. */
static void remove_whiteouts(const struct layer *layer, int directory, const char *name)
{
	struct part part = {.fd = layer->has_whiteouts ? open_beneath(directory, name, O_PATH | O_DIRECTORY, 0) : -1};
	int fd = part.fd < 0 ? -1 : layer_host_open(&part, O_RDONLY | O_DIRECTORY);
	close_fd(part.fd);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		close_fd(fd);
		return;
	}
	for (struct dirent *at; (at = readdir(dir));)
		if (!strncmp(at->d_name, whiteout_prefix, PREFIX_LENGTH))
			unlinkat(dirfd(dir), at->d_name, 0);
	closedir(dir);
}

static int remove_name(const struct layer *layer, const struct part *directory, const char *name, bool is_directory)
{
	if (is_directory)
		remove_whiteouts(layer, directory->fd, name);
	return unlinkat(directory->fd, name, is_directory ? AT_REMOVEDIR : 0) < 0 ? -errno : 0;
}

static int rename_entry(const struct layer *layer, const struct part *from, const char *name, const struct part *to,
			const char *new_name, bool exchange)
{
	if (is_reserved(layer, new_name))
		return -EINVAL;
	if (!exchange)
		remove_whiteouts(layer, to->fd, new_name);
	if (renameat2(from->fd, name, to->fd, new_name, exchange ? RENAME_EXCHANGE : 0) < 0)
		return -errno;
	forget_whiteout(layer, to->fd, new_name);
	return 0;
}

static int make_empty(int directory, const char *name)
{
	int fd = open_beneath(directory, name, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY, 0600);
	return fd < 0 ? fd : (close_fd(fd), 0);
}

static int hide(const struct layer *layer, const struct part *directory, const char *name)
{
	char hidden[NAME_MAX + 1];
	int r = whiteout_name(name, hidden);
	return r < 0 ? r : make_empty(directory->fd, hidden);
}

static int set_opaque(const struct layer *layer, const struct part *directory)
{
	return make_empty(directory->fd, opaque_name);
}

static int set_size(const struct part *part, uint64_t size)
{
	_cleanup_close_ int fd = layer_host_open(part, O_WRONLY);
	if (fd < 0)
		return fd;
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int set_times(const struct part *part, const struct timespec times[2])
{
	char name[FD_NAME];
	struct stat st;
	if (fstat(part->fd, &st) < 0)
		return -errno;
	/* A link's own times cannot be set through its fd everywhere (AT_EMPTY_PATH: Linux 5.8). */
	if (S_ISLNK(st.st_mode))
		return utimensat(part->fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
	fd_name(part->fd, name);
	return utimensat(AT_FDCWD, name, times, 0) < 0 ? -errno : 0;
}

static int set(const struct layer *layer, const struct part *part, const struct change *change)
{
	int r = 0;
	/* Everything belongs to the host program's user, and goes on to. */
	if (change->has_owner && ((change->uid != (unsigned)-1 && change->uid != layer->uid) ||
				  (change->gid != (unsigned)-1 && change->gid != layer->gid)))
		return -EPERM;
	if (change->has_size)
		r = set_size(part, change->size);
	if (r == 0 && change->has_mode)
		r = set_mode(part->fd, change->mode);
	if (r == 0 && change->has_times)
		r = set_times(part, change->times);
	return r;
}

const struct layer_ops layer_host_ops = {
	.look = look,
	.status = status,
	.read_link = read_link,
	.list = list,
	.make = make,
	.link = make_link,
	.remove = remove_name,
	.rename = rename_entry,
	.hide = hide,
	.set_opaque = set_opaque,
	.set = set,
};

int layer_start(const struct layer *layer, struct part *out)
{
	*out = (struct part){.node = layer->start, .fd = -1};
	if (layer_is_memory(layer))
		return 0;
	out->fd = fcntl(layer->fd, F_DUPFD_CLOEXEC, 3);
	return out->fd < 0 ? -errno : 0;
}

void part_release(struct part *part)
{
	part->fd = close_fd(part->fd);
}
