/* SPDX-License-Identifier: MIT */
/* What all that copy trees into and out of sandboxes think of an entry of one. */
#ifndef LAUNCH_COPY_ENTRY_H
#define LAUNCH_COPY_ENTRY_H

#include <stdbool.h>

#include "launch/copy/stream.h"

/* Whether the kernel or a program makes it up while it is read; a program may take for ever (FUSE). True where the fd
 * cannot be looked at. */
bool entry_is_made_up(int fd);

/* Gives it the permissions and the time of a record, which may be a liar's. 0 or a negative errno. */
int entry_set_attributes(int fd, const struct copy_record *record);

#endif
