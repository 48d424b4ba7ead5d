/* SPDX-License-Identifier: MIT */
/* What the floor drivers of containers share: the mounts, by the calls that the library makes, the id maps, the rest of init. */
#ifndef BENCH_FLOOR_MOUNTS_H
#define BENCH_FLOOR_MOUNTS_H

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "floor.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

enum { FIRST_ID = 1879048192 };

static inline int filesystem(const char *type, const char *mode, unsigned attributes)
{
	int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	FLOOR_CHECK(context);
	if (mode)
		FLOOR_CHECK(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "mode", mode, 0));
	FLOOR_CHECK(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	int fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
	FLOOR_CHECK(fd);
	close(context);
	return fd;
}

static inline int open_beneath(int dir, const char *name)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
	FLOOR_CHECK(fd);
	return fd;
}

static inline void attach(int fd, int dir, const char *name)
{
	int target = open_beneath(dir, name);
	FLOOR_CHECK(syscall(SYS_move_mount, fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
	close(target);
	close(fd);
}

static inline void make_dev(int root, int with_pts)
{
	static const char *const names[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};
	static const char *const links[] = {"fd", "stdin", "stdout", "stderr", "ptmx"};
	attach(filesystem("tmpfs", "0755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC), root, "dev");
	int dev = open_beneath(root, "dev");
	for (int i = 0; i < 6; i++) {
		struct stat st;
		int node = (int)syscall(SYS_open_tree, AT_FDCWD, names[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		FLOOR_CHECK(node);
		FLOOR_CHECK(fstat(node, &st));
		int file = openat(dev, names[i] + 5, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0644);
		FLOOR_CHECK(file);
		FLOOR_CHECK(syscall(SYS_move_mount, node, "", file, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
		close(node);
		close(file);
	}
	for (int i = 0; i < 5; i++)
		FLOOR_CHECK(symlinkat("/proc/self/fd", dev, links[i]));
	FLOOR_CHECK(mkdirat(dev, "pts", 0755));
	FLOOR_CHECK(mkdirat(dev, "shm", 01777));
	if (with_pts)
		attach(filesystem("devpts", "0620", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC), dev, "pts");
	close(dev);
}

static inline int copy_root(int host_root)
{
	int root = (int)syscall(SYS_open_tree, host_root, "",
				OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	FLOOR_CHECK(root);
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
					.propagation = MS_PRIVATE};
	FLOOR_CHECK(syscall(SYS_mount_setattr, root, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)));
	return root;
}

static inline void mount_proc(int root)
{
	attach(filesystem("proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC), root, "proc");
}

static inline void mount_tmp(int root, const char *name)
{
	attach(filesystem("tmpfs", "1777", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV), root, name);
}

static inline void pivot_to(int root)
{
	FLOOR_CHECK(fchdir(root));
	FLOOR_CHECK(syscall(SYS_pivot_root, ".", "."));
	FLOOR_CHECK(umount2(".", MNT_DETACH));
	FLOOR_CHECK(chdir("/"));
	close(root);
}

static inline void loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	FLOOR_CHECK(ioctl(fd, SIOCSIFFLAGS, &request));
	close(fd);
}

static inline void become_inner_root(volatile int *maps_written)
{
	while (!*maps_written)
		sched_yield();
	FLOOR_CHECK(syscall(SYS_setresgid, 0, 0, 0));
	FLOOR_CHECK(syscall(SYS_setresuid, 0, 0, 0));
}

static inline void write_map(int pid, const char *file)
{
	char path[64], map[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	int length = snprintf(map, sizeof(map), "0 %u 65536\n", FIRST_ID);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	FLOOR_CHECK(write(fd, map, (size_t)length));
	close(fd);
}

#endif
