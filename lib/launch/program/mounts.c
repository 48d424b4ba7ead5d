/* SPDX-License-Identifier: MIT */
/*
 * The file systems of a container, made by descriptors only (fsopen, open_tree, move_mount): a name in the root is
 * looked up once, beneath the root and without following links, so that a hostile root cannot turn a mount elsewhere.
 *
 * proc is mounted while the host's own /proc is still there: the kernel allows it to a user namespace only then
 * (mount_too_revealing in fs/namespace.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "launcher.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

struct option {
	const char *key;
	const char *value;
};

/* A new detached file system; its fd, or -1. */
static int new_filesystem(const char *type, const struct option *options, unsigned attributes)
{
	int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	if (context < 0)
		return fail(VISO_STAGE_MOUNT, 0, type);
	int mount_fd = -1;
	for (; options && options->key; options++)
		if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, options->key, options->value, 0) < 0) {
			fail(VISO_STAGE_MOUNT, 0, options->key);
			goto out;
		}
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount_fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
	if (mount_fd < 0)
		fail(VISO_STAGE_MOUNT, 0, type);
out:
	close(context);
	return mount_fd;
}

static int open_beneath(int dir, const char *name, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

/* Attaches a detached mount to a directory of the root; takes the mount's fd over. */
static int attach(int mount_fd, int root, const char *name)
{
	int target = open_beneath(root, name, O_PATH | O_DIRECTORY);
	if (target < 0) {
		fail(VISO_STAGE_MOUNT, 0, name);
	} else if (syscall(SYS_move_mount, mount_fd, "", target, "",
			   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
		fail(VISO_STAGE_MOUNT, 0, name);
		target = close_quietly(target);
	}
	close(mount_fd);
	close_quietly(target);
	return target < 0 ? -1 : 0;
}

static int open_tree_copy(int dir, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | flags);
}

/*
 * As an ordinary user, in the container's own mount namespace, of whose mounts alone a copy can be made: the fd that
 * came with the plan belongs to the host's, so its path is opened anew, and it must be the same directory.
 */
static int copy_root_by_path(int root)
{
	char link[32], path[4096];
	struct stat wanted, found;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", root);
	ssize_t length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return fail(VISO_STAGE_MOUNT, 0, link);
	path[length] = '\0';
	int fd = open_tree_copy(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
	if (fd < 0)
		return fail(VISO_STAGE_MOUNT, 0, path);
	if (fstat(root, &wanted) < 0 || fstat(fd, &found) < 0 || wanted.st_dev != found.st_dev ||
	    wanted.st_ino != found.st_ino) {
		close(fd);
		return fail(VISO_STAGE_MOUNT, ESTALE, path);
	}
	return fd;
}

int mounts_copy_root(const struct job *job)
{
	int fd = worker.owns_ids ? open_tree_copy(job->root, "", AT_EMPTY_PATH) : copy_root_by_path(job->root);
	if (fd < 0)
		return fail(VISO_STAGE_MOUNT, 0, "open_tree");
	/* A program that may gain privileges needs setuid files; it still gains only ids that the container has. */
	bool nosuid = !(job->plan->security.flags & PLAN_NEW_PRIVILEGES);
	struct mount_attr attributes = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | (nosuid ? MOUNT_ATTR_NOSUID : 0),
		.propagation = MS_PRIVATE,
	};
	/* Linux before 5.12 has no such call; then remount_read_only() does it, later and less well. */
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)) < 0 &&
	    errno != ENOSYS) {
		close(fd);
		return fail(VISO_STAGE_MOUNT, 0, "mount_setattr");
	}
	return fd;
}

/* For Linux 5.10 and 5.11: the mount itself, not what is mounted below it. */
static int remount_read_only(int root)
{
	char path[32];
	struct statvfs st;
	if (fstatvfs(root, &st) == 0 && (st.f_flag & (ST_RDONLY | ST_NODEV)) == (ST_RDONLY | ST_NODEV))
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", root);
	if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0)
		return fail(VISO_STAGE_MOUNT, 0, "remount");
	return 0;
}

