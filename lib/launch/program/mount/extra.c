/* SPDX-License-Identifier: MIT */
/* What the plan asks for besides the root: binds, tmpfs, files, file systems, read-only and masked paths. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "mount/mounts.h"

enum { HIDDEN = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };

static const char void_file[] = "file", void_directory[] = "directory"; /* of the scratch, for masks */

/* setuid bits never have an effect, devices where that was asked for. */
static uint64_t attributes_of(const struct plan_mount *mount)
{
	return MOUNT_ATTR_NOSUID | (mount->flags & VISO_MOUNT_DEVICES ? 0 : MOUNT_ATTR_NODEV) |
	       (mount->flags & VISO_MOUNT_READ_ONLY ? MOUNT_ATTR_RDONLY : 0) |
	       (mount->flags & VISO_MOUNT_NO_EXEC ? MOUNT_ATTR_NOEXEC : 0);
}

static bool is_recursive(const struct plan_mount *mount)
{
	return mount->flags & VISO_MOUNT_RECURSIVE;
}

static int map_source(const struct job *job, int fd, const struct plan_mount *mount, const char *target)
{
	if (!(mount->flags & VISO_MOUNT_ID_MAPPED))
		return 0;
	/* An ordinary user has no say over what shows on a file system of the host (mount_setattr(2)). */
	if (!worker.owns_ids)
		return fail(VISO_STAGE_MOUNT, EPERM, target);
	if (mount_map_ids(job, fd, is_recursive(mount)) == 0)
		return 0;
	return fail(VISO_STAGE_MOUNT, mount_map_is_missing() ? EOPNOTSUPP : 0, target);
}

static int lock_source(int fd, const struct plan *plan, const char *target)
{
	return mount_needs_lock(plan) && mount_lock(fd) < 0 ? fail(VISO_STAGE_MOUNT, 0, target) : 0;
}

/* A detached copy of what is to be bound; -1 with the failure noted. */
static int copy_source(const struct job *job, const struct plan_mount *mount, int source)
{
	const char *target = plan_string(job->plan, mount->target);
	unsigned recursive = is_recursive(mount) ? AT_RECURSIVE : 0;
	int fd = worker.owns_ids ? mount_copy(source, "", AT_EMPTY_PATH | recursive)
				 : mount_copy_by_path(source, recursive);
	if (fd < 0)
		return fail(VISO_STAGE_MOUNT, 0, target);
	if (mount_restrict(fd, attributes_of(mount), is_recursive(mount)) < 0 && errno != ENOSYS)
		fail(VISO_STAGE_MOUNT, 0, target);
	else if (map_source(job, fd, mount, target) == 0 && lock_source(fd, job->plan, target) == 0)
		return fd;
	close(fd);
	return -1;
}

int extra_copy_sources(struct job *job)
{
	for (uint32_t i = 0; i < job->plan->mounts.count; i++) {
		const struct plan_mount *mount = plan_mount_at(job->plan, i);
		if (mount->kind != PLAN_MOUNT_BIND)
			continue;
		int fd = copy_source(job, mount, job->fds[mount->fd]);
		if (fd < 0)
			return -1;
		close(job->fds[mount->fd]);
		job->fds[mount->fd] = fd;
	}
	return 0;
}

static int make_file(int scratch, const char *name, const void *data, size_t size, unsigned mode)
{
	int fd = openat(scratch, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	const char *next = data;
	while (fd >= 0 && size > 0) {
		ssize_t n = write(fd, next, size);
		if (n < 0)
			return close_quietly(fd);
		next += n;
		size -= (size_t)n;
	}
	int r = fd < 0 ? -1 : fchmod(fd, mode);
	close_quietly(fd);
	return r;
}

static int fill_scratch(const struct plan *plan, int scratch)
{
	char name[16];
	for (uint32_t i = 0; i < plan->mounts.count; i++) {
		const struct plan_mount *mount = plan_mount_at(plan, i);
		snprintf(name, sizeof(name), "%u", i);
		if (mount->kind == PLAN_MOUNT_FILE &&
		    make_file(scratch, name, plan_string(plan, mount->data), mount->size, mount->mode) < 0)
			return fail(VISO_STAGE_MOUNT, 0, plan_string(plan, mount->target));
	}
	if (plan->mounts.masked.count &&
	    (make_file(scratch, void_file, NULL, 0, 0444) < 0 || mkdirat(scratch, void_directory, 0555) < 0))
		return fail(VISO_STAGE_MOUNT, 0, "mask");
	return 0;
}

int extra_make_scratch(const struct plan *plan)
{
	static const struct option options[] = {{"mode", "0700"}, {NULL, NULL}};
	bool needed = plan->mounts.masked.count > 0;
	for (uint32_t i = 0; i < plan->mounts.count; i++)
		needed |= plan_mount_at(plan, i)->kind == PLAN_MOUNT_FILE;
	if (!needed)
		return -1;
	int scratch = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, "tmpfs");
	if (scratch < 0)
		return -2;
	/* Copies can be made of what is attached only. Its files are mounted read-only, and it is taken off with the
	 * old root, on which it lies. */
	int r = fill_scratch(plan, scratch);
	if (r == 0 && mount_stack(scratch) < 0)
		r = fail(VISO_STAGE_MOUNT, 0, "move_mount");
	if (r == 0)
		return scratch;
	close(scratch);
	return -2;
}

/* Attaches a copy of something, which the attributes hold for. Takes the fd over. */
static int attach_copy(int fd, uint64_t attributes, bool recursive, int root, const char *target)
{
	int kept = dup(fd);
	int r = kept < 0 ? fail(VISO_STAGE_MOUNT, 0, target) : target_attach(fd, root, target);
	if (r == 0 && mount_restrict_attached(kept, attributes, recursive) < 0)
		r = fail(VISO_STAGE_MOUNT, 0, target);
	close_quietly(kept);
	return r;
}

