/* SPDX-License-Identifier: MIT */
/* Making a manifest into files. */
#ifndef ROOT_BUILDER_H
#define ROOT_BUILDER_H

#include "root/manifest.h"

/*
 * Makes every entry of the manifest beneath the open, empty directory `root`. 0, or a negative errno with the error
 * set; what was made is left for the caller to remove.
 */
int build_manifest(const struct manifest *manifest, int root);

/*
 * Makes a directory with this very mode, whatever the umask is. A fd of it, or a negative errno without setting the
 * error and with nothing left.
 */
int build_directory(int parent, const char *name, unsigned mode);

#endif
