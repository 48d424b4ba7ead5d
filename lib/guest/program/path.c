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
	{"/dev/random", FILE_RANDOM, 8}, {"/dev/urandom", FILE_RANDOM, 9}, {"/dev/virtiso", FILE_CONTACT, 0},
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

/* What /proc shows for a fd. `out` has PATH_MAX bytes. The length, or a negative errno. */
static ssize_t fd_path(int fd, char *out)
{
	char name[32];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(name, out, PATH_MAX);
	if (n <= 0 || n == PATH_MAX)
		return n < 0 ? -errno : -ENAMETOOLONG;
	out[n] = '\0';
	return n;
}

/* The path in the root of what `fd` leads to, free of links and dots. `out` has PATH_MAX bytes. 0 or a negative errno.
 */
static int path_in_root(const struct program *program, int fd, char *out)
{
	char root[PATH_MAX];
	ssize_t prefix = fd_path(program->root_fd, root), n = fd_path(fd, out);
	if (prefix < 0 || n < 0)
		return (int)(prefix < 0 ? prefix : n);
	if (root[prefix - 1] == '/')
		prefix--;
	if (n < prefix || memcmp(out, root, (size_t)prefix) != 0 || (out[prefix] && out[prefix] != '/'))
		return -EACCES;
	if (n == prefix)
		strcpy(out, "/");
	else
		memmove(out, out + prefix, (size_t)(n - prefix) + 1);
	return 0;
}

/*
 * A host program that is root walks through any directory. For the guest those on the way must let others pass, the
 * root itself excepted, as for a program in a jail. 0 or a negative errno.
 */
static int check_way(const struct program *program, int found)
{
	char path[PATH_MAX];
	struct stat st;
	if (geteuid() != 0)
		return 0;
	int r = path_in_root(program, found, path);
	for (char *slash = path; r == 0 && (slash = strchr(slash + 1, '/')); *slash = '/') {
		*slash = '\0';
		int fd = open_beneath(program->root_fd, path, O_DIRECTORY | O_NOFOLLOW);
		if (fd < 0)
			return fd;
		r = fstat(fd, &st) < 0 ? -errno : st.st_mode & S_IXOTH ? 0 : -EACCES;
		close_fd(fd);
	}
	return r;
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
	int r = fstat(out->fd, &out->st) < 0 ? -errno : is_hidden(out->fd) ? -ENOENT : check_way(program, out->fd);
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
	char target[PATH_MAX];
	return strdup(path_in_root(program, fd, target) < 0 ? path : target);
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
