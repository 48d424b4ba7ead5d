/* SPDX-License-Identifier: MIT */
/* The place in the root that a caller names. */
#ifndef ROOT_TARGET_H
#define ROOT_TARGET_H

#include <stdbool.h>

#include "root/manifest.h"

/*
 * Cleans `target` and resolves the links that the root has on the way to it; with `is_directory` also a link at its
 * end. `out` has PATH_MAX bytes. `function` is the public function, for errors. 0, or a negative errno with the error
 * set: -EINVAL it is not absolute, has a `..`, or is the root directory where it must not be, -ENAMETOOLONG, -ELOOP,
 * -ENOMEM.
 */
int target_find(struct manifest *manifest, const char *target, bool is_directory, const char *function, char *out);

/*
 * Most hosts have /bin, /lib and the like as links into /usr, and the programs of the host bring these links with them.
 * A file that is put into /bin/ before such a program must not make a directory of it. This adds the link at
 * `directory` where the host has one, and nothing is there in the root. 0, or a negative errno with the error set.
 */
int target_add_merged(struct manifest *manifest, const char *directory);

#endif
