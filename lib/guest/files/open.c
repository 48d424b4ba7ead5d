/* SPDX-License-Identifier: MIT */
#include "guest/files/open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/files/change.h"
#include "guest/files/memory_file.h"
#include "guest/files/proc.h"
#include "guest/program/program.h"

static const int lasting_flags = O_ACCMODE | O_APPEND | O_NONBLOCK | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_DIRECT |
				 O_SYNC | O_PATH | O_TMPFILE;

static bool wants_to_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

static int wanted_rights(int flags)
{
	int read = (flags & O_ACCMODE) != O_WRONLY ? R_OK : 0;
	return read | (wants_to_write(flags) ? W_OK : 0);
}

/* A file that has taken nothing yet: it knows its path and place, and is counted with its fd of the host, if any. */
static int begin(struct program *program, enum file_kind kind, int flags, const char *path, struct mount *mount, int fd,
		 struct file **out)
{
	_cleanup_close_ int owned = fd;
	struct file *file = file_new(kind, -1, flags & lasting_flags & ~(kind == FILE_PATH ? O_ACCMODE : O_PATH));
	if (!file)
		return -ENOMEM;
	file->mount = mount;
	int r = path && !(file->path = strdup(path)) ? -ENOMEM : 0;
	if (r == 0)
		r = owned < 0 ? program_count_file(program, file) : program_take_host_fd(program, file) ? 0 : -ENFILE;
	if (r < 0) {
		file_unref(file);
		return r;
	}
	file->fd = TAKE_FD(owned);
	*out = file;
	return 0;
}

static int open_name(struct program *program, struct spot *spot, enum file_kind kind, int flags, struct file **out)
{
	bool is_host = !spot->mount->is_proc && !layer_is_memory(spot_layer(spot));
	int fd = is_host ? fcntl(spot_part(spot)->fd, F_DUPFD_CLOEXEC, 3) : -1;
	if (is_host && fd < 0)
		return -errno;
	int r = begin(program, kind, flags, spot->path, spot->mount, fd, out);
	if (r < 0)
		return r;
	(*out)->type = spot->st.st_mode & S_IFMT;
	(*out)->rdev = spot->st.st_rdev;
	if (!is_host && !spot->mount->is_proc)
		memory_file_set_node(*out, spot_part(spot)->node);
	return 0;
}

static int open_device(struct program *program, struct spot *spot, int flags, struct file **out)
{
	int kind = device_kind(spot->st.st_rdev);
	/* There is no terminal; and no other device. */
	if (kind < 0)
		return spot->st.st_rdev == makedev(5, 0) ? -ENXIO : -EACCES;
	int r = begin(program, (enum file_kind)kind, flags, spot->path, NULL, -1, out);
	if (r < 0)
		return r;
	(*out)->rdev = spot->st.st_rdev;
	return 0;
}

static int open_regular(struct program *program, struct spot *spot, int flags, struct file **out)
{
	int r = wants_to_write(flags) ? change_own(program, spot, flags & O_TRUNC) : 0;
	if (r < 0)
		return r;
	if (layer_is_memory(spot_layer(spot))) {
		r = begin(program, FILE_MEMORY, flags, spot->path, spot->mount, -1, out);
		if (r < 0)
			return r;
		memory_file_set_node(*out, spot_part(spot)->node);
	} else {
		/* Through the fd that was examined, so that nothing else can have come in its place. */
		int fd = layer_host_open(spot_part(spot), flags & O_ACCMODE);
		if (fd < 0)
			return fd;
		r = begin(program, FILE_REGULAR, flags, spot->path, spot->mount, fd, out);
		if (r < 0)
			return r;
		(*out)->is_lower = spot->top > 0;
	}
	return flags & O_TRUNC ? file_resize(program, *out, 0) : 0;
}

static int check_kind(const struct spot *spot, int flags)
{
	mode_t mode = spot->st.st_mode;
	if ((flags & O_DIRECTORY) && !S_ISDIR(mode))
		return -ENOTDIR;
	if (flags & O_PATH)
		return 0;
	if (S_ISLNK(mode))
		return -ELOOP;
	if (S_ISDIR(mode) && wants_to_write(flags))
		return -EISDIR;
	if (S_ISSOCK(mode))
		return -ENXIO;
	return S_ISFIFO(mode) || S_ISBLK(mode) ? -EACCES : 0;
}

