/* SPDX-License-Identifier: MIT */
/*
 * The root of a container: a copy of the mounts of a directory, or an overlay of several directories.
 *
 * With root of the host the worker makes it, with all its rights: inside it would have to reach the directories as
 * somebody without any. Then owners are shown as they are on disk, where the file system can do it and the ids of the
 * container are of a range that the worker chose:
 *
 * - Not in the host's own root directory: the container's root would have the host's secrets and sockets.
 * - Not in one that is writable in place: there a program of the container could leave programs of the host's root with
 *   setuid bits, for anybody on the host who gets there. Nobody gets where the directory that contains it is open to
 *   root alone.
 * - What is mounted below the root is the host's, and stays so.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "mount/mounts.h"

enum { POINTS_SIZE = 64 << 10 }; /* they are empty */

uint64_t root_attributes(const struct plan *plan)
{
	/* A program that may gain privileges needs setuid files; it still gains only ids that the container has. */
	bool nosuid = !(plan->security.flags & PLAN_NEW_PRIVILEGES);
	return MOUNT_ATTR_NODEV | (nosuid ? MOUNT_ATTR_NOSUID : 0) |
	       (plan->mounts.upper == PLAN_UPPER_NONE ? MOUNT_ATTR_RDONLY : 0);
}

static bool is_overlay(const struct plan *plan)
{
	return plan->mounts.layer_count || plan->mounts.upper == PLAN_UPPER_DISCARDED ||
	       plan->mounts.upper == PLAN_UPPER_DIRECTORY;
}

static bool is_host_root(int fd)
{
	struct stat root, st;
	return stat("/", &root) < 0 || fstat(fd, &st) < 0 || (root.st_dev == st.st_dev && root.st_ino == st.st_ino);
}

/*
 * The directory that contains the root directory is root's, and nobody else gets into it. Not one that only contains
 * the place where it is mounted: there are other ways to it.
 */
static bool is_secluded(int root)
{
	struct stat st;
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_XDEV};
	int parent = (int)syscall(SYS_openat2, root, "..", &how, sizeof(how));
	bool secluded = parent >= 0 && fstat(parent, &st) == 0 && st.st_uid == 0 && !(st.st_mode & 077);
	close_quietly(parent);
	return secluded;
}

static bool may_map(const struct job *job)
{
	const struct plan *plan = job->plan;
	int root = job->root;
	return mount_shows_owners(job) && !is_host_root(root) &&
	       (plan->mounts.upper != PLAN_UPPER_ROOT || is_secluded(root));
}

/* A copy of the mounts of the root directory. */
static int copy_directory(const struct job *job)
{
	int fd = worker.owns_ids ? mount_copy(job->root, "", AT_EMPTY_PATH | AT_RECURSIVE)
				 : mount_copy_by_path(job->root, AT_RECURSIVE);
	if (fd < 0)
		return fail(VISO_STAGE_MOUNT, 0, "open_tree");
	/* Linux before 5.12 has no such call; then mount_restrict_attached() does it, later and less well. */
	int r = mount_restrict(fd, root_attributes(job->plan), true);
	if (r < 0 && errno != ENOSYS)
		fail(VISO_STAGE_MOUNT, 0, "mount_setattr");
	else if (r == 0 && may_map(job) && mount_map_ids(job, fd, false) < 0 && !mount_map_is_missing())
		fail(VISO_STAGE_MOUNT, 0, "MOUNT_ATTR_IDMAP");
	else
		return fd;
	close(fd);
	return -1;
}

/* The directories of an overlay, the lowest first. */
static int layer_fd(const struct job *job, int index)
{
	return index == 0 ? job->root : job->fds[job->plan->mounts.first_layer + (uint32_t)index - 1];
}

static void close_overlay(struct overlay *overlay)
{
	for (int i = 0; i < overlay->count; i++)
		close(overlay->layers[i]);
	close_quietly(overlay->base);
}

/* A layer as root has it: a copy of its mount, so that owners can be shown as on disk. */
static int copy_layer(const struct job *job, int fd, bool mapped)
{
	int copy = mount_copy(fd, "", AT_EMPTY_PATH);
	if (copy < 0 || mount_restrict(copy, MOUNT_ATTR_RDONLY, false) < 0)
		return close_quietly(copy);
	if (mapped && !is_host_root(fd) && mount_map_ids(job, copy, false) < 0 && !mount_map_is_missing())
		return close_quietly(copy);
	return copy;
}

