/* SPDX-License-Identifier: MIT */
/*
 * A server of FUSE (include/uapi/linux/fuse.h, version 7) for a directory of the host. Whatever the guest names is
 * looked up beneath that directory, and no link is followed on the host's side: links are the guest's to follow, in its
 * own tree. Only regular files and directories are opened, and nothing is seen of proc, sysfs and the like.
 *
 * What a guest with writing makes belongs to the host program's user, and to uid 0 as the guest sees it; it makes no
 * devices. Its locks are its own kernel's: one that waits here would hold up all other requests.
 */
#ifndef GUEST_DEVICE_VIRTIO_FUSE_H
#define GUEST_DEVICE_VIRTIO_FUSE_H

#include <stdbool.h>
#include <sys/types.h>

#include "guest/device/state.h"
#include "guest/device/virtio/fs_nodes.h"
#include "guest/device/virtio/queue.h"

enum { FUSE_OPEN_MAX = 256 };

/* All zeroes: reading alone. */
struct fuse_rights {
	bool writes;
	bool keeps_setid;     /* the guest may make programs that run as their owner or group */
	uint64_t written_max; /* bytes; 0 for no limit */
};

struct fuse_handle {
	int fd;        /* -1 where there is none */
	bool is_stale; /* the guest has it from a snapshot, and what it was cannot be opened any more */
	uint64_t node;
};

struct fuse_server {
	int root; /* the directory */
	dev_t device;
	struct fuse_rights rights;
	uint64_t written;
	struct fs_nodes nodes;
	struct fuse_handle open[FUSE_OPEN_MAX]; /* by the handles that the guest has */
};

/* The fd is the server's from now on, also on failure. 0 or a negative errno. */
int fuse_server_init(struct fuse_server *server, int root, const struct fuse_rights *rights);
void fuse_server_release(struct fuse_server *server);

/* The guest has gone: as at first. What it has written counts on. */
void fuse_server_reset(struct fuse_server *server);

/*
 * What the guest knows and has open; and the same for one that nobody has used. What it had open is opened anew by its
 * name; where that is not the same file any more, or cannot be opened, the guest gets ESTALE, as NFS has it. 0 or a
 * negative errno with the error set.
 */
int fuse_server_save(const struct fuse_server *server, struct state_writer *out);
int fuse_server_load(struct fuse_server *server, struct state_reader *in);

/* Serves a request, in the readable bytes, with an answer in the writable ones. How many bytes that are; 0 for none. */
uint32_t fuse_serve(struct fuse_server *server, const struct chain *chain);

#endif
