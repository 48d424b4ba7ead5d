/* SPDX-License-Identifier: MIT */
/* A program, whatever it is, with everything that it needs. */
#ifndef ROOT_PROGRAM_H
#define ROOT_PROGRAM_H

#include "root/manifest.h"

/* `program` is an absolute path or a name without a slash. 0, or a negative errno with the error set. */
int program_add(struct manifest *manifest, const char *program);

#endif