static int add_bind(const struct job *job, const struct plan_mount *mount, int root)
{
	int source = job->fds[mount->fd];
	/* As root it is a copy already. */
	int fd = worker.owns_ids ? dup(source) : copy_source(job, mount, source);
	if (fd < 0)
		return fail(VISO_STAGE_MOUNT, 0, plan_string(job->plan, mount->target));
	return attach_copy(fd, attributes_of(mount), is_recursive(mount), root, plan_string(job->plan, mount->target));
}

static int add_tmpfs(const struct plan *plan, const struct plan_mount *mount, int root)
{
	char size[24], mode[16];
	uint64_t bytes = mount->size ? mount->size : plan->memory_max;
	snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
	snprintf(mode, sizeof(mode), "%o", mount->mode);
	const struct option options[] = {{"mode", mode}, {bytes ? "size" : NULL, size}, {NULL, NULL}};
	const char *target = plan_string(plan, mount->target);
	int fd = mount_new("tmpfs", options, (unsigned)attributes_of(mount), target);
	if (fd < 0)
		return -1;
	target_own(fd);
	return target_attach(fd, root, target);
}

/* One of the scratch's, beneath the root, not to be written. */
static int add_from_scratch(int scratch, const char *name, uint64_t attributes, int root, const char *target)
{
	int fd = mount_copy(scratch, name, AT_SYMLINK_NOFOLLOW);
	if (fd < 0 || (mount_restrict(fd, attributes, false) < 0 && errno != ENOSYS)) {
		fail(VISO_STAGE_MOUNT, 0, target);
		return close_quietly(fd);
	}
	return attach_copy(fd, attributes, false, root, target);
}

static int add_file(const struct plan *plan, uint32_t index, int root, int scratch)
{
	char name[16];
	snprintf(name, sizeof(name), "%u", index);
	return add_from_scratch(scratch, name, HIDDEN & ~(uint64_t)MOUNT_ATTR_NOEXEC, root,
				plan_string(plan, plan_mount_at(plan, index)->target));
}

static int add_filesystem(const struct plan *plan, const struct plan_mount *mount, int root)
{
	static const struct option pts_options[] = {{"mode", "0620"}, {"ptmxmode", "0666"}, {NULL, NULL}};
	const char *type = plan_string(plan, mount->data), *target = plan_string(plan, mount->target);
	bool pts = !strcmp(type, "devpts");
	uint64_t attributes = attributes_of(mount) | MOUNT_ATTR_NOEXEC;
	if (pts)
		attributes &= ~(uint64_t)MOUNT_ATTR_NODEV;
	int fd = mount_new(type, pts ? pts_options : NULL, (unsigned)attributes, target);
	return fd < 0 ? -1 : target_attach(fd, root, target);
}

static int add(const struct job *job, uint32_t index, int root, int scratch)
{
	const struct plan_mount *mount = plan_mount_at(job->plan, index);
	switch (mount->kind) {
	case PLAN_MOUNT_BIND:
		return add_bind(job, mount, root);
	case PLAN_MOUNT_TMPFS:
		return add_tmpfs(job->plan, mount, root);
	case PLAN_MOUNT_FILE:
		return add_file(job->plan, index, root, scratch);
	default:
		return add_filesystem(job->plan, mount, root);
	}
}

/* What the path leads to; -1 where it is not there, -2 with the failure noted, above all for a link: what it leads to
 * would stay as it is. */
static int find(int root, const char *path)
{
	int fd = target_find(root, path, O_PATH);
	if (fd >= 0 || errno == ENOENT || errno == ENOTDIR)
		return fd;
	fail(VISO_STAGE_MOUNT, 0, path);
	return -2;
}

static int add_read_only(int root, const char *path)
{
	int found = find(root, path);
	if (found < 0)
		return found == -1 ? 0 : -1;
	int fd = mount_copy(found, "", AT_EMPTY_PATH | AT_RECURSIVE);
	close(found);
	if (fd < 0 || (mount_restrict(fd, MOUNT_ATTR_RDONLY, true) < 0 && errno != ENOSYS)) {
		fail(VISO_STAGE_MOUNT, 0, path);
		return close_quietly(fd);
	}
	return attach_copy(fd, MOUNT_ATTR_RDONLY, false, root, path);
}

static int add_mask(int root, int scratch, const char *path)
{
	struct stat st;
	int found = find(root, path);
	if (found < 0)
		return found == -1 ? 0 : -1;
	int r = fstat(found, &st) < 0 ? fail(VISO_STAGE_MOUNT, 0, path) : 0;
	close(found);
	if (r < 0)
		return r;
	return add_from_scratch(scratch, S_ISDIR(st.st_mode) ? void_directory : void_file, HIDDEN, root, path);
}

static int protect(const struct plan *plan, int root, int scratch)
{
	const char *path = plan_string(plan, plan->mounts.read_only.first);
	for (uint32_t i = 0; i < plan->mounts.read_only.count; i++, path += strlen(path) + 1)
		if (add_read_only(root, path) < 0)
			return -1;
	path = plan_string(plan, plan->mounts.masked.first);
	for (uint32_t i = 0; i < plan->mounts.masked.count; i++, path += strlen(path) + 1)
		if (add_mask(root, scratch, path) < 0)
			return -1;
	return 0;
}

int extra_mount(const struct job *job, int root, int scratch)
{
	for (uint32_t i = 0; i < job->plan->mounts.count; i++)
		if (add(job, i, root, scratch) < 0)
			return -1;
	return protect(job->plan, root, scratch);
}
