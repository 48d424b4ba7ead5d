/* SPDX-License-Identifier: MIT */
/*
 * What is mounted upon. The image decides what its names are: each is looked up beneath the root, no symbolic or magic
 * link is followed (CVE-2021-30465, CVE-2023-27561, CVE-2025-52565), and the mount goes onto what was found, whatever
 * the name leads to by then.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

#include "mount/mounts.h"

/*
 * File systems that are of the container alone, by their device: nothing that is made there is the host's. This is the
 * memory of the process that mounts, which is forked for it.
 */
static dev_t owned[PLAN_MOUNTS_MAX + 4];
static int owned_count;

void target_own(int fd)
{
	struct stat st;
	if (fstat(fd, &st) == 0 && owned_count < (int)(sizeof(owned) / sizeof(owned[0])))
		owned[owned_count++] = st.st_dev;
}

static bool is_owned(int fd)
{
	struct stat st;
	int i = fstat(fd, &st) == 0 ? 0 : owned_count;
	while (i < owned_count && owned[i] != st.st_dev)
		i++;
	return i < owned_count;
}

int target_find(int root, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, root, path + strspn(path, "/"), &how, sizeof(how));
}

/* One name in a directory; where no owner is given, in one of the container's own. 0, or -1 with errno. */
static int make(int dir, const char *name, bool directory, const struct owner *owner)
{
	if (!owner && !is_owned(dir)) {
		errno = ENOENT;
		return -1;
	}
	if (directory && mkdirat(dir, name, 0755) < 0)
		return -1;
	int fd = directory ? -1 : openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (!directory && fd < 0)
		return -1;
	close_quietly(fd);
	return owner ? fchownat(dir, name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) : 0;
}

/* All that is missing of a path. 0, or -1 with errno. */
static int make_missing(int root, const char *path, bool directory, const struct owner *owner)
{
	char name[256]; /* NAME_MAX, and its NUL */
	int dir = target_find(root, ".", O_PATH | O_DIRECTORY);
	int next;
	for (path += strspn(path, "/"); dir >= 0 && *path; dir = next) {
		size_t length = strcspn(path, "/");
		bool last = path[length] == '\0';
		if (length >= sizeof(name)) {
			errno = ENAMETOOLONG;
			break;
		}
		memcpy(name, path, length);
		name[length] = '\0';
		path += length + strspn(path + length, "/");
		next = target_find(dir, name, O_PATH | (last ? 0 : O_DIRECTORY));
		if (next < 0 && errno == ENOENT && make(dir, name, directory || !last, owner) == 0)
			next = target_find(dir, name, O_PATH);
		int saved = errno;
		close(dir);
		errno = saved;
	}
	close_quietly(dir);
	return dir < 0 || *path ? -1 : 0;
}

int target_make(int root, const char *path, bool directory, struct owner owner)
{
	return make_missing(root, path, directory, &owner);
}

int target_open(int root, const char *path, bool directory)
{
	struct stat st;
	const uint64_t flags = O_PATH | (directory ? O_DIRECTORY : 0);
	int fd = target_find(root, path, flags);
	if (fd < 0 && errno == ENOENT && owned_count && make_missing(root, path, directory, NULL) == 0)
		fd = target_find(root, path, flags);
	if (fd < 0 || directory || (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)))
		return fd;
	close(fd);
	errno = EISDIR;
	return -1;
}

int target_attach(int mount_fd, int root, const char *path)
{
	struct stat st;
	int target = fstat(mount_fd, &st) < 0 ? -1 : target_open(root, path, S_ISDIR(st.st_mode));
	if (target < 0) {
		fail(VISO_STAGE_MOUNT, 0, path);
	} else if (syscall(SYS_move_mount, mount_fd, "", target, "",
			   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
		fail(VISO_STAGE_MOUNT, 0, path);
		target = close_quietly(target);
	}
	close(mount_fd);
	close_quietly(target);
	return target < 0 ? -1 : 0;
}