int open_spot(struct program *program, struct spot *spot, int flags, struct file **out_file)
{
	struct file *file = NULL;
	int r = check_kind(spot, flags);
	if (r == 0 && !(flags & O_PATH))
		r = spot_permission(program, spot, wanted_rights(flags));
	if (r < 0)
		return r;
	if (flags & O_PATH)
		r = open_name(program, spot, FILE_PATH, flags, &file);
	else if (S_ISDIR(spot->st.st_mode))
		r = open_name(program, spot, FILE_DIRECTORY, flags, &file);
	else if (S_ISCHR(spot->st.st_mode))
		r = open_device(program, spot, flags, &file);
	else if (spot->mount->is_proc)
		r = proc_open(program, spot, flags, &file);
	else
		r = open_regular(program, spot, flags, &file);
	if (r < 0)
		file_unref(file);
	else
		*out_file = file;
	return r;
}

/* For writing to what is open of a lower layer: by its name, as a copy. */
static int open_by_name(struct program *program, struct file *file, int flags, struct file **out_file)
{
	_cleanup_free_ struct spot *spot = malloc(sizeof(*spot));
	if (!spot)
		return -ENOMEM;
	int r = view_find_file(program, file, spot);
	if (r == 0)
		r = open_spot(program, spot, flags, out_file);
	spot_release(spot);
	return r;
}

/* As spot_permission(), of a file in memory that need not have a name any more. */
static int node_permission(struct program *program, struct file *file, int wanted)
{
	struct memory_node *node = memory_file_node(file);
	_cleanup_free_ struct spot *spot = calloc(1, sizeof(*spot));
	if (!spot)
		return -ENOMEM;
	spot->mount = file->mount;
	memory_status(node, &spot->st);
	for (unsigned i = 0; i < file->mount->layer_count; i++) {
		if (file->mount->layers[i].tree != node->tree)
			continue;
		spot->top = (int)i;
		spot->parts[i].node = node;
		return spot_permission(program, spot, wanted);
	}
	return -EACCES;
}

/* The same file, by a fd of its own. */
static int open_again(struct program *program, struct file *file, int flags, struct file **out)
{
	int host = -1;
	if (file->kind == FILE_REGULAR) {
		const struct part part = {.fd = file->fd};
		host = layer_host_open(&part, flags & O_ACCMODE);
		if (host < 0)
			return host;
	} else {
		int r = node_permission(program, file, wanted_rights(flags));
		if (r < 0)
			return r;
	}
	int r = begin(program, file->kind, flags, file->path, file->mount, host, out);
	if (r < 0)
		return r;
	(*out)->is_lower = file->is_lower;
	if (file->node)
		memory_file_set_node(*out, memory_file_node(file));
	return 0;
}

/* What /proc/self/fd/N and its like lead to: the same stream or object, or the file opened anew. */
static int open_own(struct program *program, int fd, int flags, struct file **out_file)
{
	struct file *file = program_file(program, fd), *anew = NULL;
	if (!file)
		return -ENOENT;
	if (file->kind != FILE_MEMORY && file->kind != FILE_REGULAR) {
		*out_file = file_ref(file);
		return 0;
	}
	if (wants_to_write(flags) && !file->mount->writable)
		return -EROFS;
	if (wants_to_write(flags) && file->is_lower)
		return open_by_name(program, file, flags, out_file);
	int r = open_again(program, file, flags, &anew);
	if (r == 0 && (flags & O_TRUNC))
		r = file_resize(program, anew, 0);
	if (r < 0)
		file_unref(anew);
	else
		*out_file = anew;
	return r;
}

/* The rights of a new file count from the next opening on. */
static int open_new(struct program *program, struct spot *found, int flags, mode_t mode, struct file **out_file)
{
	int r;
	struct place *place = place_of(program, found->path, &r);
	if (!place)
		return r;
	const struct making making = {.mode = S_IFREG | (mode & 07777 & ~program->umask)};
	r = change_make(program, place, making);
	if (r == 0)
		r = open_regular(program, &place->child, flags & ~O_TRUNC, out_file);
	place_free(place);
	return r;
}

/* O_TMPFILE: a file without a name. */
static int open_unnamed(struct program *program, struct spot *directory, int flags, mode_t mode, struct file **out)
{
	int r = spot_permission(program, directory, W_OK | X_OK);
	if (r == 0 && (flags & O_ACCMODE) == O_RDONLY)
		r = -EINVAL;
	if (r == 0 && !S_ISDIR(directory->st.st_mode))
		r = -ENOTDIR;
	if (r == 0)
		r = change_own_directory(program, directory);
	if (r < 0)
		return r;
	const struct layer *top = &directory->mount->layers[0];
	mode &= 07777 & ~program->umask;
	if (!layer_is_memory(top))
		return -EOPNOTSUPP;
	struct memory_node *node = memory_node_new(top->tree, S_IFREG | mode, program->uid, program->gid, &r);
	if (!node)
		return r;
	memory_node_hold(node);
	r = begin(program, FILE_MEMORY, flags, directory->path, directory->mount, -1, out);
	if (r == 0)
		memory_file_set_node(*out, node);
	memory_node_release(node);
	return r;
}

