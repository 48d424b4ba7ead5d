/* SPDX-License-Identifier: MIT */
/* What git needs beside its libraries. */
#ifndef ROOT_GIT_H
#define ROOT_GIT_H

#include "root/closure/closure.h"

/*
 * Adds git's commands that are programs of their own, and its templates, where the program at `host` (a path without
 * links) is git. `closure` is that of the program. 0, or a negative errno with the error set.
 */
int git_add(struct closure *closure, const char *host);

#endif
