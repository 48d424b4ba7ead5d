/* SPDX-License-Identifier: MIT */
/*
 * What a program needs beside its libraries, since it loads or opens it while it runs. Each rule looks at the program
 * and at what its closure has loaded, and adds its part where they use it.
 */
#ifndef ROOT_PROVIDER_H
#define ROOT_PROVIDER_H

#include "root/closure/closure.h"

/* Adds what belongs to the ELF program at `host`, a path without links. 0, or a negative errno with the error set. */
typedef int (*provider_fn)(struct closure *closure, const char *host);

/* Calls all rules that are not switched off by a bit 1 << viso_provider in `off`. 0 or a negative errno. */
int providers_add(struct closure *closure, const char *host, unsigned off);

#endif
