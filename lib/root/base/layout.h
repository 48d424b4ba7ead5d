/* SPDX-License-Identifier: MIT */
/* Which image of a layout is meant. */
#ifndef ROOT_LAYOUT_H
#define ROOT_LAYOUT_H

#include "root/base/blob.h"

/*
 * The manifest of the image with this reference, or of the only one where it is NULL; of several platforms that of this
 * machine. 0 and a reference, or a negative errno with the error set: -ENOENT there is none, -EINVAL.
 */
int layout_find(const struct layout *layout, const char *reference, struct json_object **out_manifest);

#endif