/* Binds a device node of the host onto a new file of the container's /dev: nodes cannot be made in a user namespace. */
static int bind_device(int dev, const char *name, unsigned minor_number)
{
	char path[32];
	struct stat st;
	snprintf(path, sizeof(path), "/dev/%s", name);
	int node =
		(int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (node < 0)
		return fail(VISO_STAGE_MOUNT, 0, path);
	int file = -1, r = -1;
	if (fstat(node, &st) < 0 || !S_ISCHR(st.st_mode) || minor(st.st_rdev) != minor_number)
		fail(VISO_STAGE_MOUNT, ENODEV, path);
	else if ((file = openat(dev, name, O_CREAT | O_EXCL | O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0644)) < 0)
		fail(VISO_STAGE_MOUNT, 0, path);
	else if (syscall(SYS_move_mount, node, "", file, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		fail(VISO_STAGE_MOUNT, 0, path);
	else
		r = 0;
	close(node);
	close_quietly(file);
	return r;
}

static int bind_devices(int dev)
{
	static const struct {
		const char *name;
		unsigned minor;
	} devices[] = {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}, {"tty", 0}};
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		if (bind_device(dev, devices[i].name, devices[i].minor) < 0)
			return -1;
	return 0;
}

static int fill_dev(int dev)
{
	static const char *const links[][2] = {
		{"/proc/self/fd", "fd"},       {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
		{"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},
	};
	if (bind_devices(dev) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlinkat(links[i][0], dev, links[i][1]) < 0)
			return fail(VISO_STAGE_MOUNT, 0, links[i][1]);
	if (mkdirat(dev, "pts", 0755) < 0 || mkdirat(dev, "shm", 0755) < 0 || fchmodat(dev, "shm", 01777, 0) < 0)
		return fail(VISO_STAGE_MOUNT, 0, "/dev");
	return 0;
}

static int mount_pts(int dir, const char *name)
{
	static const struct option options[] = {{"mode", "0620"}, {"ptmxmode", "0666"}, {NULL, NULL}};
	int mount_fd = new_filesystem("devpts", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	return mount_fd < 0 ? -1 : attach(mount_fd, dir, name);
}

static int make_read_only(int mounted)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
	if (syscall(SYS_mount_setattr, mounted, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
		return fail(VISO_STAGE_MOUNT, 0, "mount_setattr");
	return 0;
}

/* In a prepared container it is read-only, but for what is mounted on it later. */
static int mount_dev(int root, bool prepared)
{
	static const struct option dev_options[] = {{"mode", "0755"}, {"size", "16m"}, {NULL, NULL}};
	int mount_fd = new_filesystem("tmpfs", dev_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (mount_fd < 0 || attach(mount_fd, root, "dev") < 0)
		return -1;
	/* Mounts can be attached below it only once it is attached itself. */
	int dev = open_beneath(root, "dev", O_RDONLY | O_DIRECTORY);
	if (dev < 0)
		return fail(VISO_STAGE_MOUNT, 0, "dev");
	int r = fill_dev(dev);
	if (r == 0)
		r = prepared ? make_read_only(dev) : mount_pts(dev, "pts");
	close(dev);
	return r;
}

/* What /dev has on itself otherwise. */
static int mount_shm(int root)
{
	static const struct option options[] = {{"mode", "1777"}, {"size", "16m"}, {NULL, NULL}};
	int mount_fd = new_filesystem("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mount_fd < 0 ? -1 : attach(mount_fd, root, "dev/shm");
}

static int mount_proc(int root)
{
	int mount_fd = new_filesystem("proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mount_fd < 0 ? -1 : attach(mount_fd, root, "proc");
}

static int mount_tmp(int root, uint64_t memory_max)
{
	char size[24];
	snprintf(size, sizeof(size), "%llu", (unsigned long long)memory_max);
	/* Without a limit the kernel's default holds: half of the memory. */
	const struct option options[] = {{"mode", "1777"}, {memory_max ? "size" : NULL, size}, {NULL, NULL}};
	int mount_fd = new_filesystem("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return mount_fd < 0 ? -1 : attach(mount_fd, root, "tmp");
}

int mounts_add_own_parts(const struct job *job)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return fail(VISO_STAGE_MOUNT, 0, "/");
	/* Without a template the container has a /proc of its own already. */
	int r = job->has_template ? mount_proc(root) : 0;
	if (r == 0)
		r = mount_pts(root, "dev/pts");
	if (r == 0)
		r = mount_shm(root);
	if (r == 0)
		r = mount_tmp(root, job->plan->memory_max);
	close(root);
	return r;
}

/* Attached over the host's root: from here on only descriptors lead out, and they are closed on exec. */
static int pivot(int root)
{
	if (fchdir(root) < 0)
		return fail(VISO_STAGE_PIVOT, 0, "fchdir");
	/* The old root is stacked on the new one and taken off again (pivot_root(2), NOTES). */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return fail(VISO_STAGE_PIVOT, 0, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return fail(VISO_STAGE_PIVOT, 0, "umount2");
	if (chdir("/") < 0)
		return fail(VISO_STAGE_PIVOT, 0, "chdir");
	return 0;
}

int mounts_enter(const struct job *job)
{
	int root = job->root_copy;
	/* What is mounted here must not show on the host. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return fail(VISO_STAGE_MOUNT, 0, "/");
	if (root < 0 && (root = mounts_copy_root(job)) < 0)
		return -1;
	if (syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return fail(VISO_STAGE_MOUNT, 0, "move_mount");
	if (remount_read_only(root) < 0)
		return -1;
	bool prepared = job->plan->pool.flags & POOL_PREPARED;
	if (mount_proc(root) < 0 || mount_dev(root, prepared) < 0 ||
	    (!prepared && mount_tmp(root, job->plan->memory_max) < 0))
		return -1;
	int r = pivot(root);
	close(root);
	return r < 0 || !prepared || job->builds_template ? r : mounts_add_own_parts(job);
}

/* The root as this mount namespace has it; -1 where its path does not lead there. */
static int open_root_here(int root)
{
	char link[32];
	struct stat wanted, found;
	char path[4096];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", root);
	ssize_t length = readlink(link, path, sizeof(path) - 1);
	path[length < 0 ? 0 : length] = '\0';
	int here = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (here >= 0 && fstat(root, &wanted) == 0 && fstat(here, &found) == 0 && wanted.st_dev == found.st_dev &&
	    wanted.st_ino == found.st_ino)
		return here;
	return close_quietly(here);
}

static bool is_empty(int directory)
{
	char entries[256];
	/* Nothing but itself and its parent, of 24 bytes each. */
	return syscall(SYS_getdents64, directory, entries, sizeof(entries)) == 48;
}

int mounts_add_devices(int root)
{
	static const struct option options[] = {{"mode", "0755"}, {"size", "64k"}, {NULL, NULL}};
	struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
	if (syscall(SYS_open_tree, -1, "", 0) < 0 && errno == ENOSYS)
		return root;
	int here = open_root_here(root);
	int dev = here < 0 ? -1 : open_beneath(here, "dev", O_RDONLY | O_DIRECTORY);
	if (dev < 0 || !is_empty(dev)) {
		close_quietly(dev);
		close_quietly(here);
		return root;
	}
	close(dev);
	int mount_fd = new_filesystem("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (mount_fd < 0 || attach(mount_fd, here, "dev") < 0)
		return -1;
	dev = open_beneath(here, "dev", O_RDONLY | O_DIRECTORY);
	if (dev < 0)
		return fail(VISO_STAGE_MOUNT, 0, "dev");
	int r = bind_devices(dev);
	if (r == 0 && syscall(SYS_mount_setattr, dev, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)) < 0 &&
	    errno != ENOSYS)
		r = fail(VISO_STAGE_MOUNT, 0, "mount_setattr");
	close(dev);
	return r < 0 ? -1 : here;
}
