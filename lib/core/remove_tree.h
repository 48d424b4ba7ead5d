/* SPDX-License-Identifier: MIT */
/* Removing a tree in which somebody else has worked. */
#ifndef CORE_REMOVE_TREE_H
#define CORE_REMOVE_TREE_H

/*
 * Removes all that is in an open directory. No link is followed and no mount is entered. 0, or a negative errno without
 * setting the error: then as much as possible is gone; -EBUSY: something is mounted in it.
 */
int remove_contents(int directory);

/* Removes a directory with its contents; where `path` itself is a link, -ELOOP or -ENOTDIR. */
int remove_tree(const char *path);

#endif
