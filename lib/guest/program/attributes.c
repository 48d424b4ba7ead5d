/* SPDX-License-Identifier: MIT */
/* System calls that change attributes and sizes of files. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <utime.h>

#include "core/cleanup.h"
#include "guest/files/change.h"
#include "guest/files/mapped.h"
#include "guest/files/memory_file.h"
#include "guest/files/proc.h"
#include "guest/program/calls.h"

/* Of an open file: by its name. */
static int set_by_name(struct program *program, struct file *file, const struct change *change)
{
	if (!file->path)
		return -EROFS;
	_cleanup_free_ struct spot *spot = malloc(sizeof(*spot));
	if (!spot)
		return -ENOMEM;
	int r = view_find_file(program, file, spot);
	if (r == 0)
		r = change_set(program, spot, change);
	spot_release(spot);
	return r;
}

static int set_file(struct program *program, struct file *file, const struct change *change)
{
	struct stat st;
	if (!file)
		return -EBADF;
	if (file->kind != FILE_MEMORY)
		return set_by_name(program, file, change);
	if (file->mount && !file->mount->writable)
		return -EROFS;
	int r = file_status(file, &st);
	if (r == 0 && !memory_file_node(file)->from_root)
		r = change_check_owner(program, &st, change);
	return r < 0 ? r : memory_file_set(file, change);
}

static int64_t set_at(struct program *program, int directory, uint64_t address, int flags, const struct change *change)
{
	char given[PATH_MAX];
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	int r = call_path(program, address, given);
	if (r < 0)
		return r;
	if (!*given && (flags & AT_EMPTY_PATH) && directory != AT_FDCWD)
		return set_file(program, program_file(program, directory), change);
	_cleanup_free_ struct spot *spot = malloc(sizeof(*spot));
	if (!spot)
		return -ENOMEM;
	r = view_find(program, directory, given, flags & AT_SYMLINK_NOFOLLOW ? 0 : FIND_FOLLOW, spot);
	if (r < 0)
		return r;
	if (proc_is_fd(spot) && !(flags & AT_SYMLINK_NOFOLLOW))
		r = set_file(program, program_file(program, spot->proc.fd), change);
	else if (S_ISLNK(spot->st.st_mode) && change->has_mode)
		r = -EOPNOTSUPP;
	else
		r = change_set(program, spot, change);
	spot_release(spot);
	return r;
}

static struct change mode_change(uint64_t mode)
{
	return (struct change){.has_mode = true, .mode = (mode_t)mode & 07777};
}

int64_t call_chmod(struct program *program, const uint64_t args[6])
{
	const struct change change = mode_change(args[1]);
	return set_at(program, AT_FDCWD, args[0], 0, &change);
}

int64_t call_fchmod(struct program *program, const uint64_t args[6])
{
	const struct change change = mode_change(args[1]);
	struct file *file = program_file(program, (int)args[0]);
	return file && file->kind == FILE_PATH ? -EBADF : set_file(program, file, &change);
}

int64_t call_fchmodat(struct program *program, const uint64_t args[6])
{
	const struct change change = mode_change(args[2]);
	return set_at(program, (int)args[0], args[1], 0, &change);
}

int64_t call_fchmodat2(struct program *program, const uint64_t args[6])
{
	const struct change change = mode_change(args[2]);
	return set_at(program, (int)args[0], args[1], (int)args[3], &change);
}

static struct change owner_change(const uint64_t *ids)
{
	return (struct change){.has_owner = true, .uid = (unsigned)ids[0], .gid = (unsigned)ids[1]};
}

int64_t call_chown(struct program *program, const uint64_t args[6])
{
	const struct change change = owner_change(args + 1);
	return set_at(program, AT_FDCWD, args[0], 0, &change);
}

int64_t call_lchown(struct program *program, const uint64_t args[6])
{
	const struct change change = owner_change(args + 1);
	return set_at(program, AT_FDCWD, args[0], AT_SYMLINK_NOFOLLOW, &change);
}

int64_t call_fchown(struct program *program, const uint64_t args[6])
{
	const struct change change = owner_change(args + 1);
	struct file *file = program_file(program, (int)args[0]);
	return file && file->kind == FILE_PATH ? -EBADF : set_file(program, file, &change);
}

int64_t call_fchownat(struct program *program, const uint64_t args[6])
{
	const struct change change = owner_change(args + 2);
	return set_at(program, (int)args[0], args[1], (int)args[4], &change);
}

static bool is_time(const struct timespec *time)
{
	return time->tv_nsec == UTIME_NOW || time->tv_nsec == UTIME_OMIT ||
	       (time->tv_nsec >= 0 && time->tv_nsec < 1000000000);
}

static const struct timespec the_present = {.tv_nsec = UTIME_NOW};