static int open_layers(const struct job *job, struct overlay *overlay)
{
	for (int i = 0; i <= (int)job->plan->mounts.layer_count; i++) {
		int layer = layer_fd(job, i);
		int fd = worker.owns_ids ? copy_layer(job, layer, overlay->mapped) : mount_reopen(layer);
		if (fd < 0)
			return fail(VISO_STAGE_MOUNT, 0, "layer");
		overlay->layers[overlay->count++] = fd;
	}
	return 0;
}

static int make_work(int base)
{
	return mkdirat(base, "work", 0700) < 0 && errno != EEXIST ? -1 : 0;
}

/* The directories of an upper, where they are not there yet; its mode and owner are those of the root. 0, or -1 with
 * errno. */
static int make_upper(int base, const struct stat *like)
{
	if (mkdirat(base, "upper", 0700) < 0)
		return errno == EEXIST ? make_work(base) : -1;
	if (worker.owns_ids && fchownat(base, "upper", like->st_uid, like->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	/* After the change of owner, which takes bits away; nobody else gets here to put a link in its place. */
	return fchmodat(base, "upper", like->st_mode & 0777, 0) < 0 ? -1 : make_work(base);
}

/* What is on disk as root's is the container's root's. */
static void give_to_container(struct stat *like)
{
	like->st_uid = worker.first_id + (like->st_uid < 65536 ? like->st_uid : 0);
	like->st_gid = worker.first_id + (like->st_gid < 65536 ? like->st_gid : 0);
}

/* What an overlay is to be. */
struct wanted {
	enum plan_upper upper;
	uint64_t upper_size;
	uint64_t attributes;
};

/* In memory; nothing leads to it from the host's file systems. */
static int make_discarded_upper(const struct job *job, uint64_t bytes, struct stat like)
{
	char size[24];
	snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
	const struct option options[] = {{"mode", "0700"}, {bytes ? "size" : NULL, size}, {NULL, NULL}};
	int base = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, "upper");
	if (base < 0)
		return -1;
	if (mount_shows_owners(job))
		give_to_container(&like);
	/* An ordinary user's overlay is made in the mount namespace of the container. */
	if (make_upper(base, &like) < 0 || (!worker.owns_ids && mount_stack(base) < 0)) {
		fail(VISO_STAGE_MOUNT, 0, "upper");
		return close_quietly(base);
	}
	return base;
}

/*
 * A mount of the directory of the host. On disk, owners have to be the container's ids where those that it has on the
 * host are of a range: that of the next worker is another one.
 */
static int copy_kept_upper(const struct job *job, int directory)
{
	int base = mount_copy(directory, "", AT_EMPTY_PATH);
	if (base < 0 || mount_restrict(base, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, false) < 0) {
		fail(VISO_STAGE_MOUNT, 0, "upper");
		return close_quietly(base);
	}
	if (mount_shows_owners(job) && mount_map_ids(job, base, false) < 0) {
		fail(VISO_STAGE_MOUNT, mount_map_is_missing() ? EOPNOTSUPP : 0, "upper");
		return close_quietly(base);
	}
	return base;
}

static int open_kept_upper(const struct job *job, const struct stat *like)
{
	int directory = job->fds[job->plan->mounts.upper_fd];
	int base = worker.owns_ids ? copy_kept_upper(job, directory) : mount_reopen(directory);
	if (base < 0 || make_upper(worker.owns_ids ? directory : base, like) < 0) {
		fail(VISO_STAGE_MOUNT, 0, "upper");
		return close_quietly(base);
	}
	return base;
}

/* The overlay, with errno where it fails without a note. */
static int try_overlay(const struct job *job, const struct wanted *wanted, bool mapped)
{
	struct overlay overlay = {.base = -1, .attached = !worker.owns_ids, .mapped = mapped};
	struct stat like;
	int fd = -1;
	if (fstat(layer_fd(job, (int)job->plan->mounts.layer_count), &like) < 0)
		return fail(VISO_STAGE_MOUNT, 0, "layer");
	if (open_layers(job, &overlay) < 0)
		goto out;
	if (wanted->upper != PLAN_UPPER_NONE)
		overlay.base = wanted->upper == PLAN_UPPER_DISCARDED
				       ? make_discarded_upper(job, wanted->upper_size, like)
				       : open_kept_upper(job, &like);
	if (wanted->upper == PLAN_UPPER_NONE || overlay.base >= 0)
		fd = worker.owns_ids ? overlay_make_aside(&overlay, wanted->attributes)
				     : overlay_make(&overlay, wanted->attributes);
out:;
	int saved = errno;
	close_overlay(&overlay);
	errno = saved;
	return fd;
}

static int make_overlay(const struct job *job)
{
	const struct plan_mounts *mounts = &job->plan->mounts;
	const struct wanted wanted = {
		.upper = (enum plan_upper)mounts->upper,
		.upper_size = mounts->upper_size ? mounts->upper_size : job->plan->memory_max,
		.attributes = root_attributes(job->plan),
	};
	bool mapped = mount_shows_owners(job);
	int fd = try_overlay(job, &wanted, mapped);
	/* Linux before 5.19 takes no id-mapped layers. */
	if (fd < 0 && errno == EINVAL && mapped && !worker.page->failure.error && wanted.upper != PLAN_UPPER_DIRECTORY)
		fd = try_overlay(job, &wanted, false);
	return fd < 0 ? fail(VISO_STAGE_MOUNT, 0, "overlay") : fd;
}

/* An overlay with the mount points that the root lacks; -1 with nothing noted where there cannot be one. */
static int make_with_points(const struct job *job, int root)
{
	struct statvfs st;
	/* What the host does not execute from this file system is not executed in here. */
	bool noexec = fstatvfs(root, &st) < 0 || (st.f_flag & ST_NOEXEC);
	const struct wanted wanted = {
		.upper = PLAN_UPPER_DISCARDED,
		.upper_size = POINTS_SIZE,
		.attributes =
			(root_attributes(job->plan) & ~(uint64_t)MOUNT_ATTR_RDONLY) | (noexec ? MOUNT_ATTR_NOEXEC : 0),
	};
	/* Where the owners cannot be shown as before, there is none. */
	int fd = try_overlay(job, &wanted, mount_shows_owners(job));
	if (fd >= 0)
		points_make(job, fd);
	/* Before Linux 5.12 it becomes read-only when it is attached. */
	if (fd >= 0 && mount_restrict(fd, MOUNT_ATTR_RDONLY, false) < 0 && errno != ENOSYS)
		fd = close_quietly(fd);
	/* Ours alone, and not what the worker may have noted meanwhile. */
	if (fd < 0 && worker.page->failure.stage == VISO_STAGE_MOUNT)
		worker.page->failure = (struct report_failure){0};
	return fd;
}

/* Takes the root over. Where nothing can be done, the mount that lacks its point fails. */
static int add_points(const struct job *job, int root)
{
	const struct plan_mounts *mounts = &job->plan->mounts;
	if (mounts->upper != PLAN_UPPER_NONE || !points_are_missing(job->plan, root) ||
	    (!mounts->layer_count && points_would_hide(job->root)))
		return root;
	int fd = make_with_points(job, root);
	if (fd < 0)
		return root;
	close(root);
	return fd;
}

int root_copy(const struct job *job)
{
	int fd = is_overlay(job->plan) ? make_overlay(job) : copy_directory(job);
	if (fd >= 0)
		fd = add_points(job, fd);
	if (fd < 0 || !mount_needs_lock(job->plan) || mount_lock(fd) == 0)
		return fd;
	fail(VISO_STAGE_MOUNT, 0, "lock");
	return close_quietly(fd);
}

int mounts_hold_upper(struct job *job)
{
	struct stat st;
	if (job->plan->isolation != PLAN_CONTAINER || job->plan->mounts.upper != PLAN_UPPER_DIRECTORY)
		return 0;
	/* An open file of its own: the fd of the plan is that of all starts. */
	int fd = openat(job->fds[job->plan->mounts.upper_fd], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(VISO_STAGE_MOUNT, 0, "upper");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		fail(VISO_STAGE_MOUNT, errno == EWOULDBLOCK ? EBUSY : 0, "upper");
		return close_quietly(fd);
	}
	job->upper_lock = fd;
	/* What the container leaves there may be programs with setuid bits, of the host's root: nobody else gets there.
	 */
	if (st.st_uid != worker.uid)
		return fail(VISO_STAGE_MOUNT, EACCES, "upper");
	if ((st.st_mode & 077) && fchmod(fd, st.st_mode & 0700) < 0)
		return fail(VISO_STAGE_MOUNT, 0, "upper");
	return 0;
}
