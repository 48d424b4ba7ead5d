/* SPDX-License-Identifier: MIT */
/* System calls that tell about files: stat, access, statfs and their kin. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "guest/files/proc.h"
#include "guest/program/calls.h"

/* What a path names, relative to a fd, with the AT_ flags of fstatat(2). 0 or a negative errno. */
static int status_at(struct program *program, int directory, uint64_t address, int flags, struct stat *out)
{
	char given[PATH_MAX];
	int r = call_path(program, address, given);
	if (r < 0)
		return r;
	if (!*given && (flags & AT_EMPTY_PATH) && directory != AT_FDCWD) {
		struct file *file = program_file(program, directory);
		return file ? file_status(file, out) : -EBADF;
	}
	if (!*given && !(flags & AT_EMPTY_PATH))
		return -ENOENT;
	struct spot spot;
	r = view_find(program, directory, *given ? given : ".", flags & AT_SYMLINK_NOFOLLOW ? 0 : FIND_FOLLOW, &spot);
	if (r < 0)
		return r;
	struct file *file =
		proc_is_fd(&spot) && !(flags & AT_SYMLINK_NOFOLLOW) ? program_file(program, spot.proc.fd) : NULL;
	if (file)
		r = file_status(file, out);
	else
		*out = spot.st;
	spot_release(&spot);
	return r;
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
	char given[PATH_MAX];
	if (mode & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	int r = call_path(program, address, given);
	struct file *file = r == 0 && !*given && (flags & AT_EMPTY_PATH) ? program_file(program, directory) : NULL;
	if (file && !file->path)
		return 0;
	struct spot spot;
	if (r == 0)
		r = view_find(program, file ? AT_FDCWD : directory, file ? file->path : given,
			      flags & AT_SYMLINK_NOFOLLOW ? 0 : FIND_FOLLOW, &spot);
	if (r < 0)
		return r;
	/* A fd of the program is there, whatever it is. */
	r = proc_is_fd(&spot) ? 0 : spot_permission(program, &spot, mode);
	spot_release(&spot);
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

/* In memory what there is; of the host's file systems the figures are not the guest's business, but for one that it
 * writes to: how much is left. */
static int64_t put_statfs(struct program *program, struct mount *mount, uint64_t address)
{
	struct statfs fs = {
		.f_type = TMPFS_MAGIC, .f_bsize = GUEST_PAGE, .f_namelen = NAME_MAX, .f_frsize = GUEST_PAGE};
	fs.f_flags = mount && mount->writable ? ST_NOSUID | ST_NODEV : ST_NOSUID | ST_NODEV | ST_RDONLY;
	if (mount && mount->is_proc)
		fs.f_type = PROC_SUPER_MAGIC;
	if (mount && mount->writable && layer_is_memory(&mount->layers[0])) {
		const struct memory_quota *quota = &mount->layers[0].tree->quota;
		fs.f_blocks = quota->max / GUEST_PAGE;
		fs.f_bfree = quota->used < quota->max ? (quota->max - quota->used) / GUEST_PAGE : 0;
		fs.f_files = fs.f_blocks;
	} else if (mount && mount->writable) {
		struct statvfs host;
		if (fstatvfs(mount->layers[0].fd, &host) == 0) {
			fs.f_blocks = host.f_blocks * host.f_frsize / GUEST_PAGE;
			fs.f_bfree = host.f_bavail * host.f_frsize / GUEST_PAGE;
			fs.f_files = host.f_files;
		}
	}
	fs.f_bavail = fs.f_bfree;
	fs.f_ffree = fs.f_files;
	return space_write(program->space, address, &fs, sizeof(fs));
}

int64_t call_statfs(struct program *program, const uint64_t args[6])
{
	char given[PATH_MAX];
	struct spot spot;
	int r = call_path(program, args[0], given);
	if (r == 0)
		r = view_find(program, AT_FDCWD, given, FIND_FOLLOW, &spot);
	if (r < 0)
		return r;
	spot_release(&spot);
	return put_statfs(program, spot.mount, args[1]);
}

int64_t call_fstatfs(struct program *program, const uint64_t args[6])
{
	struct file *file = program_file(program, (int)args[0]);
	return file ? put_statfs(program, file->mount, args[1]) : -EBADF;
}

/* Extended attributes: the root has none. */
int64_t call_no_attributes(struct program *program, const uint64_t args[6])
{
	return -EOPNOTSUPP;
}
