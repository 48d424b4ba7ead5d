/* SPDX-License-Identifier: MIT */
/*
 * The files of a shared directory that a guest knows: each has a number, by which the guest names it, and is found by
 * its path from the directory on. A file that somebody moves on the host is another one for the guest.
 *
 * In a clone it is the same file that a number is of, or none: what has come in its place since the snapshot was made has
 * a number of its own.
 */
#ifndef GUEST_DEVICE_VIRTIO_FS_NODES_H
#define GUEST_DEVICE_VIRTIO_FS_NODES_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/device/state.h"

enum { FS_NODES_MAX = 1 << 16, FS_ROOT = 1, FS_NAME_MAX = 255 };

/* What a file is apart from its names. */
struct fs_identity {
	uint64_t device; /* 0 for that of the shared directory, which may have another number after a new start */
	uint64_t inode;
	int64_t born; /* numbers of inodes are used again; 0 where the file system does not know it */
};

struct fs_node;

struct fs_nodes {
	struct fs_node *nodes;   /* by number; 0 is none, 1 the directory itself */
	uint32_t capacity, free; /* the first one of those that are free */
	uint32_t *buckets;
};

/* 0 or -ENOMEM. */
int fs_nodes_init(struct fs_nodes *nodes);
void fs_nodes_release(struct fs_nodes *nodes);

/* All but the directory are forgotten. */
void fs_nodes_reset(struct fs_nodes *nodes);

/* Its number, which the guest knows once more from now on. 0, -ENOENT the parent is none, -ENOMEM also for too many. */
int fs_nodes_look_up(struct fs_nodes *nodes, uint64_t parent, const char *name, uint64_t *out_number);

/* That which it has already, or 0. */
uint64_t fs_nodes_find(const struct fs_nodes *nodes, uint64_t parent, const char *name);

/* What is there under its name. */
void fs_nodes_identify(struct fs_nodes *nodes, uint64_t number, const struct fs_identity *identity);

/* What must be there under its name; NULL where that may be anything, as it is known since this computer runs. */
const struct fs_identity *fs_nodes_expected(const struct fs_nodes *nodes, uint64_t number);
/* It was there. */
void fs_nodes_confirm(struct fs_nodes *nodes, uint64_t number);

/* The guest has forgotten a number so often; more than it knew it, or one that is none, is nothing. */
void fs_nodes_forget(struct fs_nodes *nodes, uint64_t number, uint64_t count);

/* There is nothing under this name any more: who knows the number keeps it, but it has no path. */
void fs_nodes_drop(struct fs_nodes *nodes, uint64_t parent, const char *name);

/*
 * It has another place now, and what was there is dropped, or in its old place with `exchange`. Where there is no
 * memory for that, both are dropped: the guest looks them up again.
 */
void fs_nodes_move(struct fs_nodes *nodes, uint64_t parent, const char *name, uint64_t new_parent, const char *new_name,
		   bool exchange);

/* Its path, without a slash at the begin: "." for the directory. 0, -ENOENT also where it was dropped, -ENAMETOOLONG.
 */
int fs_nodes_path(const struct fs_nodes *nodes, uint64_t number, char out[PATH_MAX]);

/* All of them; and the same back, for which there must be none but the directory. 0 or a negative errno with the error
 * set. */
int fs_nodes_save(const struct fs_nodes *nodes, struct state_writer *out);
int fs_nodes_load(struct fs_nodes *nodes, struct state_reader *in);

/* Whether there is such a number. */
bool fs_nodes_has(const struct fs_nodes *nodes, uint64_t number);

/* Whether it can be a name in a directory. */
bool fs_nodes_is_name(const char *name);

#endif
