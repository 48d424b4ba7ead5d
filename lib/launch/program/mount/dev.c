/* SPDX-License-Identifier: MIT */
/* The /dev of a container, and of an ordinary user's jail. Nothing of what the image has there is opened. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "mount/mounts.h"

/* Binds a device node of the host onto a new file of the container's /dev: nodes cannot be made in a user namespace. */
static int bind_device(int dev, const char *name, unsigned minor_number)
{
	char path[32];
	struct stat st;
	snprintf(path, sizeof(path), "/dev/%s", name);
	int node = mount_copy(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
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

int mount_pts(int dir, const char *path)
{
	static const struct option options[] = {{"mode", "0620"}, {"ptmxmode", "0666"}, {NULL, NULL}};
	int mount_fd = mount_new("devpts", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, "devpts");
	return mount_fd < 0 ? -1 : target_attach(mount_fd, dir, path);
}

int mount_shm(int root)
{
	static const struct option options[] = {{"mode", "1777"}, {"size", "16m"}, {NULL, NULL}};
	int mount_fd = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, "dev/shm");
	return mount_fd < 0 ? -1 : target_attach(mount_fd, root, "dev/shm");
}

static int make_read_only(int mounted)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
	if (syscall(SYS_mount_setattr, mounted, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
		return fail(VISO_STAGE_MOUNT, 0, "mount_setattr");
	return 0;
}

int mount_dev(int root, bool prepared)
{
	static const struct option dev_options[] = {{"mode", "0755"}, {"size", "16m"}, {NULL, NULL}};
	int mount_fd = mount_new("tmpfs", dev_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, "dev");
	if (mount_fd < 0 || target_attach(mount_fd, root, "dev") < 0)
		return -1;
	/* Mounts can be attached below it only once it is attached itself. */
	int dev = target_find(root, "dev", O_RDONLY | O_DIRECTORY);
	if (dev < 0)
		return fail(VISO_STAGE_MOUNT, 0, "dev");
	target_own(dev);
	int r = fill_dev(dev);
	if (r == 0)
		r = prepared ? make_read_only(dev) : mount_pts(dev, "pts");
	close(dev);
	return r;
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
	int here = mount_reopen(root);
	int dev = here < 0 ? -1 : target_find(here, "dev", O_RDONLY | O_DIRECTORY);
	if (dev < 0 || !is_empty(dev)) {
		close_quietly(dev);
		close_quietly(here);
		return root;
	}
	close(dev);
	int mount_fd = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, "dev");
	if (mount_fd < 0 || target_attach(mount_fd, here, "dev") < 0)
		return -1;
	dev = target_find(here, "dev", O_RDONLY | O_DIRECTORY);
	if (dev < 0)
		return fail(VISO_STAGE_MOUNT, 0, "dev");
	int r = bind_devices(dev);
	if (r == 0 && syscall(SYS_mount_setattr, dev, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)) < 0 &&
	    errno != ENOSYS)
		r = fail(VISO_STAGE_MOUNT, 0, "mount_setattr");
	close(dev);
	return r < 0 ? -1 : here;
}
