/* SPDX-License-Identifier: MIT */
/* System calls that change names and what they stand for. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "guest/files/change.h"
#include "guest/files/memory_file.h"
#include "guest/files/proc.h"
#include "guest/instance.h"
#include "guest/program/calls.h"

/* The name that a path of the guest ends with. To be freed by place_free(). */
static struct place *find_place(struct program *program, int directory, uint64_t address, int *error)
{
	char given[PATH_MAX];
	*error = call_path(program, address, given);
	return *error < 0 ? NULL : place_find(program, directory, given, error);
}

static int64_t make(struct program *program, int directory, uint64_t address, struct making making)
{
	int r;
	struct place *place = find_place(program, directory, address, &r);
	if (!place)
		return r;
	if (place->slash && place->child.top < 0 && !S_ISDIR(making.mode))
		r = -ENOENT;
	if (r == 0)
		r = change_make(program, place, making);
	place_free(place);
	return r;
}

static int64_t make_directory(struct program *program, int directory, uint64_t address, uint64_t mode)
{
	const struct making making = {.mode = S_IFDIR | ((mode_t)mode & 01777 & ~program->umask)};
	return make(program, directory, address, making);
}

int64_t call_mkdir(struct program *program, const uint64_t args[6])
{
	return make_directory(program, AT_FDCWD, args[0], args[1]);
}

int64_t call_mkdirat(struct program *program, const uint64_t args[6])
{
	return make_directory(program, (int)args[0], args[1], args[2]);
}

/* Files only: pipes with names, sockets and devices are none of the guest's. */
static int64_t make_node(struct program *program, int directory, uint64_t address, uint64_t mode)
{
	mode_t type = (mode_t)mode & S_IFMT;
	const struct making making = {.mode = S_IFREG | ((mode_t)mode & 07777 & ~program->umask)};
	struct place *place = NULL;
	int r = 0;
	if (type == 0 || type == S_IFREG)
		return make(program, directory, address, making);
	place = find_place(program, directory, address, &r);
	if (place)
		r = place->child.top >= 0 ? -EEXIST : place->directory.mount->writable ? -EPERM : -EROFS;
	place_free(place);
	return r;
}

int64_t call_mknod(struct program *program, const uint64_t args[6])
{
	return make_node(program, AT_FDCWD, args[0], args[1]);
}

int64_t call_mknodat(struct program *program, const uint64_t args[6])
{
	return make_node(program, (int)args[0], args[1], args[2]);
}

static int64_t make_symlink(struct program *program, uint64_t text, int directory, uint64_t address)
{
	char target[PATH_MAX];
	int r = call_path(program, text, target);
	if (r < 0)
		return r;
	if (!*target)
		return -ENOENT;
	const struct making making = {.mode = S_IFLNK | 0777, .target = target};
	return make(program, directory, address, making);
}

int64_t call_symlink(struct program *program, const uint64_t args[6])
{
	return make_symlink(program, args[0], AT_FDCWD, args[1]);
}

int64_t call_symlinkat(struct program *program, const uint64_t args[6])
{
	return make_symlink(program, args[0], (int)args[1], args[2]);
}

static int64_t remove_at(struct program *program, int directory, uint64_t address, bool is_directory)
{
	char given[PATH_MAX];
	int r = call_path(program, address, given);
	if (r < 0)
		return r;
	struct place *place = place_find(program, directory, given, &r);
	if (!place)
		return r;
	size_t length = strlen(given);
	if (is_directory && !place->name[0] && length > 0 && given[length - 1] == '.')
		r = length > 1 && given[length - 2] == '.' ? -ENOTEMPTY : -EINVAL;
	if (r == 0)
		r = change_remove(program, place, is_directory);
	place_free(place);
	return r;
}

int64_t call_unlink(struct program *program, const uint64_t args[6])
{
	return remove_at(program, AT_FDCWD, args[0], false);
}

int64_t call_rmdir(struct program *program, const uint64_t args[6])
{
	return remove_at(program, AT_FDCWD, args[0], true);
}

int64_t call_unlinkat(struct program *program, const uint64_t args[6])
{
	if (args[2] & ~(uint64_t)AT_REMOVEDIR)
		return -EINVAL;
	return remove_at(program, (int)args[0], args[1], args[2] & AT_REMOVEDIR);
}

/* A path that led to what has got another name, or through it, does so again; without memory it is stale. */
static void follow(char **path, const char *from, const char *to)
{
	size_t length = strlen(from);
	char *now;
	if (!*path || strncmp(*path, from, length) != 0 || ((*path)[length] && (*path)[length] != '/') ||
	    asprintf(&now, "%s%s", to, *path + length) < 0)
		return;
	free(*path);
	*path = now;
}

