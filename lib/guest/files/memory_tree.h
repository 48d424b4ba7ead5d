/* SPDX-License-Identifier: MIT */
/*
 * A file system in the host's memory. It changes until it is frozen; from then on it is immutable, may be shared by
 * guests in any threads, and lies as a lower layer below an empty one for each of them. Where such a layer writes to a
 * file of a frozen tree, it has a copy of it under the same inode number (memory_tree_own()), to which the names in the
 * frozen tree and the files that were open lead from then on.
 */
#ifndef GUEST_FILES_MEMORY_TREE_H
#define GUEST_FILES_MEMORY_TREE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include "guest/files/contents.h"

struct memory_tree;
struct memory_node;

struct memory_entry {
	struct memory_node *node; /* NULL: a whiteout, which hides the name in lower layers */
	char name[];
};

struct memory_node {
	struct memory_tree *tree;
	struct memory_node *next; /* of all nodes of the tree */
	struct memory_node *previous;
	uint64_t ino;
	mode_t mode;
	unsigned uid;
	unsigned gid;
	unsigned links;
	dev_t rdev;
	struct timespec times[3]; /* access, modification, change */
	unsigned opened;          /* files and whoever else holds it; not counted in a frozen tree */
	bool from_root;           /* copied from a layer of the host: the program may write to it whatever its mode */
	bool is_copy;             /* of a node of a frozen tree: stays as long as the tree */
	bool opaque;              /* a directory that hides those of lower layers */
	struct contents contents; /* of a regular file */
	char *target;             /* of a symbolic link */
	struct memory_entry **entries; /* of a directory, sorted by name */
	size_t count;
	size_t capacity;
};

struct memory_tree {
	atomic_uint references;
	bool frozen;
	struct memory_quota quota;
	uint64_t next_ino;
	struct memory_node *root;
	struct memory_node *nodes;
	struct memory_node **copies; /* of nodes of frozen trees, sorted by inode number */
	size_t copy_count;
	size_t copy_capacity;
};

enum { MEMORY_TIME_ACCESS, MEMORY_TIME_MODIFY, MEMORY_TIME_CHANGE };

/* An empty tree with a root of this mode and owner; NULL without memory. `below` is the frozen tree that it is to lie
 * upon, or NULL: its size counts, its inode numbers are not used again. */
struct memory_tree *memory_tree_new(uint64_t size_max, mode_t mode, unsigned uid, unsigned gid,
				    const struct memory_tree *below);
/* Whether it is still the empty one that was made above this frozen one. */
bool memory_tree_is_untouched(const struct memory_tree *tree, const struct memory_tree *below);

struct memory_tree *memory_tree_ref(struct memory_tree *tree);
/* Takes NULL; NULL. */
struct memory_tree *memory_tree_unref(struct memory_tree *tree);

/* From now on nothing in it changes. */
void memory_tree_freeze(struct memory_tree *tree);

/* A new node without a name. NULL with `*error` -ENOSPC or -ENOMEM. To be held or linked at once. */
struct memory_node *memory_node_new(struct memory_tree *tree, mode_t mode, unsigned uid, unsigned gid, int *error);

/* The target of a symbolic link, once. 0, -ENOSPC or -ENOMEM. */
int memory_node_set_target(struct memory_node *node, const char *target);

/* While it is held, a node stays though its last name goes. */
void memory_node_hold(struct memory_node *node);
void memory_node_release(struct memory_node *node);

/* What a name in a directory is; NULL where it is not there. */
struct memory_entry *memory_find(const struct memory_node *directory, const char *name);

/* Gives a node (NULL: a whiteout) a name; what has that name loses it. 0, -ENOSPC or -ENOMEM. */
int memory_link(struct memory_node *directory, const char *name, struct memory_node *node);

/* Takes a name away. */
void memory_unlink(struct memory_node *directory, const char *name);

/* The copy of a frozen node in an unfrozen tree: NULL where it has none. */
struct memory_node *memory_tree_copy_of(const struct memory_tree *tree, uint64_t ino);

/* The same, made where it is missing. NULL with `*error`. Not of directories. */
struct memory_node *memory_tree_own(struct memory_tree *tree, struct memory_node *node, int *error);

void memory_touch(struct memory_node *node, unsigned which);
void memory_status(const struct memory_node *node, struct stat *out);

/*
 * A tree as bytes, and back: for snapshots in files. Numbers are of the host's byte order. memory_tree_save() adds to a
 * growing buffer; 0 or -ENOMEM. memory_tree_load() takes whatever bytes there are, and tells how many are
 * the tree's: NULL with `*error` -EINVAL or
 * -ENOMEM. A loaded tree is frozen.
 */
struct memory_buffer {
	uint8_t *data;
	size_t size;
	size_t capacity;
};
/* 0 or -ENOMEM. */
int memory_buffer_put(struct memory_buffer *out, const void *data, size_t size);
int memory_tree_save(const struct memory_tree *tree, struct memory_buffer *out);
struct memory_tree *memory_tree_load(const uint8_t *data, size_t size, size_t *out_used, int *error);

#endif
