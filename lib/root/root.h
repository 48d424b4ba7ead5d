/* SPDX-License-Identifier: MIT */
/* The inside of a viso_root that other rooms need. */
#ifndef ROOT_ROOT_H
#define ROOT_ROOT_H

#include <stdbool.h>
#include <virtiso/root.h>

/*
 * Builds the root where that has not happened, and opens its directory. `out_fd` is an O_PATH|O_DIRECTORY|O_CLOEXEC fd
 * that the caller owns. Any thread. 0 or a negative errno with the error set.
 */
int root_open(viso_root *root, int *out_fd);

/* Whether it lies, once it is built, in a directory of the library's own, which goes with the host program. Any thread.
 */
bool root_goes_with_host(viso_root *root);

/* Where its directory is, borrowed; NULL where it is not built yet. Any thread. The error is not set. */
const char *root_known_path(viso_root *root);

#endif