static void follow_files(struct program *program, const char *from, const char *to)
{
	for (size_t i = 0; i < program->slot_count; i++) {
		struct file *file = program->slots[i].file;
		/* Processes share them. */
		if (!file || file->renamed_at == program->view->turns)
			continue;
		file->renamed_at = program->view->turns;
		follow(&file->path, from, to);
	}
}

/* Working directories and open files go by their paths, of all processes. */
static void follow_all(struct program *program, const char *from, const char *to)
{
	for (struct program *other = &program->instance->program; other; other = other->next) {
		if (other->cwd)
			follow(&other->cwd, from, to);
		if (other->executable)
			follow(&other->executable, from, to);
		follow_files(other, from, to);
	}
}

static int64_t rename_at(struct program *program, int directory, uint64_t address, int new_directory,
			 uint64_t new_address, uint64_t flags)
{
	int r;
	if ((flags & ~(uint64_t)(RENAME_NOREPLACE | RENAME_EXCHANGE)) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	struct place *from = find_place(program, directory, address, &r);
	struct place *to = from ? find_place(program, new_directory, new_address, &r) : NULL;
	if (to)
		r = change_rename(program, from, to, (unsigned)flags);
	if (to && r == 0 && !(flags & RENAME_EXCHANGE))
		follow_all(program, from->child.path, to->child.path);
	place_free(from);
	place_free(to);
	return r;
}

int64_t call_rename(struct program *program, const uint64_t args[6])
{
	return rename_at(program, AT_FDCWD, args[0], AT_FDCWD, args[1], 0);
}

int64_t call_renameat(struct program *program, const uint64_t args[6])
{
	return rename_at(program, (int)args[0], args[1], (int)args[2], args[3], 0);
}

int64_t call_renameat2(struct program *program, const uint64_t args[6])
{
	return rename_at(program, (int)args[0], args[1], (int)args[2], args[3], args[4]);
}

/* A file without a name gets one: O_TMPFILE, by AT_EMPTY_PATH or by its name in /proc. */
static int link_file(struct program *program, struct file *file, struct place *to)
{
	if (!file)
		return -EBADF;
	struct spot *spot = calloc(1, sizeof(*spot));
	if (!spot)
		return -ENOMEM;
	int r = -EXDEV;
	if (file->kind == FILE_MEMORY && file->mount == to->directory.mount) {
		spot->view = program->view;
		spot->mount = file->mount;
		spot->present = 1;
		spot->parts[0] = (struct part){.node = memory_file_node(file), .fd = -1};
		r = spot->parts[0].node->tree == file->mount->layers[0].tree ? 0 : -ENOENT;
	} else if (file->path) {
		r = view_find(program, AT_FDCWD, file->path, 0, spot);
	}
	if (r == 0)
		r = change_link(program, spot, to);
	spot_release(spot);
	free(spot);
	return r;
}

static int64_t link_path(struct program *program, int directory, const char *given, uint64_t flags, struct place *to)
{
	_cleanup_free_ struct spot *spot = malloc(sizeof(*spot));
	if (!spot)
		return -ENOMEM;
	int r = view_find(program, directory, given, flags & AT_SYMLINK_FOLLOW ? FIND_FOLLOW : 0, spot);
	if (r < 0)
		return r;
	if (proc_is_fd(spot) && (flags & AT_SYMLINK_FOLLOW))
		r = link_file(program, program_file(program, spot->proc.fd), to);
	else
		r = change_link(program, spot, to);
	spot_release(spot);
	return r;
}

static int64_t link_at(struct program *program, int directory, uint64_t address, int new_directory,
		       uint64_t new_address, uint64_t flags)
{
	char given[PATH_MAX];
	if (flags & ~(uint64_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	int r = call_path(program, address, given);
	struct place *to = r < 0 ? NULL : find_place(program, new_directory, new_address, &r);
	if (!to)
		return r;
	if (!*given && (flags & AT_EMPTY_PATH))
		r = link_file(program, program_file(program, directory), to);
	else
		r = (int)link_path(program, directory, given, flags, to);
	place_free(to);
	return r;
}

int64_t call_link(struct program *program, const uint64_t args[6])
{
	return link_at(program, AT_FDCWD, args[0], AT_FDCWD, args[1], 0);
}

int64_t call_linkat(struct program *program, const uint64_t args[6])
{
	return link_at(program, (int)args[0], args[1], (int)args[2], args[3], args[4]);
}

int64_t call_umask(struct program *program, const uint64_t args[6])
{
	unsigned old = program->umask;
	program->umask = (unsigned)args[0] & 0777;
	return old;
}
