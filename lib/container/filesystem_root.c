/* SPDX-License-Identifier: MIT */
/* What a container's root is made of, and what takes the writes to it; and writing the plan of a start. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <virtiso.h>

#include "container/container.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "root/root.h"

int viso_container_add_layer(viso_container *container, viso_root *layer)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!layer)
		return error_argument(__func__, "the layer is NULL");
	struct container_filesystem *filesystem = &container->filesystem;
	if (filesystem->layer_count == PLAN_LAYERS_MAX)
		return error_fail(VISO_STAGE_ARGUMENT, E2BIG, __func__, "%s: a container has at most %d layers",
				  __func__, PLAN_LAYERS_MAX);
	filesystem->layers[filesystem->layer_count++] = viso_root_ref(layer);
	return 0;
}

static void set_upper(struct container_filesystem *filesystem, enum plan_upper upper)
{
	if (filesystem->upper == PLAN_UPPER_DIRECTORY)
		close_fd(filesystem->upper_fd);
	filesystem->upper = upper;
}

int viso_container_set_upper_discarded(viso_container *container, uint64_t size_max)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (size_max > INT64_MAX)
		return error_argument(__func__, "more bytes than a file system can have");
	set_upper(&container->filesystem, PLAN_UPPER_DISCARDED);
	container->filesystem.upper_size = size_max;
	return 0;
}

/* Whether there is nothing in it but what a container makes there. 1, 0, or a negative errno with the error set. */
static int is_of_a_container(int fd, const char *path)
{
	static const char *const own[] = {".", "..", "upper", "work"};
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir) {
		int error = errno;
		close_fd(copy);
		return error_fail(VISO_STAGE_ARGUMENT, error, path, NULL);
	}
	for (const struct dirent *entry; (entry = readdir(dir));) {
		size_t i = 0;
		while (i < sizeof(own) / sizeof(own[0]) && strcmp(entry->d_name, own[i]))
			i++;
		if (i == sizeof(own) / sizeof(own[0]))
			return 0;
	}
	return 1;
}

/* It is to be closed to others (mounts_hold_upper()): with /tmp, or a place that has other things, that would harm the
 * host. */
static int check_may_be_closed(int fd, const struct stat *st, const char *path, const char *function)
{
	int r = !(st->st_mode & 077) ? 1 : st->st_mode & (S_ISVTX | S_IWOTH) ? 0 : is_of_a_container(fd, path);
	if (r != 0)
		return r < 0 ? r : 0;
	return error_fail(VISO_STAGE_ARGUMENT, EPERM, path,
			  "%s: %s is open to others and not a container's own; it would be closed to them: take an "
			  "empty directory, or one with mode 0700",
			  function, path);
}

int viso_container_set_upper_directory(viso_container *container, const char *directory)
{
	struct stat st;
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!directory)
		return error_argument(__func__, "the directory is NULL");
	_cleanup_close_ int fd = fd_above_streams(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, directory, NULL);
	if (st.st_uid != geteuid())
		return error_fail(VISO_STAGE_ARGUMENT, EACCES, directory,
				  "%s: %s belongs to another user, who could run what a container leaves there with "
				  "setuid bits; take a directory of your own",
				  __func__, directory);
	r = check_may_be_closed(fd, &st, directory, __func__);
	if (r < 0)
		return r;
	set_upper(&container->filesystem, PLAN_UPPER_DIRECTORY);
	container->filesystem.upper_fd = TAKE_FD(fd);
	return 0;
}

int viso_container_set_root_writable(viso_container *container, int writable)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (writable != 0 && writable != 1)
		return error_argument(__func__, "writable is neither 0 nor 1");
	container->filesystem.writable = writable;
	return 0;
}

/* Settings of which the one would make the other useless. */
static int check_conflicts(const struct container_filesystem *filesystem)
{
	if (!filesystem->writable || (!filesystem->layer_count && filesystem->upper == PLAN_UPPER_NONE))
		return 0;
	return error_fail(VISO_STAGE_ARGUMENT, EINVAL, "viso_container_set_root_writable",
			  "viso_container_set_root_writable: the directory of the root cannot take the writes where "
			  "there are layers or an upper; take viso_container_set_upper_discarded() or "
			  "viso_container_set_upper_directory() only");
}

