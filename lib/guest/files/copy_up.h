/* SPDX-License-Identifier: MIT */
/* What a file of a lower layer holds, into one of the topmost layer, before a program changes it. */
#ifndef GUEST_FILES_COPY_UP_H
#define GUEST_FILES_COPY_UP_H

#include "guest/files/view.h"

/*
 * Into `to`, which is new, of the layer `top`. What goes to the host's disk counts as written by the program. 0 or a
 * negative errno: -EDQUOT, -ENOSPC, and -EINTR where the guest must end.
 */
int copy_up(struct program *program, struct spot *spot, const struct layer *top, const struct part *to);

#endif
