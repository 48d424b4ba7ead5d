/* SPDX-License-Identifier: MIT */
#include "guest/device/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/device/overlay.h"

struct disk {
	int fd;
	enum disk_flags flags;
	uint64_t size;
	pthread_rwlock_t lock;  /* guards the overlay */
	struct overlay overlay; /* of DISK_DISCARD_WRITES only */
	struct traffic traffic;
};

static bool is_discarding(const struct disk *disk)
{
	return disk->flags & DISK_DISCARD_WRITES;
}

static int fail_open(const char *path, int error)
{
	return error_fail(VISO_STAGE_GUEST, error, path, NULL);
}

static int lock_file(int fd, const char *path, bool is_written)
{
	/* Of the open file description, not of the process: see fcntl(2). */
	const struct flock lock = {.l_type = is_written ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES))
		return 0;
	return error_fail(
		VISO_STAGE_GUEST, EBUSY, path,
		"%s is a disk already, of another guest or of this one, and one of the two would write to it; let "
		"both only read it, or discard their writes",
		path);
}

static int measure(int fd, const char *path, uint64_t *out_size)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return fail_open(path, errno);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_fail(VISO_STAGE_GUEST, EINVAL, path,
				  "%s cannot be a disk: give a file or a block device with raw sectors", path);
	off_t end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return fail_open(path, errno);
	*out_size = (uint64_t)end & ~(uint64_t)(DISK_SECTOR - 1);
	if (*out_size == 0)
		return error_fail(VISO_STAGE_GUEST, EINVAL, path, "%s cannot be a disk: it has not even one sector",
				  path);
	return 0;
}

/* The fd is the disk's, also on failure. */
static int open_on(int given_fd, const char *path, enum disk_flags flags, struct disk **out_disk)
{
	bool is_written = !(flags & (DISK_READ_ONLY | DISK_DISCARD_WRITES));
	_cleanup_close_ int fd = given_fd;
	uint64_t size;
	int r = measure(fd, path, &size);
	if (r == 0)
		r = lock_file(fd, path, is_written);
	if (r < 0)
		return r;
	struct disk *disk = calloc(1, sizeof(*disk));
	if (!disk)
		return error_memory();
	if ((flags & DISK_DISCARD_WRITES) && overlay_init(&disk->overlay, size, DISK_OVERLAY_MAX) < 0) {
		free(disk);
		return error_memory();
	}
	disk->fd = TAKE_FD(fd);
	disk->flags = flags;
	disk->size = size;
	pthread_rwlock_init(&disk->lock, NULL);
	*out_disk = disk;
	return 0;
}

