/* SPDX-License-Identifier: MIT */
/**
 * @file guest_devices.h
 * What is attached to a computer: disks.
 */
#ifndef VIRTISO_GUEST_DEVICES_H
#define VIRTISO_GUEST_DEVICES_H

#include <virtiso/attributes.h>
#include <virtiso/guest.h>
#include <virtiso/guest_kernel.h>

VISO_BEGIN_DECLS

/** How a disk is used. */
typedef enum viso_disk_flags {
	VISO_DISK_READ_ONLY = 1, /**< the guest cannot write to it */
	VISO_DISK_DISCARD_WRITES = 2, /**< what the guest writes is kept in memory, up to 1 GiB, and gone at the end of the computer */
	VISO_DISK_FLAGS_ENUM_WIDTH_ = 0x7fffffff /**< not a flag; fixes the width of the type */
} viso_disk_flags;

/**
 * Attach a disk: a file, or a block device, of which the guest sees the bytes as they are. Its size is that of the time of booting, in whole
 * sectors of 512 bytes. The first disk that is attached is the first one in the guest. On VISO_PLATFORM_MICROVM it is of virtio (vda, vdb,
 * … in Linux), on VISO_PLATFORM_PC of ATA (sda, sdb, …), where there are four at most, and the first one is booted from. A disk that a
 * computer writes to cannot be that of another one at the same time, and one that it only reads cannot be written to by another one, as
 * far as the file's file system has locks.
 *
 * @param guest  a guest that has not run anything
 * @param path   a file of the host; it is opened when the guest boots
 * @param flags  zero or more of viso_disk_flags
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOENT, -ENOTDIR, -EACCES, -EISDIR, -ELOOP, -ENAMETOOLONG, -ENOSPC more
 *         than sixteen disks, -ENOMEM. Of the file, viso_guest_boot() tells more: -EINVAL it has not even a sector, or is no file;
 *         -EBUSY it is locked; -EOPNOTSUPP too many for a PC; and what open(2) gives.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_add_disk(viso_guest *guest, const char *path, unsigned flags);

VISO_END_DECLS

#endif
