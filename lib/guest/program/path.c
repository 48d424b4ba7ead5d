/* SPDX-License-Identifier: MIT */
#include "guest/program/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/cleanup.h"

enum { RACES_MAX = 32 };

static const struct {
	const char *path;
	enum file_kind kind;
	unsigned minor; /* of the memory devices, major 1 */
} devices[] = {
	{"/dev/null", FILE_NULL, 3},     {"/dev/zero", FILE_ZERO, 5},      {"/dev/full", FILE_FULL, 7},
	{"/dev/random", FILE_RANDOM, 8}, {"/dev/urandom", FILE_RANDOM, 9},
};
enum { DEVICES = sizeof(devices) / sizeof(devices[0]), MEMORY_MAJOR = 1 };

/* What these show is the host's, or the host program's own: its memory, environment and fds. */
static const unsigned long hidden_file_systems[] = {
	PROC_SUPER_MAGIC,   SYSFS_MAGIC,         DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC,
	CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,  NSFS_MAGIC,    DEVPTS_SUPER_MAGIC,
};

int path_join(struct program *program, int directory, const char *path, char *out)
{
	const char *base = "";
	if (path[0] != '/' && directory == AT_FDCWD) {
		base = program->cwd;
	} else if (path[0] != '/') {
		struct file *file = program_file(program, directory);
		if (!file)
			return -EBADF;
		if (!S_ISDIR(file->type) || !file->path)
			return -ENOTDIR;
		base = file->path;
	}
	int length = snprintf(out, PATH_MAX, "%s%s%s", base, *base && path[0] ? "/" : "", path);
	return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int open_beneath(int root_fd, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	/* EAGAIN: something was renamed on the way to a `..`, and the kernel could not tell whether it is beneath. */
	for (int i = 0; i < RACES_MAX; i++) {
		int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
		if (fd >= 0)
			return fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

static bool is_hidden(int fd)
{
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return true;
	for (size_t i = 0; i < sizeof(hidden_file_systems) / sizeof(hidden_file_systems[0]); i++)
		if ((unsigned long)fs.f_type == hidden_file_systems[i])
			return true;
	return false;
}

static void set_device(struct resolved *out, int index)
{
	out->is_device = true;
	out->device = devices[index].kind;
	out->st = (struct stat){
		.st_mode = S_IFCHR | 0666,
		.st_nlink = 1,
		.st_rdev = makedev(MEMORY_MAJOR, devices[index].minor),
		.st_blksize = GUEST_PAGE,
		.st_ino = devices[index].minor,
	};
}

/* A root that an ordinary user has built has no device nodes; the usual ones are there all the same. */
static bool find_device_by_path(const char *path, struct resolved *out)
{
	for (int i = 0; i < DEVICES; i++)
		if (!strcmp(path, devices[i].path)) {
			set_device(out, i);
			return true;
		}
	return false;
}

static void find_device_by_number(struct resolved *out)
{
	for (int i = 0; i < DEVICES; i++)
		if (out->st.st_rdev == makedev(MEMORY_MAJOR, devices[i].minor)) {
			out->fd = close_fd(out->fd);
			set_device(out, i);
			return;
		}
}

int path_resolve(struct program *program, const char *path, bool follow, struct resolved *out)
{
	*out = (struct resolved){.fd = -1};
	if (!*path)
		return -ENOENT;
	if (find_device_by_path(path, out))
		return 0;
	out->fd = open_beneath(program->root_fd, path, follow ? 0 : O_NOFOLLOW);
	if (out->fd < 0)
		return out->fd;
	int r = fstat(out->fd, &out->st) < 0 ? -errno : is_hidden(out->fd) ? -ENOENT : 0;
	if (r < 0)
		resolved_release(out);
	else if (S_ISCHR(out->st.st_mode))
		find_device_by_number(out);
	return r;
}

void resolved_release(struct resolved *resolved)
{
	resolved->fd = close_fd(resolved->fd);
}

int path_permission(const struct resolved *resolved, int wanted)
{
	if (resolved->is_device)
		return wanted & X_OK ? -EACCES : 0;
	if ((wanted & W_OK) && !S_ISLNK(resolved->st.st_mode))
		return -EROFS;
	unsigned needed = (wanted & R_OK ? 4u : 0) | (wanted & X_OK ? 1u : 0);
	if (geteuid() == 0)
		return (resolved->st.st_mode & needed) == needed ? 0 : -EACCES;
	char name[32];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", resolved->fd);
	return faccessat(AT_FDCWD, name, wanted & (R_OK | X_OK), AT_EACCESS) < 0 ? -EACCES : 0;
}

/*
 * The path of an open directory in the root, free of links and dots, for getcwd(2) and as the start of relative paths.
 * Where the host has no /proc, the path by which it was opened.
 */
static char *directory_path(struct program *program, int fd, const char *path)
{
	char name[32], target[PATH_MAX];
	if (!program->root_path) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", program->root_fd);
		ssize_t n = readlink(name, target, sizeof(target));
		if (n <= 0 || n == sizeof(target))
			return strdup(path);
		program->root_path = strndup(target, target[n - 1] == '/' ? (size_t)n - 1 : (size_t)n);
		if (!program->root_path)
			return NULL;
	}
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(name, target, sizeof(target) - 1);
	if (n <= 0)
		return strdup(path);
	target[n] = '\0';
	size_t prefix = strlen(program->root_path);
	if (strncmp(target, program->root_path, prefix) != 0 || (target[prefix] && target[prefix] != '/'))
		return strdup(path);
	return strdup(target[prefix] ? target + prefix : "/");
}

int path_open(struct program *program, const char *path, const struct resolved *resolved, int flags,
	      struct file **out_file)
{
	bool is_directory = S_ISDIR(resolved->st.st_mode);
	int r = path_permission(resolved, R_OK);
	if (r < 0)
		return r;
	/* Through the fd that was examined, so that nothing else can have come in its place. */
	char name[32];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", resolved->fd);
	_cleanup_close_ int fd =
		open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (is_directory ? O_DIRECTORY : 0));
	if (fd < 0)
		return -errno;
	struct file *file =
		file_new(is_directory ? FILE_DIRECTORY : FILE_REGULAR, -1, flags & ~(O_CREAT | O_EXCL | O_TRUNC));
	if (!file)
		return -ENOMEM;
	if (!program_take_host_fd(program, file)) {
		file_unref(file);
		return -EMFILE;
	}
	file->fd = TAKE_FD(fd);
	if (is_directory && !(file->path = directory_path(program, file->fd, path))) {
		file_unref(file);
		return -ENOMEM;
	}
	*out_file = file;
	return 0;
}
