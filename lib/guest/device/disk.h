/* SPDX-License-Identifier: MIT */
/*
 * What the disks of kernel guests are kept in: a file or block device of the host, as raw sectors. Its size is that of
 * the time when it was opened. Any thread may call; requests that overlap are the guest's own affair.
 */
#ifndef GUEST_DEVICE_DISK_H
#define GUEST_DEVICE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "guest/device/state.h"
#include "guest/device/traffic.h"

enum { DISK_SECTOR = 512 };

/* Memory for what is written to a disk whose writes are discarded: a guest that writes everywhere gets ENOSPC. */
#define DISK_OVERLAY_MAX (UINT64_C(1) << 30)

enum disk_flags {
	DISK_READ_ONLY = 1,      /* writes fail with -EROFS */
	DISK_DISCARD_WRITES = 2, /* writes go to memory, and are gone with the disk; the file is opened for reading */
};

struct disk;

/*
 * Opens it. A file that is written is locked against others that would open it so, and one that is read against those
 * that would write (fcntl(2), open file description locks), where its file system can do that. 0 or a negative errno
 * with the error set: -ENOENT, -EACCES and what open(2) gives; -EINVAL it is neither a file nor a block device, or is
 * smaller than a sector; -EBUSY it is locked; -ENOMEM.
 */
int disk_open(const char *path, enum disk_flags flags, struct disk **out_disk);

/* The same of a file that another one has open as `fd`, with whose lock it goes. */
int disk_open_again(int fd, const char *path, enum disk_flags flags, struct disk **out_disk);
int disk_fd(const struct disk *disk);

/* NULL does nothing. */
void disk_close(struct disk *disk);

/* A multiple of DISK_SECTOR: what is behind the last whole one is out of reach. */
uint64_t disk_size(const struct disk *disk);
bool disk_is_read_only(const struct disk *disk);

/* Of its reads and writes that were done; as long as it is open. */
const struct traffic *disk_traffic(const struct disk *disk);

/*
 * 0 or a negative errno, without the error set: nobody but the guest hears of it. -EINVAL where not all of it is within
 * the disk; -EROFS, -ENOSPC, -ENOMEM, -EIO and what preadv(2) gives. After a failure a part may be done.
 */
int disk_readv(struct disk *disk, uint64_t offset, const struct iovec *parts, int count);
int disk_writev(struct disk *disk, uint64_t offset, const struct iovec *parts, int count);
int disk_read(struct disk *disk, uint64_t offset, void *data, size_t size);
int disk_write(struct disk *disk, uint64_t offset, const void *data, size_t size);

/* Makes zeroes of it, and gives the room back to the host where that can be done and is allowed to. */
int disk_zero(struct disk *disk, uint64_t offset, uint64_t size, bool is_room_given_back);

/* What was written before it stays, even where the host loses its power. */
int disk_flush(struct disk *disk);

/*
 * What was written to one whose writes are discarded; and the same beneath another one, of the same file, to which
 * nothing was written: the bytes stay where they are for as long as it is open. 0, or -EINVAL with the error set.
 */
int disk_save(struct disk *disk, struct state_writer *out);
int disk_load(struct disk *disk, struct state_reader *in);

#endif
