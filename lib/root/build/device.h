/* SPDX-License-Identifier: MIT */
/* Device nodes, or the host's devices bound upon empty files where nodes may not be made. */
#ifndef ROOT_DEVICE_H
#define ROOT_DEVICE_H

#include <stdbool.h>

#include "root/manifest.h"

/* Makes it. 0 or a negative errno, without setting the error; -EPERM neither is allowed. */
int device_make(int parent, const char *name, const struct manifest_entry *entry, bool *out_is_bound);

/* As unlinkat(2), also for a device that is bound there. 0 or a negative errno, without setting the error. */
int device_remove(int parent, const char *name);

#endif
