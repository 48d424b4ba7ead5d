/* SPDX-License-Identifier: MIT */
/* What a Python interpreter needs beside its libraries. */
#ifndef ROOT_PYTHON_H
#define ROOT_PYTHON_H

#include "root/closure/closure.h"

/*
 * Adds the standard library, with its extension modules and their libraries, of the program at `host` (a path without
 * links) where that is a Python 3 interpreter. `closure` is that of the program. 0, or a negative errno with the error
 * set.
 */
int python_add(struct closure *closure, const char *host);

#endif
