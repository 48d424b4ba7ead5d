/* SPDX-License-Identifier: MIT */
/* EROFS images, which mkfs.erofs makes. */
#ifndef IMAGE_EROFS_H
#define IMAGE_EROFS_H

#include "image/listing.h"

/*
 * Packs the tree at `directory` into the file `fd`. `as_it_is`: with the owners that it has. 0, or a negative errno
 * with the error set.
 */
int erofs_write(const struct listing *listing, const char *directory, bool as_it_is, int fd);

#endif
