/* SPDX-License-Identifier: MIT */
/* What the compiler drivers of GCC need beside their libraries. */
#ifndef ROOT_GCC_H
#define ROOT_GCC_H

#include "root/closure/closure.h"

/*
 * Adds the compilers proper, assembler, linker, headers and the C library to link with, where the program at `host` (a
 * path without links) is a driver of GCC. `closure` is that of the program. 0, or a negative errno with the error set.
 */
int gcc_add(struct closure *closure, const char *host);

#endif
