/* SPDX-License-Identifier: MIT */
#include "guest/program/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/files/locks.h"
#include "guest/files/mapped.h"
#include "guest/files/memory_file.h"
#include "guest/files/open.h"
#include "guest/files/view.h"
#include "guest/program/copies.h"
#include "guest/program/events/epoll.h"

const struct file_ops contact_ops;

static const struct {
	const struct file_ops *ops;
	mode_t type;
} kinds[] = {
	[FILE_REGULAR] = {&host_file_ops, S_IFREG},
	[FILE_DIRECTORY] = {&directory_ops, S_IFDIR},
	[FILE_PATH] = {&path_ops, 0},
	[FILE_STREAM] = {&stream_ops, S_IFIFO},
	[FILE_DEVICE] = {&device_ops, S_IFCHR},
	[FILE_CAPTURE] = {&capture_ops, S_IFIFO},
	[FILE_MEMORY] = {&memory_file_ops, S_IFREG},
	[FILE_TEXT] = {&text_ops, S_IFREG},
	[FILE_OBJECT] = {&contact_ops, 0},
	[FILE_CONTACT] = {&contact_ops, S_IFCHR},
};

struct file *file_new(enum file_kind kind, int fd, int flags)
{
	struct file *file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	*file = (struct file){
		.references = 1,
		.kind = kind,
		.ops = kinds[kind].ops,
		.type = kinds[kind].type,
		.fd = fd,
		.flags = flags,
	};
	return file;
}

struct file *file_new_object(const struct file_ops *ops, void *object, mode_t type, int flags)
{
	struct file *file = file_new(FILE_OBJECT, -1, flags);
	if (file) {
		file->type = type;
		file->ops = ops;
		file->object = object;
	}
	return file;
}

void file_free_object(struct file *file)
{
	free(file->object);
}

int file_copy_object(const struct file *file, struct file *copy, size_t size)
{
	copy->object = malloc(size);
	if (!copy->object)
		return -ENOMEM;
	memcpy(copy->object, file->object, size);
	return 0;
}

struct file *file_ref(struct file *file)
{
	if (file)
		file->references++;
	return file;
}

/* The fd of a file, for one more. NULL without memory. */
static struct shared_fd *share_fd(struct file *file)
{
	struct shared_fd *shared = atomic_load(&file->shared);
	if (!shared) {
		struct shared_fd *made = malloc(sizeof(*made));
		if (!made)
			return NULL;
		*made = (struct shared_fd){.references = 1, .fd = file->fd};
		if (atomic_compare_exchange_strong(&file->shared, &shared, made))
			shared = made;
		else
			free(made);
	}
	atomic_fetch_add(&shared->references, 1);
	return shared;
}

static void unshare_fd(struct shared_fd *shared)
{
	if (atomic_fetch_sub(&shared->references, 1) == 1) {
		close_fd(shared->fd);
		free(shared);
	}
}

static void release_fd(const struct file *file)
{
	if (file->shared)
		unshare_fd(file->shared);
	else
		close_fd(file->fd);
}

struct file *file_unref(struct file *file)
{
	if (file && --file->references == 0) {
		epoll_forget(file);
		if (file->view && file->has_locks)
			locks_forget_file(file->view, file);
		if (file->ops->release)
			file->ops->release(file);
		release_fd(file);
		if (file->view) {
			file->view->counts.open--;
			file->view->counts.host_fds -= file->has_host_fd;
		}
		free(file->path);
		free(file);
	}
	return NULL;
}

/* The same file with a fd of its own, counted nowhere and without what only the original may hold. */
static int copy_plain(const struct file *file, int fd, struct file **out)
{
	struct file *copy = calloc(1, sizeof(*copy));
	char *path = file->path ? strdup(file->path) : NULL;
	if (!copy || (file->path && !path)) {
		free(copy);
		free(path);
		close_fd(fd);
		return -ENOMEM;
	}
	*copy = *file;
	copy->references = 1;
	copy->fd = fd;
	copy->shared = NULL;
	copy->path = path;
	copy->view = NULL;
	copy->mount = NULL;
	copy->node = NULL;
	copy->listing = NULL;
	copy->object = NULL;
	copy->object_size = 0;
	copy->capture_capacity = 0;
	copy->watchers = NULL;
	copy->has_host_fd = copy->has_locks = false;
	*out = copy;
	return 0;
}

static int copy_with_fd(const struct file *file, struct file **out)
{
	int fd = file->fd < 0 ? -1 : fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
	return file->fd >= 0 && fd < 0 ? -errno : copy_plain(file, fd, out);
}

/* Thousands of clones of a snapshot have its streams. */
static int copy_with_same_fd(struct file *file, struct file **out)
{
	struct shared_fd *shared = file->fd < 0 ? NULL : share_fd(file);
	if (file->fd >= 0 && !shared)
		return -ENOMEM;
	int r = copy_plain(file, -1, out);
	if (r < 0) {
		if (shared)
			unshare_fd(shared);
		return r;
	}
	(*out)->fd = file->fd;
	(*out)->shared = shared;
	return 0;
}

int file_copy_mapped(struct file *file, struct file **out)
{
	if (!file->ops->contents || file->kind == FILE_OBJECT || file->kind == FILE_TEXT)
		return -EOPNOTSUPP;
	int r = copy_with_fd(file, out);
	if (r == 0 && file->node)
		memory_file_set_node(*out, memory_file_node(file));
	return r;
}

static int copy_object(const struct file *file, struct copies *copies, struct file **out)
{
	struct file *copy;
	int r = copy_plain(file, -1, &copy);
	if (r < 0)
		return r;
	r = file->ops->copy(file, copy, copies);
	if (r < 0) {
		/* Without an object there is nothing that its operations could release. */
		copy->ops = copy->object ? copy->ops : &contact_ops;
		file_unref(copy);
		return r;
	}
	*out = copy;
	return 0;
}

int file_copy(struct file *file, struct copies *copies, struct file **out)
{
	int r;
	if (file->kind == FILE_OBJECT)
		return copy_object(file, copies, out);
	if (file->kind == FILE_STREAM || file->kind == FILE_CAPTURE || file->kind == FILE_CONTACT)
		return copy_with_same_fd(file, out);
	struct file *copy = open_copy_of(file, copies->program, &r);
	if (copy)
		*out = copy;
	return copy ? 0 : r;
}

ssize_t file_read_at(struct file *file, void *out, size_t size, uint64_t offset)
{
	if (!file->ops->contents)
		return -ENODEV;
	mapped_begin(file, offset, size);
	return file->ops->contents(file, out, size, offset);
}

int file_resize(struct program *program, struct file *file, uint64_t size)
{
	struct stat before, after;
	bool is_mapped = file->view && file->view->mapped && file_status(file, &before) == 0;
	int r = file->ops->resize(program, file, size);
	if (r == 0 && is_mapped && file_status(file, &after) == 0)
		mapped_resized(file->view, &after, file->kind == FILE_MEMORY, (uint64_t)before.st_size);
	return r;
}

bool file_is_seekable(const struct file *file)
{
	return file->ops->seek && (file->kind != FILE_STREAM || S_ISREG(file->type));
}

int file_status(struct file *file, struct stat *out)
{
	if (file->ops->status)
		return file->ops->status(file, out);
	if (file->fd >= 0 && file->kind != FILE_OBJECT)
		return fstat(file->fd, out) < 0 ? -errno : 0;
	*out = (struct stat){.st_mode = file->type | 0600, .st_nlink = 1, .st_blksize = 4096};
	return 0;
}
