/* SPDX-License-Identifier: MIT */
/*
 * What a base contains, while it is collected: unlike a manifest, entries can be replaced and hidden by later ones. No
 * name that somebody else wrote ever becomes a path on the host: links are followed in this tree, and contents lie in
 * files with numbers for names.
 */
#ifndef ROOT_BASE_TREE_H
#define ROOT_BASE_TREE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "root/manifest.h"

struct base_node {
	struct base_node *parent; /* NULL for the root directory */
	struct base_node *children;
	struct base_node *next;      /* in the same directory */
	struct base_node **previous; /* what points to this one */
	struct base_node *next_in_slot;
	enum manifest_type type; /* no DATA */
	unsigned mode;
	uid_t uid;
	gid_t gid;
	dev_t device;       /* DEVICE */
	size_t number;      /* FILE: the name of its contents */
	char *link;         /* LINK: its text */
	unsigned layer;     /* the layer that has it; whiteouts hide what is of lower ones */
	bool implied;       /* a directory that no layer names */
	size_t path_length; /* of its path, without the NUL */
	uint32_t hash;
	char name[];
};

struct base_tree {
	struct base_node *root; /* "/" of the root */
	struct base_node *top;  /* where the base is unpacked; nothing of it lies elsewhere */
	struct base_node **slots;
	size_t slot_count;
	size_t count;
	unsigned layer; /* the current one */
};

/* Where an entry goes. */
struct base_place {
	struct base_node *parent; /* NULL: it is the top directory itself */
	char name[NAME_MAX + 1];
};

/* `target` is clean and absolute. 0, or a negative errno with the error set. */
int base_tree_init(struct base_tree *tree, const char *target);
void base_tree_clear(struct base_tree *tree);

/*
 * Finds the place that a name in an archive means, and makes the directories on the way to it. 0, or with the error
 * set: -EPERM it leads out, -EINVAL no base can have such a name, -EFBIG too many entries, -ENOMEM.
 */
int base_tree_place(struct base_tree *tree, const char *name, struct base_place *out_place);

/* What is at a place; NULL where there is nothing. */
struct base_node *base_tree_at(const struct base_tree *tree, const struct base_place *place);

/*
 * Makes an entry there. What was there is gone, except for a directory where the new one is a directory as well. NULL
 * with the error set.
 */
struct base_node *base_tree_put(struct base_tree *tree, const struct base_place *place, enum manifest_type type);

/* The text of a link. 0 or -ENOMEM with the error set. */
int base_node_set_link(struct base_node *node, const char *text);

/* Whiteouts: hide what lower layers have at a place, or beneath the directory `parent` of it. */
void base_tree_hide(struct base_tree *tree, const struct base_place *place);
void base_tree_hide_beneath(struct base_tree *tree, struct base_node *directory);

/* Adds it all to a manifest; contents are in the directory `scratch`. 0, or a negative errno with the error set. */
int base_tree_add(const struct base_tree *tree, struct manifest *manifest, const char *scratch);

#endif
