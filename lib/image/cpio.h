/* SPDX-License-Identifier: MIT */
/* The "newc" format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel. */
#ifndef IMAGE_CPIO_H
#define IMAGE_CPIO_H

#include "image/listing.h"

/* Writes what is listed, and lies beneath the directory `root`, into `fd`. 0, or a negative errno with the error set.
 */
int cpio_write(const struct listing *listing, int root, int fd);

#endif