int disk_open(const char *path, enum disk_flags flags, struct disk **out_disk)
{
	bool is_written = !(flags & (DISK_READ_ONLY | DISK_DISCARD_WRITES));
	/* Without blocking, for what turns out to be a pipe. */
	int fd = open(path, (is_written ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? fail_open(path, errno) : open_on(fd, path, flags, out_disk);
}

int disk_open_again(int fd, const char *path, enum disk_flags flags, struct disk **out_disk)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return own < 0 ? fail_open(path, errno) : open_on(own, path, flags, out_disk);
}

int disk_fd(const struct disk *disk)
{
	return disk->fd;
}

void disk_close(struct disk *disk)
{
	if (!disk)
		return;
	close_fd(disk->fd);
	overlay_release(&disk->overlay);
	pthread_rwlock_destroy(&disk->lock);
	free(disk);
}

uint64_t disk_size(const struct disk *disk)
{
	return disk->size;
}

bool disk_is_read_only(const struct disk *disk)
{
	return disk->flags & DISK_READ_ONLY;
}

const struct traffic *disk_traffic(const struct disk *disk)
{
	return &disk->traffic;
}

/* All of one part, from or to the file. A file that has shrunk meanwhile has zeroes there. */
static int transfer(const struct disk *disk, bool is_write, uint64_t offset, uint8_t *data, size_t size)
{
	while (size > 0) {
		ssize_t done = is_write ? pwrite(disk->fd, data, size, (off_t)offset)
					: pread(disk->fd, data, size, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (done == 0 && is_write)
			return -EIO;
		if (done == 0) {
			memset(data, 0, size);
			return 0;
		}
		data += done;
		offset += (uint64_t)done;
		size -= (size_t)done;
	}
	return 0;
}

/* All parts, in as few calls as it takes: a part that was done in part is finished by itself. */
static int transfer_parts(const struct disk *disk, bool is_write, uint64_t offset, const struct iovec *parts, int count)
{
	while (count > 0) {
		int some = count < IOV_MAX ? count : IOV_MAX;
		ssize_t done = is_write ? pwritev(disk->fd, parts, some, (off_t)offset)
					: preadv(disk->fd, parts, some, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		size_t rest = (size_t)done;
		for (; count > 0 && rest >= parts->iov_len; parts++, count--) {
			rest -= parts->iov_len;
			offset += parts->iov_len;
			some--;
		}
		if (some <= 0)
			continue;
		int r = transfer(disk, is_write, offset + rest, (uint8_t *)parts->iov_base + rest,
				 parts->iov_len - rest);
		if (r < 0)
			return r;
		offset += parts->iov_len;
		parts++;
		count--;
	}
	return 0;
}

/* How much of the request is in the block where it begins. */
static size_t part_of_block(uint64_t offset, size_t size)
{
	size_t rest = OVERLAY_BLOCK - offset % OVERLAY_BLOCK;
	return size < rest ? size : rest;
}

static int read_overlaid(struct disk *disk, uint64_t offset, uint8_t *data, size_t size)
{
	int r = 0;
	pthread_rwlock_rdlock(&disk->lock);
	for (size_t done; r == 0 && size > 0; offset += done, data += done, size -= done) {
		const uint8_t *block = overlay_find(&disk->overlay, offset / OVERLAY_BLOCK);
		done = part_of_block(offset, size);
		if (block) {
			memcpy(data, block + offset % OVERLAY_BLOCK, done);
			continue;
		}
		/* As many blocks as are in the file only, in one call. */
		while (done < size && !overlay_find(&disk->overlay, (offset + done) / OVERLAY_BLOCK))
			done += part_of_block(offset + done, size - done);
		r = transfer(disk, false, offset, data, done);
	}
	pthread_rwlock_unlock(&disk->lock);
	return r;
}

/* A block of the overlay with what the disk has there. */
static int fill_block(struct disk *disk, uint64_t offset, uint8_t **out_block)
{
	uint64_t begin = offset - offset % OVERLAY_BLOCK;
	const uint8_t *there = overlay_find(&disk->overlay, begin / OVERLAY_BLOCK);
	uint8_t old[OVERLAY_BLOCK];
	bool is_new;
	int r = there ? 0 : transfer(disk, false, begin, old, sizeof(old));
	if (r == 0)
		r = overlay_make(&disk->overlay, begin / OVERLAY_BLOCK, out_block, &is_new);
	if (r == 0 && is_new)
		memcpy(*out_block, there ? there : old, sizeof(old));
	return r;
}

/* `data` may be NULL, for zeroes. */
static int write_overlaid(struct disk *disk, uint64_t offset, const uint8_t *data, uint64_t size)
{
	int r = 0;
	pthread_rwlock_wrlock(&disk->lock);
	for (size_t done; r == 0 && size > 0; offset += done, size -= done) {
		uint8_t *block;
		bool is_new;
		done = part_of_block(offset, size > OVERLAY_BLOCK ? OVERLAY_BLOCK : size);
		r = done == OVERLAY_BLOCK ? overlay_make(&disk->overlay, offset / OVERLAY_BLOCK, &block, &is_new)
					  : fill_block(disk, offset, &block);
		if (r == 0 && data)
			memcpy(block + offset % OVERLAY_BLOCK, data, done);
		else if (r == 0)
			memset(block + offset % OVERLAY_BLOCK, 0, done);
		data = data ? data + done : NULL;
	}
	pthread_rwlock_unlock(&disk->lock);
	return r;
}

static bool is_within(const struct disk *disk, uint64_t offset, uint64_t size)
{
	return offset <= disk->size && size <= disk->size - offset;
}

static bool are_within(const struct disk *disk, uint64_t offset, const struct iovec *parts, int count)
{
	for (int i = 0; i < count; i++) {
		if (!is_within(disk, offset, parts[i].iov_len))
			return false;
		offset += parts[i].iov_len;
	}
	return true;
}

static uint64_t size_of(const struct iovec *parts, int count)
{
	uint64_t size = 0;
	for (int i = 0; i < count; i++)
		size += parts[i].iov_len;
	return size;
}

static int read_parts(struct disk *disk, uint64_t offset, const struct iovec *parts, int count)
{
	int r = are_within(disk, offset, parts, count) ? 0 : -EINVAL;
	if (r == 0 && !is_discarding(disk))
		return transfer_parts(disk, false, offset, parts, count);
	for (int i = 0; r == 0 && i < count; offset += parts[i].iov_len, i++)
		r = read_overlaid(disk, offset, parts[i].iov_base, parts[i].iov_len);
	return r;
}

int disk_readv(struct disk *disk, uint64_t offset, const struct iovec *parts, int count)
{
	int r = read_parts(disk, offset, parts, count);
	if (r == 0)
		traffic_count(&disk->traffic, TRAFFIC_TO_GUEST, size_of(parts, count));
	return r;
}

static int write_parts(struct disk *disk, uint64_t offset, const struct iovec *parts, int count)
{
	int r = are_within(disk, offset, parts, count) ? 0 : -EINVAL;
	if (r == 0 && disk_is_read_only(disk))
		r = -EROFS;
	if (r == 0 && !is_discarding(disk))
		return transfer_parts(disk, true, offset, parts, count);
	for (int i = 0; r == 0 && i < count; offset += parts[i].iov_len, i++)
		r = write_overlaid(disk, offset, parts[i].iov_base, parts[i].iov_len);
	return r;
}

int disk_writev(struct disk *disk, uint64_t offset, const struct iovec *parts, int count)
{
	int r = write_parts(disk, offset, parts, count);
	if (r == 0)
		traffic_count(&disk->traffic, TRAFFIC_FROM_GUEST, size_of(parts, count));
	return r;
}

int disk_read(struct disk *disk, uint64_t offset, void *data, size_t size)
{
	const struct iovec part = {.iov_base = data, .iov_len = size};
	return disk_readv(disk, offset, &part, 1);
}

int disk_write(struct disk *disk, uint64_t offset, const void *data, size_t size)
{
	const struct iovec part = {.iov_base = (void *)data, .iov_len = size};
	return disk_writev(disk, offset, &part, 1);
}

static int write_zeroes(const struct disk *disk, uint64_t offset, uint64_t size)
{
	static const uint8_t zeroes[65536];
	int r = 0;
	for (uint64_t done; r == 0 && size > 0; offset += done, size -= done) {
		done = size < sizeof(zeroes) ? size : sizeof(zeroes);
		r = transfer(disk, true, offset, (uint8_t *)zeroes, done);
	}
	return r;
}

int disk_zero(struct disk *disk, uint64_t offset, uint64_t size, bool is_room_given_back)
{
	if (!is_within(disk, offset, size))
		return -EINVAL;
	if (disk_is_read_only(disk))
		return -EROFS;
	if (size == 0)
		return 0;
	if (is_discarding(disk))
		return write_overlaid(disk, offset, NULL, size);
	int mode = FALLOC_FL_KEEP_SIZE | (is_room_given_back ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
	int r;
	do
		r = fallocate(disk->fd, mode, (off_t)offset, (off_t)size);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return 0;
	if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)
		return write_zeroes(disk, offset, size);
	return -errno;
}

int disk_flush(struct disk *disk)
{
	if (disk_is_read_only(disk) || is_discarding(disk))
		return 0;
	int r;
	do
		r = fdatasync(disk->fd);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int disk_save(struct disk *disk, struct state_writer *out)
{
	state_put_number(out, is_discarding(disk));
	if (!is_discarding(disk))
		return 0;
	pthread_rwlock_rdlock(&disk->lock);
	overlay_save(&disk->overlay, out);
	pthread_rwlock_unlock(&disk->lock);
	return 0;
}

int disk_load(struct disk *disk, struct state_reader *in)
{
	uint64_t was_discarding;
	if (!state_get_number(in, 1, &was_discarding) || (was_discarding && !is_discarding(disk)) ||
	    (was_discarding && !overlay_load(&disk->overlay, disk->size, in)))
		return state_damaged("disk");
	return 0;
}
