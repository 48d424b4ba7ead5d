/* SPDX-License-Identifier: MIT */
/*
 * One layer of a file system of the guest: a directory of the host, or a tree in memory. Of names that several layers
 * have, the upper one counts; directories show the names of all. Only the topmost layer is ever changed.
 */
#ifndef GUEST_FILES_LAYER_H
#define GUEST_FILES_LAYER_H

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include "guest/files/memory_tree.h"

struct layer;

/* What one layer has at a place. */
struct part {
	struct memory_node *node; /* of a layer in memory; borrowed */
	int fd;                   /* of a layer of the host: O_PATH, owned; else -1 */
	bool opaque;              /* a directory that hides those below */
};

/* What is to be made. */
struct making {
	mode_t mode;
	unsigned uid;
	unsigned gid;
	const char *target; /* of a symbolic link */
	bool from_root;     /* see struct memory_node */
};

/* Attributes to be changed. */
struct change {
	bool has_mode, has_owner, has_times, has_size;
	mode_t mode;
	unsigned uid, gid;
	struct timespec times[2]; /* as of utimensat(2): UTIME_NOW, UTIME_OMIT */
	uint64_t size;
};

typedef int layer_entry_fn(void *data, const char *name, uint64_t ino, unsigned char type, bool whiteout);

/* All return 0 or a negative errno. Names have been checked: no slash, not "." or "..", not too long. */
struct layer_ops {
	/* What a directory has under a name: LAYER_WHITEOUT where it hides it. */
	int (*look)(const struct layer *layer, const struct part *directory, const char *name, struct part *out,
		    struct stat *out_st);
	int (*status)(const struct layer *layer, const struct part *part, struct stat *out);
	ssize_t (*read_link)(const struct layer *layer, const struct part *part, char *out, size_t size);
	int (*list)(const struct layer *layer, const struct part *directory, layer_entry_fn *entry, void *data);
	/* Makes a file, directory or link under a name that nothing has, or that is hidden. */
	int (*make)(const struct layer *layer, const struct part *directory, const char *name,
		    const struct making *making, struct part *out);
	int (*link)(const struct layer *layer, const struct part *part, const struct part *directory, const char *name);
	/* Takes a name away; of a directory what only hides names of lower layers goes with it. */
	int (*remove)(const struct layer *layer, const struct part *directory, const char *name, bool is_directory);
	int (*rename)(const struct layer *layer, const struct part *from, const char *name, const struct part *to,
		      const char *new_name, bool exchange);
	int (*hide)(const struct layer *layer, const struct part *directory, const char *name);
	int (*set_opaque)(const struct layer *layer, const struct part *directory);
	int (*set)(const struct layer *layer, const struct part *part, const struct change *change);
};

enum { LAYER_WHITEOUT = 1 };

struct layer {
	const struct layer_ops *ops;
	struct memory_tree *tree;  /* owned reference; NULL for one of the host */
	struct memory_node *start; /* in memory: its root, or the file that it is */
	int fd;                    /* of the host: its root or file, O_PATH, owned */
	dev_t device;              /* of the host, of that: what lies on it has been checked */
	bool borrows_fd;           /* of a view that it was copied from */
	bool is_root;              /* of the sandbox's root: its files belong to nobody in the guest */
	bool has_whiteouts;        /* names that begin with ".wh." hide others, and are hidden */
	bool maps_owner;           /* the host program's user is shown as the guest's program's */
	unsigned uid, gid;         /* for that */
};

extern const struct layer_ops layer_host_ops, layer_memory_ops;

static inline bool layer_is_memory(const struct layer *layer)
{
	return layer->tree != NULL;
}

/* The part that the layer begins with. 0 or a negative errno. */
int layer_start(const struct layer *layer, struct part *out);
void part_release(struct part *part);

/* Opens what a part of a layer of the host is, which must be a regular file or a directory. A fd or a negative errno.
 */
int layer_host_open(const struct part *part, int flags);

#endif
