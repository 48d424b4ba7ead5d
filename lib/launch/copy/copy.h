/* SPDX-License-Identifier: MIT */
/* Files into and out of an instance. */
#ifndef LAUNCH_COPY_COPY_H
#define LAUNCH_COPY_COPY_H

#include <virtiso/sandbox.h>

/*
 * Copies what `path` is in the root of the sandbox's instance, where anybody may be at work meanwhile, to
 * `destination`, which must not be there yet. How many entries were left out, or a negative errno with the error set
 * and nothing left behind.
 */
int copy_out(viso_sandbox *sandbox, const char *path, const char *destination);

/* Has `source` made at `path` in the sandbox, which has an instance. 0 or a negative errno with the error set. */
int copy_in(viso_sandbox *sandbox, const char *source, const char *path);

#endif
