/* SPDX-License-Identifier: MIT */
/* The library that glibc loads to end a thread. */
#ifndef ROOT_UNWINDER_H
#define ROOT_UNWINDER_H

#include "root/closure/closure.h"

/* A provider_fn. */
int unwinder_add(struct closure *closure, const char *host);

#endif
