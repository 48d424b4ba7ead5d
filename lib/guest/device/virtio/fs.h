/* SPDX-License-Identifier: MIT */
/* A directory of the host in the guest (virtio 1.2, 5.11). */
#ifndef GUEST_DEVICE_VIRTIO_FS_H
#define GUEST_DEVICE_VIRTIO_FS_H

#include "guest/device/virtio/fuse.h"
#include "guest/device/virtio/virtio.h"

enum { FS_TAG_MAX = 36 };

/*
 * `tag` is what the guest mounts it by, up to FS_TAG_MAX bytes. The fd of the directory is the device's from now on,
 * also on failure. 0 or a negative errno.
 */
int virtio_fs_new(const struct ram *ram, struct interrupt interrupt, int directory, const char *tag,
		  const struct fuse_rights *rights, struct virtio **out);

#endif
