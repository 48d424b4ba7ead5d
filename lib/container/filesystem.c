/* SPDX-License-Identifier: MIT */
/* What is mounted in a container. What takes the writes to its root is in filesystem_root.c. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <virtiso.h>

#include "container/container.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"

enum {
	BINDS_MAX = 48, /* each takes one of the fds of a plan */
	FILE_BYTES_MAX = 16 << 20,
	ALL_FILES_BYTES_MAX = 64 << 20,
	BIND_FLAGS = VISO_MOUNT_READ_ONLY | VISO_MOUNT_NO_EXEC | VISO_MOUNT_DEVICES | VISO_MOUNT_RECURSIVE |
		     VISO_MOUNT_ID_MAPPED | VISO_MOUNT_OPTIONAL,
	NEW_FLAGS = VISO_MOUNT_READ_ONLY | VISO_MOUNT_NO_EXEC,
};

static bool is_dots(const char *component, size_t length)
{
	return (length == 1 && component[0] == '.') || (length == 2 && component[0] == '.' && component[1] == '.');
}

/*
 * A path in the container, without needless slashes. "." and ".." are refused: what they mean depends on links, and
 * none is followed. 0 or a negative errno with the error set.
 */
static int copy_target(const char *function, const char *path, char **out_copy)
{
	if (!path || path[0] != '/')
		return error_argument(function, "the path in the container is not absolute");
	if (strlen(path) >= PATH_MAX)
		return error_argument(function, "the path in the container is longer than a path may be");
	char *copy = malloc(strlen(path) + 1), *end = copy;
	if (!copy)
		return error_memory();
	bool dots = false;
	for (const char *next = path + strspn(path, "/"); *next; next += strspn(next, "/")) {
		size_t length = strcspn(next, "/");
		dots |= is_dots(next, length);
		*end++ = '/';
		end = mempcpy(end, next, length);
		next += length;
	}
	*end = '\0';
	if (end != copy && !dots) {
		*out_copy = copy;
		return 0;
	}
	free(copy);
	return error_argument(function, dots ? "the path in the container contains . or .."
					     : "the path in the container is its root");
}

static void release_mount(struct container_mount *mount)
{
	close_fd(mount->fd);
	free(mount->path);
	free(mount->data);
}

/* Takes the mount over, also on failure; `path` is still to be checked. */
static int add_mount(viso_container *container, const char *function, struct container_mount mount, const char *path)
{
	struct container_filesystem *filesystem = &container->filesystem;
	int r = copy_target(function, path, &mount.path);
	if (r == 0 && filesystem->count == PLAN_MOUNTS_MAX)
		r = error_fail(VISO_STAGE_ARGUMENT, E2BIG, function, "%s: a container has at most %d mounts", function,
			       PLAN_MOUNTS_MAX);
	if (r == 0) {
		struct container_mount *mounts =
			reallocarray(filesystem->mounts, filesystem->count + 1, sizeof(*mounts));
		if (mounts) {
			filesystem->mounts = mounts;
			mounts[filesystem->count++] = mount;
			return 0;
		}
		r = error_memory();
	}
	release_mount(&mount);
	return r;
}

static int check_flags(const char *function, unsigned flags, unsigned known)
{
	return flags & ~known ? error_argument(function, "a flag that has no meaning here") : 0;
}

/* Takes the fd over, also on failure. */
static int add_bind(viso_container *container, const char *function, int fd, const char *path, unsigned flags)
{
	struct container_mount mount = {.kind = PLAN_MOUNT_BIND, .flags = flags, .fd = fd};
	if (container->filesystem.bind_count == BINDS_MAX) {
		close_fd(fd);
		return error_fail(VISO_STAGE_ARGUMENT, E2BIG, function,
				  "%s: a container shows at most %d files and directories of the host; show a "
				  "directory that contains them",
				  function, BINDS_MAX);
	}
	int r = add_mount(container, function, mount, path);
	if (r == 0)
		container->filesystem.bind_count++;
	return r;
}

/* Opens what a bind is to show; -1 with errno. */
static int open_source(const char *source)
{
	return fd_above_streams(open(source, O_PATH | O_CLOEXEC));
}

int viso_container_add_bind(viso_container *container, const char *source, const char *path, unsigned flags)
{
	int r = container_check_setter(container, __func__);
	if (r == 0)
		r = check_flags(__func__, flags, BIND_FLAGS);
	if (r < 0)
		return r;
	if (!source)
		return error_argument(__func__, "the source is NULL");
	int fd = open_source(source);
	if (fd < 0 && (flags & VISO_MOUNT_OPTIONAL) && (errno == ENOENT || errno == ENOTDIR)) {
		/* The path is checked all the same. */
		_cleanup_free_ char *copy = NULL;
		return copy_target(__func__, path, &copy);
	}
	if (fd < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, source, NULL);
	return add_bind(container, __func__, fd, path, flags);
}

int viso_container_add_bind_fd(viso_container *container, int fd, const char *path, unsigned flags)
{
	struct stat st;
	int r = container_check_setter(container, __func__);
	if (r == 0)
		r = check_flags(__func__, flags, BIND_FLAGS);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, __func__, "%s: fd %d is not open", __func__, fd);
	if (S_ISLNK(st.st_mode))
		return error_argument(__func__, "the fd is that of a symbolic link");
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, __func__, NULL);
	return add_bind(container, __func__, copy, path, flags);
}

