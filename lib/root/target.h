/* SPDX-License-Identifier: MIT */
/* The place in the root that a caller names. */
#ifndef ROOT_TARGET_H
#define ROOT_TARGET_H

#include <stdbool.h>

#include "root/plan.h"

/*
 * Cleans `target` and resolves the links that the root has on the way to it; with `is_directory` also a link at its
 * end. `out` has PATH_MAX bytes. `function` is the public function, for errors. 0, or a negative errno with the error
 * set: -EINVAL it is not absolute, has a `..`, or is the root directory where it must not be, -ENAMETOOLONG, -ELOOP,
 * -ENOMEM.
 */
int target_find(struct plan *plan, const char *target, bool is_directory, const char *function, char *out);

#endif
