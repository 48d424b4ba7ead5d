/* SPDX-License-Identifier: MIT */
/* System calls that open files, and on directories. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/program/calls.h"
#include "guest/program/path.h"

enum { ENTRIES_SIZE = 32 << 10 };

int call_path(struct program *program, uint64_t address, char *out)
{
	ssize_t n = space_read_string(program->space, out, address, PATH_MAX);
	return n < 0 ? (int)n : 0;
}

/* /dev/stdin and the like, and what they are links to: the program's own fd; -1 for another path. */
static int own_fd(const char *path)
{
	static const char *const names[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
	static const char *const directories[] = {"/dev/fd/", "/proc/self/fd/"};
	for (int i = 0; i < 3; i++)
		if (!strcmp(path, names[i]))
			return i;
	for (int i = 0; i < 2; i++) {
		size_t length = strlen(directories[i]);
		char *end;
		if (strncmp(path, directories[i], length) != 0 || path[length] < '0' || path[length] > '9')
			continue;
		unsigned long fd = strtoul(path + length, &end, 10);
		return *end || fd >= PROGRAM_FILES_MAX ? -1 : (int)fd;
	}
	return -1;
}

static bool wants_to_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

static int open_found(struct program *program, const char *path, int flags, struct resolved *found, struct file **out)
{
	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (flags & O_DIRECTORY && !S_ISDIR(found->st.st_mode))
		return -ENOTDIR;
	if (flags & O_PATH) {
		*out = file_new(FILE_PATH, -1, flags & ~O_ACCMODE);
		if (!*out)
			return -ENOMEM;
		(*out)->type = found->st.st_mode & S_IFMT;
		if (!program_take_host_fd(program, *out))
			return -EMFILE;
		(*out)->fd = TAKE_FD(found->fd);
		(*out)->path = strdup(path);
		return (*out)->path ? 0 : -ENOMEM;
	}
	if (found->is_device) {
		*out = file_new(found->device, -1, flags & (O_ACCMODE | O_APPEND | O_NONBLOCK));
		return *out ? 0 : -ENOMEM;
	}
	if (S_ISDIR(found->st.st_mode))
		return wants_to_write(flags) || (flags & O_CREAT) ? -EISDIR
								  : path_open(program, path, found, flags, out);
	if (S_ISLNK(found->st.st_mode))
		return -ELOOP;
	if (!S_ISREG(found->st.st_mode))
		return S_ISSOCK(found->st.st_mode) ? -ENXIO : -EACCES;
	return wants_to_write(flags) ? -EROFS : path_open(program, path, found, flags, out);
}

static int64_t open_path(struct program *program, int directory, const char *given, int flags)
{
	char path[PATH_MAX];
	int r = *given ? path_join(program, directory, given, path) : -ENOENT;
	if (r < 0)
		return r;
	int fd = own_fd(path);
	if (fd >= 0) {
		struct file *file = program_file(program, fd);
		return file ? program_add_file(program, file_ref(file), 0, flags & O_CLOEXEC) : -ENOENT;
	}
	struct resolved found;
	struct file *file = NULL;
	r = path_resolve(program, path, !(flags & O_NOFOLLOW), &found);
	if (r == -ENOENT && (flags & O_CREAT))
		return -EROFS;
	if (r < 0)
		return r;
	r = open_found(program, path, flags, &found, &file);
	resolved_release(&found);
	if (r < 0) {
		file_unref(file);
		return r;
	}
	return program_add_file(program, file, 0, flags & O_CLOEXEC);
}

static int64_t open_at(struct program *program, int directory, uint64_t address, int flags)
{
	char given[PATH_MAX];
	int r = call_path(program, address, given);
	return r < 0 ? r : open_path(program, directory, given, flags);
}

int64_t call_open(struct program *program, const uint64_t args[6])
{
	return open_at(program, AT_FDCWD, args[0], (int)args[1]);
}

int64_t call_openat(struct program *program, const uint64_t args[6])
{
	return open_at(program, (int)args[0], args[1], (int)args[2]);
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
	return how.flags > INT32_MAX ? -EINVAL : open_at(program, (int)args[0], args[1], (int)how.flags);
}

int64_t call_creat(struct program *program, const uint64_t args[6])
{
	return open_at(program, AT_FDCWD, args[0], O_CREAT | O_WRONLY | O_TRUNC);
}

int64_t call_getdents64(struct program *program, const uint64_t args[6])
{
	struct file *file = program_file(program, (int)args[0]);
	if (!file)
		return -EBADF;
	if (file->kind != FILE_DIRECTORY)
		return -ENOTDIR;
	size_t size = (unsigned)args[2] < ENTRIES_SIZE ? (unsigned)args[2] : ENTRIES_SIZE;
	_cleanup_free_ void *entries = malloc(ENTRIES_SIZE);
	if (!entries)
		return -ENOMEM;
	long n = syscall(SYS_getdents64, file->fd, entries, size);
	if (n < 0)
		return -errno;
	return space_write(program->space, args[1], entries, (size_t)n) < 0 ? -EFAULT : n;
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
	char given[PATH_MAX], path[PATH_MAX];
	struct resolved found;
	struct file *file = NULL;
	int r = call_path(program, args[0], given);
	if (r == 0)
		r = *given ? path_join(program, AT_FDCWD, given, path) : -ENOENT;
	if (r == 0)
		r = path_resolve(program, path, true, &found);
	if (r < 0)
		return r;
	r = S_ISDIR(found.st.st_mode) ? path_permission(&found, X_OK) : -ENOTDIR;
	if (r == 0)
		r = path_open(program, path, &found, O_RDONLY, &file);
	resolved_release(&found);
	if (r == 0)
		r = enter(program, file->path);
	file_unref(file);
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

static int64_t read_link(struct program *program, int directory, const uint64_t *args)
{
	char given[PATH_MAX], path[PATH_MAX], target[PATH_MAX];
	int r = call_path(program, args[0], given);
	if (r == 0)
		r = *given ? path_join(program, directory, given, path) : -ENOENT;
	if (r < 0)
		return r;
	if (!strcmp(path, "/proc/self/exe"))
		return put_link(program, program->executable, strlen(program->executable), args[1], args[2]);
	struct resolved found;
	r = path_resolve(program, path, false, &found);
	if (r < 0)
		return r;
	ssize_t n = found.is_device ? -1 : readlinkat(found.fd, "", target, sizeof(target));
	r = found.is_device || !S_ISLNK(found.st.st_mode) ? -EINVAL : n < 0 ? -errno : 0;
	resolved_release(&found);
	return r < 0 ? r : put_link(program, target, (size_t)n, args[1], args[2]);
}

int64_t call_readlink(struct program *program, const uint64_t args[6])
{
	return read_link(program, AT_FDCWD, args);
}

int64_t call_readlinkat(struct program *program, const uint64_t args[6])
{
	return read_link(program, (int)args[0], args + 1);
}
