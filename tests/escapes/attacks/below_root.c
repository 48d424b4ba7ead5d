/* SPDX-License-Identifier: MIT */
/*
 * Tries to come to see what the root of a container is stacked upon, by the way argv[2]. argv[3] says where: `here`;
 * `nested`, in namespaces of its own, where it has all capabilities; or `joined`, for one from outside who has them all
 * in the container's own user namespace, and tries it in a copy of its mounts.
 */
#include <dirent.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "attack.h"

#define BENEATH 0x200 /* MOVE_MOUNT_BENEATH, Linux 6.5 */
#define PLACE "/tmp/place"

static struct stat root; /* which is to stay the last that there is */

static int write_map(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -1 : 0;
}

static int nest(void)
{
	char uids[32], gids[32];
	snprintf(uids, sizeof(uids), "0 %u 1", geteuid());
	snprintf(gids, sizeof(gids), "0 %u 1", getegid());
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || write_map("/proc/self/setgroups", "deny") < 0 ||
			       write_map("/proc/self/uid_map", uids) < 0 || write_map("/proc/self/gid_map", gids) < 0
		       ? -1
		       : 0;
}

static int is_another(const struct stat *st)
{
	return st->st_dev != root.st_dev || st->st_ino != root.st_ino;
}

/* As far up as it goes from here. */
static int look_up(void)
{
	struct stat st;
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0)
			return refused("chdir");
	return stat(".", &st) == 0 && is_another(&st) ? GOT_OUT : refused("..");
}

static int by_chroot(void)
{
	return chroot(PLACE) < 0 ? refused("chroot") : look_up();
}

static int by_kept_fd(void)
{
	int fd = open("/", O_PATH | O_DIRECTORY);
	return chroot(PLACE) < 0 || fchdir(fd) < 0 ? refused("chroot") : look_up();
}

/* Who enters a mount namespace is in what lies uppermost there. */
static int enter_again(int namespace)
{
	struct stat st;
	if (setns(namespace, CLONE_NEWNS) < 0)
		return refused("setns");
	return stat("/", &st) == 0 && is_another(&st) ? GOT_OUT : look_up();
}

static int by_setns(void)
{
	int namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return chroot(PLACE) < 0 ? refused("chroot") : enter_again(namespace);
}

static int by_umount(void)
{
	int namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return umount2("/", MNT_DETACH) < 0 ? refused("umount") : enter_again(namespace);
}

/* The program's own root takes the place of the container's, and is unmounted then. */
static int by_pivot_root(void)
{
	int namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (mount("none", PLACE, "tmpfs", 0, NULL) < 0 || mkdir(PLACE "/old", 0700) < 0)
		return refused("mount");
	if (syscall(SYS_pivot_root, PLACE, PLACE "/old") < 0)
		return refused("pivot_root");
	if (chdir("/") < 0 || umount2("/old", MNT_DETACH) < 0 || stat("/", &root) < 0)
		return refused("old");
	return umount2("/", MNT_DETACH) < 0 ? refused("umount") : enter_again(namespace);
}

static int new_tmpfs(void)
{
	int context = (int)syscall(SYS_fsopen, "tmpfs", 0);
	if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return (int)syscall(SYS_fsmount, context, 0, 0);
}

/* A mount is slipped in below, which would be all that is left when the upper one is gone. */
static int by_mount_beneath(void)
{
	int namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), fd = new_tmpfs();
	if (fd < 0)
		return refused("fsmount");
	if (syscall(SYS_move_mount, fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH | BENEATH) < 0)
		return refused("move_mount");
	return umount2("/", MNT_DETACH) < 0 ? refused("umount") : enter_again(namespace);
}

static int by_moving(void)
{
	int namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), fd = new_tmpfs();
	if (fd < 0 || syscall(SYS_move_mount, fd, "", AT_FDCWD, PLACE, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return refused("fsmount");
	return mount("/", PLACE, NULL, MS_MOVE, NULL) < 0 ? refused("mount") : enter_again(namespace);
}

/* A copy of the mounts has nothing above its root. */
static int by_copy(void)
{
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | AT_RECURSIVE);
	return fd < 0 || fchdir(fd) < 0 ? refused("open_tree") : look_up();
}

static int by_proc(void)
{
	static const char *const names[] = {"root", "cwd"};
	struct stat st;
	char path[64];
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)getppid(), names[i]); /* in a container its init's */
		if (stat(path, &st) == 0 && is_another(&st))
			return GOT_OUT;
	}
	return chdir("/proc/self/root/..") < 0 || chdir(path) < 0 ? refused(path) : look_up();
}