int open_at(struct program *program, int directory, const char *path, int flags, mode_t mode, struct file **out_file)
{
	bool is_new = (flags & O_CREAT) && (flags & O_EXCL);
	bool is_unnamed = (flags & O_TMPFILE) == O_TMPFILE;
	unsigned find = (flags & O_NOFOLLOW) || is_new ? 0 : FIND_FOLLOW;
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
	else if ((flags & O_CREAT) && !is_unnamed)
		find |= FIND_MAKE;
	_cleanup_free_ struct spot *spot = malloc(sizeof(*spot));
	if (!spot)
		return -ENOMEM;
	int r = view_find(program, directory, path, find, spot);
	if (r < 0)
		return r;
	if (is_unnamed)
		r = open_unnamed(program, spot, flags & ~O_TMPFILE, mode, out_file);
	else if (spot->top < 0)
		r = open_new(program, spot, flags, mode, out_file);
	else if (is_new && !(flags & O_PATH))
		r = -EEXIST;
	else if (proc_is_fd(spot) && (find & FIND_FOLLOW) && S_ISLNK(spot->st.st_mode))
		r = open_own(program, spot->proc.fd, flags, out_file);
	else if (S_ISDIR(spot->st.st_mode) && (flags & O_CREAT))
		r = -EISDIR;
	else
		r = open_spot(program, spot, flags, out_file);
	spot_release(spot);
	return r;
}

struct file *open_memory(struct program *program, const char *name, int *error)
{
	char path[PATH_MAX];
	struct file *file = NULL;
	struct mount *mount = program->view->memory;
	struct layer *top = &mount->layers[0];
	struct memory_node *node = memory_node_new(top->tree, S_IFREG | 0777, program->uid, program->gid, error);
	if (!node)
		return NULL;
	memory_node_hold(node);
	snprintf(path, sizeof(path), "/memfd:%.*s", NAME_MAX, name);
	*error = begin(program, FILE_MEMORY, O_RDWR, path, mount, -1, &file);
	if (*error == 0)
		memory_file_set_node(file, node);
	memory_node_release(node);
	return *error < 0 ? NULL : file;
}

static struct mount *same_mount(const struct view *view, const struct mount *mount)
{
	for (size_t i = 0; mount && i < view->mount_count; i++)
		if (!strcmp(view->mounts[i]->path, mount->path))
			return view->mounts[i];
	return NULL;
}

/* The host's file again, with a position of its own. */
static int open_host_again(const struct file *file)
{
	const struct part part = {.fd = file->fd};
	if (file->kind != FILE_REGULAR)
		return fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
	int fd = layer_host_open(&part, file->flags & O_ACCMODE);
	off_t at = lseek(file->fd, 0, SEEK_CUR);
	if (fd >= 0 && at > 0)
		lseek(fd, at, SEEK_SET);
	return fd;
}

static int copy_text(const struct file *file, struct file *copy)
{
	if (file->kind != FILE_TEXT)
		return 0;
	copy->object = malloc(file->object_size + 1);
	if (!copy->object)
		return -ENOMEM;
	memcpy(copy->object, file->object, file->object_size);
	return proc_set_size(copy, file->object_size);
}

struct file *open_copy_of(struct file *file, struct program *program, int *error)
{
	struct file *copy = NULL;
	*error = -EOPNOTSUPP;
	if (file->kind == FILE_STREAM || file->kind == FILE_CAPTURE || file->kind == FILE_OBJECT)
		return NULL;
	int fd = file->fd < 0 ? -1 : open_host_again(file);
	*error = file->fd >= 0 && fd < 0 ? (fd < -1 ? fd : -errno) : 0;
	if (*error == 0)
		*error = begin(program, file->kind, 0, file->path, same_mount(program->view, file->mount), fd, &copy);
	if (*error < 0)
		return NULL;
	copy->flags = file->flags;
	copy->is_lower = file->is_lower;
	copy->type = file->type;
	copy->rdev = file->rdev;
	copy->position = file->position;
	if (file->node)
		memory_file_set_node(copy, memory_file_node(file));
	*error = copy_text(file, copy);
	return *error < 0 ? file_unref(copy) : copy;
}

int open_bare(struct program *program, enum file_kind kind, int flags, const char *path, struct mount *mount,
	      struct file **out)
{
	return begin(program, kind, flags, path, mount, -1, out);
}

int open_node(struct program *program, struct mount *mount, struct memory_node *node, const char *path, int flags,
	      bool checked, struct file **out)
{
	struct file *file = NULL;
	int r = begin(program, FILE_MEMORY, flags, path, mount, -1, &file);
	if (r < 0)
		return r;
	memory_file_set_node(file, node);
	r = checked ? node_permission(program, file, wanted_rights(flags)) : 0;
	if (r < 0)
		file_unref(file);
	else
		*out = file;
	return r;
}