int viso_container_add_device(viso_container *container, const char *device)
{
	struct stat st;
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!device || strncmp(device, "/dev/", 5) != 0)
		return error_argument(__func__, "the device does not lie below /dev");
	_cleanup_close_ int fd = open_source(device);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, device, NULL);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_fail(VISO_STAGE_ARGUMENT, ENOTBLK, device, "%s: %s is no device node", __func__, device);
	return add_bind(container, __func__, TAKE_FD(fd), device, VISO_MOUNT_DEVICES | VISO_MOUNT_NO_EXEC);
}

int viso_container_add_tmpfs(viso_container *container, const char *path, uint64_t size_max, unsigned mode,
			     unsigned flags)
{
	int r = container_check_setter(container, __func__);
	if (r == 0)
		r = check_flags(__func__, flags, NEW_FLAGS);
	if (r < 0)
		return r;
	if (mode > 07777)
		return error_argument(__func__, "the mode has more than the permission bits");
	if (size_max > INT64_MAX)
		return error_argument(__func__, "more bytes than a file system can have");
	struct container_mount mount = {
		.kind = PLAN_MOUNT_TMPFS, .flags = flags, .fd = -1, .mode = mode, .size = size_max};
	return add_mount(container, __func__, mount, path);
}

int viso_container_add_file(viso_container *container, const char *path, const void *data, size_t size, unsigned mode)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!data && size)
		return error_argument(__func__, "the data is NULL");
	if (mode > 0777)
		return error_argument(__func__, "the mode has more than read, write and execute");
	struct container_filesystem *filesystem = &container->filesystem;
	if (size > FILE_BYTES_MAX || filesystem->file_bytes + size > ALL_FILES_BYTES_MAX)
		return error_fail(VISO_STAGE_ARGUMENT, EFBIG, __func__,
				  "%s: a file has at most %d bytes, and all files of a container %d; show a larger one "
				  "with viso_container_add_bind()",
				  __func__, FILE_BYTES_MAX, ALL_FILES_BYTES_MAX);
	struct container_mount mount = {.kind = PLAN_MOUNT_FILE, .fd = -1, .mode = mode, .size = size};
	mount.data = malloc(size + 1);
	if (!mount.data)
		return error_memory();
	if (size)
		memcpy(mount.data, data, size);
	r = add_mount(container, __func__, mount, path);
	if (r == 0)
		filesystem->file_bytes += size;
	return r;
}

int viso_container_add_filesystem(viso_container *container, const char *type, const char *path, unsigned flags)
{
	/* Those that belong to the container's own namespaces; every other one is the host's, or reads a disk. */
	static const char *const types[] = {"proc", "sysfs", "mqueue", "devpts", "tmpfs", "cgroup2"};
	int r = container_check_setter(container, __func__);
	if (r == 0)
		r = check_flags(__func__, flags, NEW_FLAGS);
	if (r < 0)
		return r;
	if (!type || !*type)
		return error_argument(__func__, "the type is NULL or empty");
	size_t known = 0;
	while (known < sizeof(types) / sizeof(types[0]) && strcmp(type, types[known]))
		known++;
	if (known == sizeof(types) / sizeof(types[0]))
		return error_fail(VISO_STAGE_ARGUMENT, EPERM, type,
				  "%s: '%s' is not for containers; proc, sysfs, mqueue, devpts, tmpfs and cgroup2 are",
				  __func__, type);
	if (!strcmp(type, "tmpfs"))
		return viso_container_add_tmpfs(container, path, 0, 01777, flags);
	struct container_mount mount = {.kind = PLAN_MOUNT_FILESYSTEM, .flags = flags, .fd = -1};
	mount.data = strdup(type);
	return mount.data ? add_mount(container, __func__, mount, path) : error_memory();
}

static int add_path(viso_container *container, const char *function, struct strings *list, const char *path)
{
	_cleanup_free_ char *copy = NULL;
	int r = container_check_setter(container, function);
	if (r == 0)
		r = copy_target(function, path, &copy);
	if (r < 0)
		return r;
	return strings_take(list, TAKE_PTR(copy)) < 0 ? error_memory() : 0;
}

int viso_container_add_read_only(viso_container *container, const char *path)
{
	return add_path(container, __func__, container ? &container->filesystem.read_only : NULL, path);
}

int viso_container_add_mask(viso_container *container, const char *path)
{
	return add_path(container, __func__, container ? &container->filesystem.masked : NULL, path);
}

void filesystem_release(struct container_filesystem *filesystem)
{
	for (size_t i = 0; i < filesystem->count; i++)
		release_mount(&filesystem->mounts[i]);
	free(filesystem->mounts);
	strings_clear(&filesystem->read_only);
	strings_clear(&filesystem->masked);
	for (size_t i = 0; i < filesystem->layer_count; i++)
		viso_root_unref(filesystem->layers[i]);
	if (filesystem->upper == PLAN_UPPER_DIRECTORY)
		close_fd(filesystem->upper_fd);
}
