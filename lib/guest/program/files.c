/* SPDX-License-Identifier: MIT */
/* System calls that open files, and on directories. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest/files/listing.h"
#include "guest/files/open.h"
#include "guest/program/calls.h"

/* O_LARGEFILE, which C libraries of 64 bits define as 0 and some programs give all the same. */
enum { O_LARGEFILE_OF_KERNEL = 0100000 };

int call_path(struct program *program, uint64_t address, char *out)
{
	ssize_t n = space_read_string(program->space, out, address, PATH_MAX);
	return n < 0 ? (int)n : 0;
}

static int64_t open_path(struct program *program, int directory, const char *given, int flags, mode_t mode)
{
	struct file *file = NULL;
	/* What open(2) does without a wish for large files is the same here. */
	int r = open_at(program, directory, given, flags & ~O_LARGEFILE_OF_KERNEL, mode, &file);
	return r < 0 ? r : program_add_file(program, file, 0, flags & O_CLOEXEC);
}

static int64_t open_given(struct program *program, int directory, uint64_t address, int flags, uint64_t mode)
{
	char given[PATH_MAX];
	int r = call_path(program, address, given);
	return r < 0 ? r : open_path(program, directory, given, flags, (mode_t)mode);
}

int64_t call_open(struct program *program, const uint64_t args[6])
{
	return open_given(program, AT_FDCWD, args[0], (int)args[1], args[2]);
}

int64_t call_openat(struct program *program, const uint64_t args[6])
{
	return open_given(program, (int)args[0], args[1], (int)args[2], args[3]);
}

int64_t call_openat2(struct program *program, const uint64_t args[6])
{
	struct open_how how;
	if (args[3] < sizeof(how))
		return -EINVAL;
	if (args[3] > sizeof(how))
		return -E2BIG;
	if (space_read(program->space, &how, args[2], sizeof(how)) < 0)
		return -EFAULT;
	/* Its own restrictions of the way are not served. */
	if (how.resolve)
		return -EINVAL;
	if (how.flags > INT32_MAX || how.mode > 07777)
		return -EINVAL;
	return open_given(program, (int)args[0], args[1], (int)how.flags, how.mode);
}

int64_t call_creat(struct program *program, const uint64_t args[6])
{
	return open_given(program, AT_FDCWD, args[0], O_CREAT | O_WRONLY | O_TRUNC, args[1]);
}

int64_t call_memfd_create(struct program *program, const uint64_t args[6])
{
	char name[NAME_MAX + 1];
	int r;
	/* MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL, MFD_EXEC; seals themselves are not served. */
	if (args[1] & ~0x1bull)
		return -EINVAL;
	ssize_t n = space_read_string(program->space, name, args[0], sizeof(name) - 6);
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	struct file *file = open_memory(program, name, &r);
	return file ? program_add_file(program, file, 0, args[1] & 1) : r;
}

int64_t call_getdents64(struct program *program, const uint64_t args[6])
{
	struct file *file = program_file(program, (int)args[0]);
	if (!file || file->kind == FILE_PATH)
		return -EBADF;
	if (file->kind != FILE_DIRECTORY)
		return -ENOTDIR;
	return directory_read(program, file, args[1], (unsigned)args[2]);
}

int64_t call_getcwd(struct program *program, const uint64_t args[6])
{
	size_t size = strlen(program->cwd) + 1;
	if (size > args[1])
		return -ERANGE;
	return space_write(program->space, args[0], program->cwd, size) < 0 ? -EFAULT : (int64_t)size;
}

/* Takes the path of an open directory over as the working directory. */
static int enter(struct program *program, const char *path)
{
	char *cwd = strdup(path);
	if (!cwd)
		return -ENOMEM;
	free(program->cwd);
	program->cwd = cwd;
	return 0;
}

int64_t call_chdir(struct program *program, const uint64_t args[6])
{
	char given[PATH_MAX];
	struct spot spot;
	int r = call_path(program, args[0], given);
	if (r == 0)
		r = view_find(program, AT_FDCWD, given, FIND_FOLLOW, &spot);
	if (r < 0)
		return r;
	r = S_ISDIR(spot.st.st_mode) ? spot_permission(program, &spot, X_OK) : -ENOTDIR;
	if (r == 0)
		r = enter(program, spot.path);
	spot_release(&spot);
	return r;
}

int64_t call_fchdir(struct program *program, const uint64_t args[6])
{
	struct file *file = program_file(program, (int)args[0]);
	if (!file)
		return -EBADF;
	return S_ISDIR(file->type) && file->path ? enter(program, file->path) : -ENOTDIR;
}

static int64_t put_link(struct program *program, const char *target, size_t length, uint64_t address, uint64_t size)
{
	if ((int)size <= 0)
		return -EINVAL;
	length = length < size ? length : size;
	return space_write(program->space, address, target, length) < 0 ? -EFAULT : (int64_t)length;
}

/* readlinkat(2) of an empty path: of the link itself that was opened with O_PATH. */
static int64_t find_link(struct program *program, int directory, const char *given, struct spot *out)
{
	struct file *file = *given ? NULL : program_file(program, directory);
	if (!*given && (!file || !S_ISLNK(file->type) || !file->path))
		return -ENOENT;
	return view_find(program, *given ? directory : AT_FDCWD, *given ? given : file->path, 0, out);
}

static int64_t read_link(struct program *program, int directory, const uint64_t *args)
{
	char given[PATH_MAX], target[PATH_MAX];
	struct spot spot;
	int64_t r = call_path(program, args[0], given);
	if (r == 0)
		r = find_link(program, directory, given, &spot);
	if (r < 0)
		return r;
	r = spot_read_link(program, &spot, target);
	spot_release(&spot);
	return r < 0 ? r : put_link(program, target, (size_t)r, args[1], args[2]);
}

int64_t call_readlink(struct program *program, const uint64_t args[6])
{
	return read_link(program, AT_FDCWD, args);
}

int64_t call_readlinkat(struct program *program, const uint64_t args[6])
{
	return read_link(program, (int)args[0], args + 1);
}
