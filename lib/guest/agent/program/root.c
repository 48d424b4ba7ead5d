/* SPDX-License-Identifier: MIT */
/*
 * The root where it is not the first file system itself, but a disk or a directory of the host's: for reading, with a
 * file system in memory above it that takes what is written.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/agent/program/agent.h"
#include "guest/agent/root_medium.h"

#define LOWER "/viso/lower"
#define ABOVE "/viso/above"
#define NEW_ROOT "/viso/root"

static bool read_line(const char *path, char *out, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
	if (n < 0)
		return false;
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return true;
}

/* Disks are named by their order; which one is the root's, its serial number tells. */
static bool find_disk(char *out, size_t size)
{
	_cleanup_closedir_ DIR *disks = opendir("/sys/block");
	for (struct dirent *entry; disks && (entry = readdir(disks));) {
		char path[300], serial[64];
		snprintf(path, sizeof(path), "/sys/block/%s/serial", entry->d_name);
		if (!read_line(path, serial, sizeof(serial)) || strcmp(serial, ROOT_DISK_ID))
			continue;
		return snprintf(out, size, "/dev/%s", entry->d_name) < (int)size;
	}
	errno = ENODEV;
	return false;
}

static bool mount_lower(const char *medium)
{
	char disk[64];
	if (!strcmp(medium, ROOT_MEDIUM_SHARE))
		return mount(ROOT_SHARE_TAG, LOWER, "virtiofs", MS_RDONLY, NULL) == 0;
	return find_disk(disk, sizeof(disk)) && mount(disk, LOWER, "erofs", MS_RDONLY, NULL) == 0;
}

static bool mount_overlay(void)
{
	mkdir(ABOVE, 0755);
	mkdir(NEW_ROOT, 0755);
	return mount("tmpfs", ABOVE, "tmpfs", 0, "mode=0755") == 0 && mkdir(ABOVE "/upper", 0755) == 0 &&
	       mkdir(ABOVE "/work", 0755) == 0 &&
	       mount("root", NEW_ROOT, "overlay", 0,
		     "lowerdir=" LOWER ",upperdir=" ABOVE "/upper,workdir=" ABOVE "/work") == 0;
}

/* With what is mounted already; then as switch_root(8). */
static bool enter(void)
{
	static const char *const mounts[] = {"/proc", "/sys", "/dev", "/run", "/tmp"};
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		char path[64];
		snprintf(path, sizeof(path), NEW_ROOT "%s", mounts[i]);
		mkdir(path, 0755);
		if (mount(mounts[i], path, NULL, MS_MOVE, NULL) < 0)
			return false;
	}
	return chdir(NEW_ROOT) == 0 && mount(".", "/", NULL, MS_MOVE, NULL) == 0 && chroot(".") == 0 && chdir("/") == 0;
}

bool root_enter(void)
{
	char medium[32];
	if (!read_line(ROOT_MEDIUM_FILE, medium, sizeof(medium)))
		return true;
	mkdir(LOWER, 0755);
	return mount_lower(medium) && mount_overlay() && enter();
}
