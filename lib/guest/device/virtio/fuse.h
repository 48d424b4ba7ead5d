/* SPDX-License-Identifier: MIT */
/*
 * A server of FUSE (include/uapi/linux/fuse.h, version 7) for a directory of the host, which the guest can read and not
 * change. Whatever the guest names is looked up beneath that directory, and no link is followed on the host's side:
 * links are the guest's to follow, in its own tree. Only regular files and directories are opened.
 */
#ifndef GUEST_DEVICE_VIRTIO_FUSE_H
#define GUEST_DEVICE_VIRTIO_FUSE_H

#include "guest/device/virtio/fs_nodes.h"
#include "guest/device/virtio/queue.h"

enum { FUSE_OPEN_MAX = 256 };

struct fuse_server {
	int root; /* the directory */
	struct fs_nodes nodes;
	int open[FUSE_OPEN_MAX]; /* fds by the handles that the guest has; -1 where there is none */
};

/* The fd is the server's from now on, also on failure. 0 or -ENOMEM. */
int fuse_server_init(struct fuse_server *server, int root);
void fuse_server_release(struct fuse_server *server);

/* The guest has gone: as at first. */
void fuse_server_reset(struct fuse_server *server);

/* Serves a request, in the readable bytes, with an answer in the writable ones. How many bytes that are; 0 for none. */
uint32_t fuse_serve(struct fuse_server *server, const struct chain *chain);

#endif
