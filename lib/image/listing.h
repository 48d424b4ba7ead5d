/* SPDX-License-Identifier: MIT */
/* All that a built root contains, sorted, with the owners and times that an image of it has. */
#ifndef IMAGE_LISTING_H
#define IMAGE_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <virtiso/root.h>

#include "core/strings.h"

struct listed {
	char *path; /* beneath the root, "." for itself */
	char *link; /* the text of a symbolic link */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int64_t mtime;
	dev_t device; /* of a device node */
	dev_t on;     /* which inode it is, for hard links */
	ino_t inode;
	uid_t owner; /* in the tree */
	nlink_t links;
	uint64_t size; /* of a file */
};

struct listing {
	struct listed *entries;
	size_t count;
	size_t capacity;
	struct strings left_out; /* sockets and FIFOs */
	struct strings mounts;   /* directories with another file system on them, which was not entered */
	bool has_owners;         /* the root says of an entry that it belongs to somebody else */
};

/* `fd` is the directory of the root, which is built. 0, or a negative errno with the error set. */
int listing_make(struct listing *listing, const viso_root *root, int fd);
void listing_clear(struct listing *listing);

#endif
