/* SPDX-License-Identifier: MIT */
/* What all rules do: taking a file or a tree where it is there. */
#ifndef ROOT_TAKE_H
#define ROOT_TAKE_H

#include "root/closure/closure.h"
#include "root/tree.h"

/* What a rule does with one file. 0 or a negative errno with the error set. */
typedef int (*take_fn)(struct closure *closure, const char *path);

/* A regular file of the source with the links that lead to it. Without it nothing happens. */
int take_file(struct closure *closure, const char *path);

/* The links that lead to a directory, without what is in it. Without it nothing happens. */
int take_links(struct closure *closure, const char *path);

/*
 * A directory with all below it, and the files that links in it lead to. Without it nothing happens. `leave_out` may be
 * NULL.
 */
int take_tree(struct closure *closure, const char *path, tree_filter leave_out);

/* Calls `fn` for each name directly in a directory that ends with `suffix`, in the order of the names. */
int take_each(struct closure *closure, const char *directory, const char *suffix, take_fn fn);

/* "DIRECTORY/name" beside a library, `name` being a path as well. False where it is too long. `out` has PATH_MAX bytes.
 */
bool take_beside(const struct object *library, const char *name, char *out);

#endif
