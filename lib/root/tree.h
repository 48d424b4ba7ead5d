/* SPDX-License-Identifier: MIT */
/* A directory of the source, with what is below it, into a manifest. */
#ifndef ROOT_TREE_H
#define ROOT_TREE_H

#include <stdbool.h>

#include "root/manifest.h"

/*
 * Says whether an entry stays out. `depth` is 0 for what lies directly in the tree's own directory.
 */
typedef bool (*tree_filter)(const char *name, int depth, bool is_directory);

/*
 * Adds files, directories and symbolic links; sockets, FIFOs and devices are left out, and so is what lies below
 * another mount. `host` is the directory without links on the way, `target` its place in the root; `leave_out` may be
 * NULL. 0 or a negative errno with the error set.
 */
int tree_add(struct manifest *manifest, const char *host, const char *target, tree_filter leave_out,
	     enum manifest_conflict conflict);

#endif