/* The root of the file system that this directory is of, by its number, which no name leads to. */
static int by_file_handle(void)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + 8];
	} file = {.handle = {.handle_bytes = 8, .handle_type = 1}}; /* FILEID_INO32_GEN */
	const unsigned numbers[2] = {2, 0};
	struct stat st;
	memcpy(file.handle.f_handle, numbers, sizeof(numbers));
	int top = open("/", O_RDONLY | O_DIRECTORY);
	int fd = open_by_handle_at(top, &file.handle, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return errno == ESTALE || errno == EOPNOTSUPP ? outcome((errno = ENOSYS, -1), "handle")
							      : refused("open_by_handle_at");
	return fstat(fd, &st) == 0 && is_another(&st) ? GOT_OUT : refused("open_by_handle_at");
}

/* The mounts that Linux 6.8 tells, and those of mountinfo. */
static int by_listing(void)
{
	enum { LISTMOUNT = 458, MOST = 256 };
	const struct {
		unsigned size, unused;
		unsigned long long parent, last;
	} request = {24, 0, ~0ull, 0}; /* LSMT_ROOT */
	unsigned long long ids[MOST];
	char line[1024];
	int lines = 0;
	long count = syscall(LISTMOUNT, &request, ids, (size_t)MOST, 0);
	FILE *file = fopen("/proc/self/mountinfo", "r");
	while (file && fgets(line, sizeof(line), file))
		lines++;
	if (count < 0 || !file)
		return refused("listmount");
	return count > lines ? GOT_OUT : refused("listmount");
}

/* A lock that the copy of a mount has is asked for anew in a copy of that copy. */
static int by_nesting_again(void)
{
	return unshare(CLONE_NEWNS) < 0 || nest() < 0 ? refused("unshare") : by_umount();
}

/* As by_umount(), and then: whether anything can be changed that other containers have as well. */
static int by_writing_below(void)
{
	struct mount_attr writable = {.attr_clr = MOUNT_ATTR_RDONLY};
	int changed = 0;
	if (by_umount() != GOT_OUT)
		return BROKEN;
	static const char *const paths[] = {"/", "/dev", "/proc"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		changed |= mount(NULL, paths[i], NULL, MS_REMOUNT | MS_BIND, NULL) == 0 && strcmp(paths[i], "/proc");
		changed |= mount(NULL, paths[i], NULL, MS_REMOUNT, NULL) == 0;
		changed |= syscall(SYS_mount_setattr, AT_FDCWD, paths[i], 0, &writable, sizeof(writable)) == 0 &&
			   strcmp(paths[i], "/proc");
		changed |= utimensat(AT_FDCWD, paths[i], NULL, 0) == 0;
		changed |= chmod(paths[i], 0777) == 0;
		changed |= chown(paths[i], 0, 0) == 0;
	}
	/* Their nodes are the host's, as in every container: nothing is tried upon them that could change them. */
	static const char *const nodes[] = {"/dev/null",   "/dev/zero",    "/dev/full",
					    "/dev/random", "/dev/urandom", "/dev/tty"};
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		changed |= umount2(nodes[i], MNT_DETACH) == 0;
	changed |= umount2("/dev", MNT_DETACH) == 0 || umount2("/proc", MNT_DETACH) == 0;
	changed |= mkdir("/new", 0700) == 0 || mkdir("/dev/new", 0700) == 0 || rmdir("/dev/shm") == 0;
	return changed ? GOT_OUT : refused("write");
}

/* As by_umount(), and then: whether there is anything but what the launcher puts there. */
static int by_reading_below(void)
{
	static const char *const known[] = {".", "..", "dev", "proc"};
	struct dirent *entry;
	if (by_umount() != GOT_OUT || stat("/", &root) < 0)
		return BROKEN;
	DIR *top = opendir("/"), *proc = opendir("/proc");
	while (top && (entry = readdir(top))) {
		size_t i = 0;
		while (i < 4 && strcmp(entry->d_name, known[i]))
			i++;
		if (i == 4)
			return GOT_OUT;
	}
	/* A process of anybody's. */
	while (proc && (entry = readdir(proc)))
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			return GOT_OUT;
	return top && proc ? look_up() : BROKEN;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*attack)(void);
	} ways[] = {{"chroot", by_chroot},
		    {"kept_fd", by_kept_fd},
		    {"setns", by_setns},
		    {"umount", by_umount},
		    {"pivot_root", by_pivot_root},
		    {"beneath", by_mount_beneath},
		    {"move", by_moving},
		    {"copy", by_copy},
		    {"proc", by_proc},
		    {"file_handle", by_file_handle},
		    {"listmount", by_listing},
		    {"nest_again", by_nesting_again},
		    {"write", by_writing_below},
		    {"read", by_reading_below}};
	if (argc != 4 || stat("/", &root) < 0)
		return BROKEN;
	mkdir(PLACE, 0755);
	if (!strcmp(argv[3], "nested") && nest() < 0)
		return refused("nested");
	if (!strcmp(argv[3], "joined") &&
	    (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
		return BROKEN;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(argv[2], ways[i].name))
			return ways[i].attack();
	return BROKEN;
}