int64_t call_utimensat(struct program *program, const uint64_t args[6])
{
	struct change change = {.has_times = true, .times = {the_present, the_present}};
	if (args[2] && space_read(program->space, change.times, args[2], sizeof(change.times)) < 0)
		return -EFAULT;
	if (!is_time(&change.times[0]) || !is_time(&change.times[1]))
		return -EINVAL;
	if (!args[1])
		return set_file(program, program_file(program, (int)args[0]), &change);
	return set_at(program, (int)args[0], args[1], (int)args[3], &change);
}

static int64_t set_times(struct program *program, int directory, uint64_t path, uint64_t address)
{
	struct timeval times[2];
	struct change change = {.has_times = true, .times = {the_present, the_present}};
	if (address && space_read(program->space, times, address, sizeof(times)) < 0)
		return -EFAULT;
	for (int i = 0; address && i < 2; i++) {
		if (times[i].tv_usec < 0 || times[i].tv_usec >= 1000000)
			return -EINVAL;
		change.times[i] = (struct timespec){times[i].tv_sec, times[i].tv_usec * 1000};
	}
	return set_at(program, directory, path, 0, &change);
}

int64_t call_utimes(struct program *program, const uint64_t args[6])
{
	return set_times(program, AT_FDCWD, args[0], args[1]);
}

int64_t call_futimesat(struct program *program, const uint64_t args[6])
{
	return set_times(program, (int)args[0], args[1], args[2]);
}

int64_t call_utime(struct program *program, const uint64_t args[6])
{
	struct utimbuf times;
	struct change change = {.has_times = true, .times = {the_present, the_present}};
	if (args[1] && space_read(program->space, &times, args[1], sizeof(times)) < 0)
		return -EFAULT;
	if (args[1]) {
		change.times[0] = (struct timespec){.tv_sec = times.actime};
		change.times[1] = (struct timespec){.tv_sec = times.modtime};
	}
	return set_at(program, AT_FDCWD, args[0], 0, &change);
}

/* RLIMIT_FSIZE. */
static int check_size(struct program *program, uint64_t size)
{
	if (size > INT64_MAX)
		return -EINVAL;
	if (size <= program->limits[RLIMIT_FSIZE].rlim_cur)
		return 0;
	signal_send_self(program, SIGXFSZ);
	return -EFBIG;
}

int64_t call_truncate(struct program *program, const uint64_t args[6])
{
	char given[PATH_MAX];
	const struct change change = {.has_size = true, .size = args[1]};
	int r = check_size(program, args[1]);
	if (r == 0)
		r = call_path(program, args[0], given);
	if (r < 0)
		return r;
	_cleanup_free_ struct spot *spot = malloc(sizeof(*spot));
	if (!spot)
		return -ENOMEM;
	r = view_find(program, AT_FDCWD, given, FIND_FOLLOW, spot);
	if (r < 0)
		return r;
	if (!S_ISREG(spot->st.st_mode))
		r = S_ISDIR(spot->st.st_mode) ? -EISDIR : -EINVAL;
	if (r == 0)
		r = change_set(program, spot, &change);
	spot_release(spot);
	return r;
}

int64_t call_ftruncate(struct program *program, const uint64_t args[6])
{
	struct file *file = program_file(program, (int)args[0]);
	if (!file || file->kind == FILE_PATH)
		return -EBADF;
	if (!file_is_writable(file) || !file->ops->resize || !S_ISREG(file->type))
		return -EINVAL;
	int r = check_size(program, args[1]);
	return r < 0 ? r : file_resize(program, file, args[1]);
}

/* Bytes that are made room for count as if they were written. */
static int64_t allocate_on_host(struct file *file, int mode, uint64_t offset, uint64_t size)
{
	return fallocate(file->fd, mode, (off_t)offset, (off_t)size) < 0 ? -errno : 0;
}

int64_t call_fallocate(struct program *program, const uint64_t args[6])
{
	struct file *file = program_file(program, (int)args[0]);
	int mode = (int)args[1];
	if (!file || !file_is_writable(file))
		return -EBADF;
	if (args[2] > INT64_MAX || args[3] == 0 || args[3] > INT64_MAX - args[2])
		return -EINVAL;
	if (mode != 0 && mode != FALLOC_FL_KEEP_SIZE && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (file->kind != FILE_MEMORY && file->kind != FILE_REGULAR)
		return S_ISREG(file->type) ? -EOPNOTSUPP : -ENODEV;
	int r = mode == 0 ? check_size(program, args[2] + args[3]) : 0;
	if (r < 0)
		return r;
	struct file_counts *counts = &program->view->counts;
	const struct mapped_range range = mapped_begin(file, args[2], args[3]);
	if (file->kind == FILE_MEMORY) {
		r = memory_file_allocate(file, args[2], args[3], mode & FALLOC_FL_PUNCH_HOLE,
					 mode & FALLOC_FL_KEEP_SIZE);
		mapped_end(&range);
		return r;
	}
	if (!(mode & FALLOC_FL_PUNCH_HOLE)) {
		if (!counts_write(counts, args[3]))
			return -EDQUOT;
		counts->written += args[3];
	}
	int64_t done = allocate_on_host(file, mode, args[2], args[3]);
	mapped_end(&range);
	return done;
}