/* Their fds follow one another in the plan. */
static int add_layers(struct launch_request *request, const struct container_filesystem *filesystem)
{
	for (size_t i = 0; i < filesystem->layer_count; i++) {
		int fd;
		int r = root_open(filesystem->layers[i], &fd);
		if (r < 0)
			return r;
		uint32_t index = request_add_own_fd(request, fd);
		if (i == 0)
			request->plan->mounts.first_layer = index;
	}
	request->plan->mounts.layer_count = (uint32_t)filesystem->layer_count;
	return request->error;
}

static void add_upper(struct launch_request *request, const struct container_filesystem *filesystem)
{
	struct plan_mounts *mounts = &request->plan->mounts;
	mounts->upper = filesystem->writable ? PLAN_UPPER_ROOT : filesystem->upper;
	mounts->upper_size = filesystem->upper_size;
	if (filesystem->upper == PLAN_UPPER_DIRECTORY)
		mounts->upper_fd = request_add_fd(request, filesystem->upper_fd);
}

static plan_offset add_data(struct launch_request *request, const struct container_mount *mount)
{
	switch (mount->kind) {
	case PLAN_MOUNT_FILE:
		return request_add_bytes(request, mount->data, mount->size);
	case PLAN_MOUNT_FILESYSTEM:
		return request_add_string(request, mount->data);
	default:
		return 0;
	}
}

static void add_mounts(struct launch_request *request, const struct container_filesystem *filesystem)
{
	struct plan_mount mounts[PLAN_MOUNTS_MAX];
	for (size_t i = 0; i < filesystem->count; i++) {
		const struct container_mount *mount = &filesystem->mounts[i];
		mounts[i] = (struct plan_mount){
			.kind = mount->kind,
			.flags = mount->flags,
			.fd = mount->kind == PLAN_MOUNT_BIND ? request_add_fd(request, mount->fd) : 0,
			.mode = mount->mode,
			.target = request_add_string(request, mount->path),
			.data = add_data(request, mount),
			.size = mount->size,
		};
	}
	if (!filesystem->count)
		return;
	plan_offset first = request_add_bytes(request, mounts, filesystem->count * sizeof(mounts[0]));
	request->plan->mounts.first = first;
	request->plan->mounts.count = (uint32_t)filesystem->count;
}

static struct plan_strings add_paths(struct launch_request *request, const struct strings *paths)
{
	struct plan_strings added = {.count = (uint32_t)paths->count, .first = request->plan->head.size};
	for (size_t i = 0; i < paths->count; i++)
		request_add_string(request, paths->items[i]);
	return added;
}

/* Whether a program of the container can be root of the host, if without any of its capabilities. */
static bool has_root_of_host(const viso_container *container)
{
	const struct id_map *uids = &container->namespaces.uids;
	for (uint32_t i = 0; i < uids->count; i++)
		if (uids->ranges[i].outside == 0)
			return true;
	return false;
}

/*
 * Of the machine as a whole, and open to the host's root by its id alone: a kernel.core_pattern, say, that has a
 * program run for the next crash (test_perm() in fs/proc/proc_sysctl.c of the kernel).
 */
static const char *const writable_by_root[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					       "/proc/sysrq-trigger"};

static struct plan_strings add_read_only(struct launch_request *request, const viso_container *container)
{
	struct plan_strings paths = add_paths(request, &container->filesystem.read_only);
	for (size_t i = 0; i < sizeof(writable_by_root) / sizeof(writable_by_root[0]) && has_root_of_host(container);
	     i++) {
		request_add_string(request, writable_by_root[i]);
		paths.count++;
	}
	return paths;
}

int filesystem_add(struct launch_request *request, const viso_container *container)
{
	const struct container_filesystem *filesystem = &container->filesystem;
	int r = check_conflicts(filesystem);
	if (r == 0)
		r = add_layers(request, filesystem);
	if (r < 0)
		return r;
	add_upper(request, filesystem);
	add_mounts(request, filesystem);
	struct plan_strings read_only = add_read_only(request, container);
	struct plan_strings masked = add_paths(request, &filesystem->masked);
	request->plan->mounts.read_only = read_only;
	request->plan->mounts.masked = masked;
	return request->error;
}
