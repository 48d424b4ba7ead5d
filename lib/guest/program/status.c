/* SPDX-License-Identifier: MIT */
/* System calls that tell about files: stat, access, statfs and their kin. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "guest/program/calls.h"
#include "guest/program/path.h"

/* Of a file that has no fd on the host. */
static struct stat synthetic_status(const struct file *file)
{
	static const unsigned minors[] = {
		[FILE_NULL] = 3, [FILE_ZERO] = 5, [FILE_FULL] = 7, [FILE_RANDOM] = 9, [FILE_CONTACT] = 0};
	struct stat st = {.st_mode = file->type | 0666, .st_nlink = 1, .st_blksize = GUEST_PAGE};
	if (S_ISCHR(file->type))
		st.st_rdev = makedev(1, minors[file->kind]);
	return st;
}

static int file_status(const struct file *file, struct stat *out)
{
	if (file->fd < 0)
		*out = synthetic_status(file);
	else if (fstat(file->fd, out) < 0)
		return -errno;
	return 0;
}

/* What a path names, relative to a fd, with the AT_ flags of fstatat(2). 0 or a negative errno. */
static int status_at(struct program *program, int directory, uint64_t address, int flags, struct stat *out)
{
	char given[PATH_MAX], path[PATH_MAX];
	int r = call_path(program, address, given);
	if (r < 0)
		return r;
	if (!*given && (flags & AT_EMPTY_PATH) && directory != AT_FDCWD) {
		struct file *file = program_file(program, directory);
		return file ? file_status(file, out) : -EBADF;
	}
	if (!*given && !(flags & AT_EMPTY_PATH))
		return -ENOENT;
	struct resolved found;
	r = path_join(program, directory, *given ? given : ".", path);
	if (r == 0)
		r = path_resolve(program, path, !(flags & AT_SYMLINK_NOFOLLOW), &found);
	if (r < 0)
		return r;
	*out = found.st;
	resolved_release(&found);
	return 0;
}

/* The kernel's struct stat of x86-64 is the C library's. */
static int64_t put_status(struct program *program, int r, const struct stat *st, uint64_t address)
{
	return r < 0 ? r : space_write(program->space, address, st, sizeof(*st));
}

int64_t call_stat(struct program *program, const uint64_t args[6])
{
	struct stat st;
	int r = status_at(program, AT_FDCWD, args[0], 0, &st);
	return put_status(program, r, &st, args[1]);
}

int64_t call_lstat(struct program *program, const uint64_t args[6])
{
	struct stat st;
	int r = status_at(program, AT_FDCWD, args[0], AT_SYMLINK_NOFOLLOW, &st);
	return put_status(program, r, &st, args[1]);
}

int64_t call_fstat(struct program *program, const uint64_t args[6])
{
	struct stat st;
	struct file *file = program_file(program, (int)args[0]);
	int r = file ? file_status(file, &st) : -EBADF;
	return put_status(program, r, &st, args[1]);
}

int64_t call_newfstatat(struct program *program, const uint64_t args[6])
{
	struct stat st;
	int r = status_at(program, (int)args[0], args[1], (int)args[3], &st);
	return put_status(program, r, &st, args[2]);
}

static struct statx_timestamp to_statx_time(struct timespec time)
{
	return (struct statx_timestamp){.tv_sec = time.tv_sec, .tv_nsec = (uint32_t)time.tv_nsec};
}

int64_t call_statx(struct program *program, const uint64_t args[6])
{
	struct stat st;
	int r = status_at(program, (int)args[0], args[1], (int)args[2], &st);
	if (r < 0)
		return r;
	struct statx x = {
		.stx_mask = STATX_BASIC_STATS,
		.stx_blksize = (uint32_t)st.st_blksize,
		.stx_nlink = (uint32_t)st.st_nlink,
		.stx_uid = st.st_uid,
		.stx_gid = st.st_gid,
		.stx_mode = (uint16_t)st.st_mode,
		.stx_ino = st.st_ino,
		.stx_size = (uint64_t)st.st_size,
		.stx_blocks = (uint64_t)st.st_blocks,
		.stx_atime = to_statx_time(st.st_atim),
		.stx_mtime = to_statx_time(st.st_mtim),
		.stx_ctime = to_statx_time(st.st_ctim),
		.stx_rdev_major = major(st.st_rdev),
		.stx_rdev_minor = minor(st.st_rdev),
		.stx_dev_major = major(st.st_dev),
		.stx_dev_minor = minor(st.st_dev),
	};
	return space_write(program->space, args[4], &x, sizeof(x));
}

static int64_t access_at(struct program *program, int directory, uint64_t address, int mode, int flags)
{
	char given[PATH_MAX], path[PATH_MAX];
	if (mode & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	int r = call_path(program, address, given);
	if (r == 0)
		r = *given ? path_join(program, directory, given, path) : -ENOENT;
	struct resolved found;
	if (r == 0)
		r = path_resolve(program, path, !(flags & AT_SYMLINK_NOFOLLOW), &found);
	if (r < 0)
		return r;
	r = path_permission(&found, mode);
	resolved_release(&found);
	return r;
}

int64_t call_access(struct program *program, const uint64_t args[6])
{
	return access_at(program, AT_FDCWD, args[0], (int)args[1], 0);
}

int64_t call_faccessat(struct program *program, const uint64_t args[6])
{
	return access_at(program, (int)args[0], args[1], (int)args[2], 0);
}

int64_t call_faccessat2(struct program *program, const uint64_t args[6])
{
	return access_at(program, (int)args[0], args[1], (int)args[2], (int)args[3]);
}

/* A full, read-only file system; the figures of the host's are not the guest's business. */
static int64_t put_statfs(struct program *program, uint64_t address)
{
	struct statfs fs = {.f_type = TMPFS_MAGIC,
			    .f_bsize = GUEST_PAGE,
			    .f_namelen = NAME_MAX,
			    .f_frsize = GUEST_PAGE,
			    .f_flags = 1};
	return space_write(program->space, address, &fs, sizeof(fs));
}

int64_t call_statfs(struct program *program, const uint64_t args[6])
{
	struct stat st;
	int r = status_at(program, AT_FDCWD, args[0], 0, &st);
	return r < 0 ? r : put_statfs(program, args[1]);
}

int64_t call_fstatfs(struct program *program, const uint64_t args[6])
{
	return program_file(program, (int)args[0]) ? put_statfs(program, args[1]) : -EBADF;
}

/* Extended attributes: the root has none. */
int64_t call_no_attributes(struct program *program, const uint64_t args[6])
{
	return -EOPNOTSUPP;
}
