/* SPDX-License-Identifier: MIT */
/*
 * The entries come directory by directory: each directory is opened once, beneath the root and without following links,
 * and everything in it is made relative to its fd. Modes are set after creation, since a umask that belongs to the host
 * program is in the way before.
 */
#include "root/build/builder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "root/build/copy.h"
#include "root/failure.h"
#include "root/source.h"

struct builder {
	const struct source *source; /* where the contents of FILEs are */
	int root;
	int parent;                          /* the directory that is being filled */
	const struct manifest_entry *filled; /* the last entry made in it */
	struct copier copier;
	size_t restricted; /* directories whose modes wait until they are filled */
};

static void builder_clear(struct builder *builder)
{
	close_fd(builder->parent);
	copier_clear(&builder->copier);
}

/* What the owner needs in a directory to fill it. */
static bool is_restricted(unsigned mode)
{
	return (mode & 0700) != 0700;
}

/* fchmodat(2) that follows no link; glibc and musl do that through /proc. */
static int set_mode_at(int parent, const char *name, unsigned mode)
{
	return fchmodat(parent, name, mode, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int build_directory(int parent, const char *name, unsigned mode)
{
	enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
	if (mkdirat(parent, name, 0700) < 0)
		return -errno;
	int fd = openat(parent, name, FLAGS);
	/* A umask that takes the owner's rights away. */
	if (fd < 0 && errno == EACCES && set_mode_at(parent, name, 0700) == 0)
		fd = openat(parent, name, FLAGS);
	if (fd >= 0 && !fchmod(fd, mode))
		return fd;
	int error = errno;
	close_fd(fd);
	unlinkat(parent, name, AT_REMOVEDIR);
	return -error;
}

static int make_directory(struct builder *builder, const struct manifest_entry *entry, const char *name)
{
	bool restricted = is_restricted(entry->mode);
	int fd = build_directory(builder->parent, name, restricted ? 0700 : entry->mode);
	if (fd < 0)
		return fd;
	builder->restricted += restricted;
	close(fd);
	return 0;
}

static int create(struct builder *builder, const char *name)
{
	int fd = openat(builder->parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int open_source(const struct source *from, const char *path, struct stat *st)
{
	int fd = source_open_regular(from, path, st);
	/* It was a regular file without links on the way when it was added. */
	if (fd == -EINVAL || fd == -ELOOP || fd == -ENXIO || fd == -ENOTDIR)
		return error_fail(VISO_STAGE_ROOT, ENOENT, path, "%s is gone: there is something else now", path);
	return fd < 0 ? fail_path(-fd, "open", path) : fd;
}

/*
 * What a base has lies in a directory of our own, and nobody needs it there once it is here: one more name for it costs
 * nothing, and what were hard links in the base are so again. 1 where that was done, 0 where it must be copied.
 */
static int take_from_scratch(struct builder *builder, const struct manifest_entry *entry, const char *name)
{
	if (linkat(AT_FDCWD, entry->source, builder->parent, name, 0) < 0)
		return 0;
	int r = set_mode_at(builder->parent, name, entry->mode);
	return r < 0 ? fail_path(-r, "set the mode of", entry->target) : 1;
}

static int make_file(struct builder *builder, const struct manifest_entry *entry, const char *name)
{
	struct stat st;
	int taken = entry->on_scratch ? take_from_scratch(builder, entry, name) : 0;
	if (taken != 0)
		return taken < 0 ? taken : 0;
	const struct source host = {.fd = -1};
	_cleanup_close_ int source = open_source(entry->on_scratch ? &host : builder->source, entry->source, &st);
	if (source < 0)
		return source;
	_cleanup_close_ int fd = create(builder, name);
	if (fd < 0)
		return fail_path(-fd, "make", entry->target);
	int r = copy_contents(&builder->copier, source, fd, &st);
	if (r < 0)
		return fail_path(-r, "copy", entry->source);
	/* The time of change matters: Python compiles a module anew where it is not that in the compiled file. */
	const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, st.st_mtim};
	if (futimens(fd, times) < 0 || fchmod(fd, entry->has_mode ? entry->mode : st.st_mode & 0777) < 0)
		return fail_path(errno, "set the mode of", entry->target);
	return 0;
}

static int make_data(struct builder *builder, const struct manifest_entry *entry, const char *name)
{
	_cleanup_close_ int fd = create(builder, name);
	if (fd < 0)
		return fd;
	int r = copy_data(fd, entry->data, entry->size);
	if (r < 0)
		return r;
	return fchmod(fd, entry->mode) < 0 ? -errno : 0;
}

static int make_device(struct builder *builder, const struct manifest_entry *entry, const char *name)
{
	if (!mknodat(builder->parent, name, S_IFCHR | entry->mode, entry->device))
		return set_mode_at(builder->parent, name, entry->mode);
	/* An ordinary user, or a user namespace: the root does without. */
	return errno == EPERM || errno == EACCES ? 0 : -errno;
}

/* Owners are for root to give. Where even root may not, in a user namespace without this id, it stays the builder's. */
static int set_owner(struct builder *builder, const struct manifest_entry *entry, const char *name)
{
	if (!entry->has_owner || geteuid() != 0 || (!entry->uid && !entry->gid))
		return 0;
	if (!fchownat(builder->parent, name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW))
		return 0;
	/* A device that could not be made is not there. */
	return errno == EINVAL || errno == EPERM || errno == ENOENT ? 0 : -errno;
}

/* Opens the directory of this entry, where it is not open from the entry before. */
static int enter(struct builder *builder, const struct manifest_entry *entry)
{
	const struct manifest_entry *filled = builder->filled;
	if (filled && filled->name == entry->name && !memcmp(filled->target, entry->target, entry->name))
		return 0;
	char path[PATH_MAX];
	/* "usr/lib" of "/usr/lib/x", "." of "/usr". */
	memcpy(path, entry->target + 1, entry->name - 1);
	path[entry->name > 1 ? entry->name - 2 : 0] = '\0';
	builder->parent = close_fd(builder->parent);
	builder->filled = NULL;
	int fd = open_beneath(builder->root, path[0] ? path : ".", O_PATH | O_DIRECTORY, true);
	if (fd < 0)
		return fd;
	builder->parent = fd;
	builder->filled = entry;
	return 0;
}

static int make(struct builder *builder, const struct manifest_entry *entry)
{
	const char *name = entry->target + entry->name;
	/* The root directory is there. */
	if (!*name)
		return 0;
	int r = enter(builder, entry);
	if (r >= 0)
		switch (entry->type) {
		case MANIFEST_DIRECTORY:
			r = make_directory(builder, entry, name);
			break;
		case MANIFEST_FILE:
			r = make_file(builder, entry, name);
			if (r < 0)
				return r;
			break;
		case MANIFEST_DATA:
			r = make_data(builder, entry, name);
			break;
		case MANIFEST_LINK:
			r = symlinkat(entry->source, builder->parent, name) < 0 ? -errno : 0;
			break;
		case MANIFEST_DEVICE:
			r = make_device(builder, entry, name);
			break;
		}
	if (r >= 0)
		r = set_owner(builder, entry, name);
	return r < 0 ? fail_path(-r, "make", entry->target) : 0;
}

/* Modes that would have been in our own way, from the inside to the outside. */
static int restrict_directories(const struct builder *builder, struct manifest_entry **sorted, size_t count)
{
	for (size_t i = count; i-- > 0 && builder->restricted;) {
		const struct manifest_entry *entry = sorted[i];
		if (entry->type != MANIFEST_DIRECTORY || !is_restricted(entry->mode) || !entry->target[1])
			continue;
		_cleanup_close_ int fd = open_beneath(builder->root, entry->target + 1, O_RDONLY | O_DIRECTORY, true);
		if (fd < 0)
			return fail_path(-fd, "open", entry->target);
		if (fchmod(fd, entry->mode) < 0)
			return fail_path(errno, "set the mode of", entry->target);
	}
	return 0;
}

int build_manifest(const struct manifest *manifest, int root)
{
	_cleanup_free_ struct manifest_entry **sorted = manifest_sorted(manifest);
	if (!sorted)
		return error_memory();
	_cleanup_(builder_clear) struct builder builder = {.source = manifest->source, .root = root, .parent = -1};
	int r = 0;
	for (size_t i = 0; r >= 0 && i < manifest->count; i++)
		r = make(&builder, sorted[i]);
	if (r >= 0)
		r = restrict_directories(&builder, sorted, manifest->count);
	const struct manifest_entry *top = manifest_find(manifest, "/");
	if (r >= 0 && fchmod(root, top ? top->mode : 0755) < 0)
		r = fail_path(errno, "set the mode of", "the root directory");
	return r;
}
