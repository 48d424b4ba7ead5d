/* SPDX-License-Identifier: MIT */
/* Removing a tree in which somebody else has worked. */
#ifndef CORE_REMOVE_TREE_H
#define CORE_REMOVE_TREE_H

/*
 * Removes all that is in an open directory. No link is followed and no mount is entered; only devices that are
 * bound to a file in it are unmounted. 0, or a negative errno without
 * setting the error: then as much as possible is gone; -EBUSY: something is mounted in it.
 */
int remove_contents(int directory);

/* Takes away the mount of a device upon `name`. 0, or -EBUSY where something else is mounted there. */
int remove_device_mount(int directory, const char *name);

/* Removes a directory with its contents; where `path` itself is a link, -ELOOP or -ENOTDIR. */
int remove_tree(const char *path);

#endif
