/* SPDX-License-Identifier: MIT */
/* A base while it is collected: the tree of its entries, and the directory of our own that their contents are put in.
 */
#ifndef ROOT_BASE_H
#define ROOT_BASE_H

#include <virtiso/root.h>

#include "root/base/base_tree.h"
#include "root/build/place.h"

struct base {
	struct base_tree tree;
	struct place scratch; /* its `fd` is open */
	size_t files;         /* contents that were put there: the next one's name */
};

/* 0, or a negative errno with the error set; to be cleared in any case. */
int base_init(struct base *base, const char *target);

/* Opens the next file for contents, and sets its number. A fd, or a negative errno with the error set. */
int base_create(struct base *base, size_t *out_number);

/* Adds it all to a root, which keeps the contents. `kind` and `name` are the reason. */
int base_give(struct base *base, viso_root *root, const char *kind, const char *name);

/* Removes what was not given to a root. Keeps the error. */
void base_clear(struct base *base);

#endif
