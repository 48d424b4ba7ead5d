/* SPDX-License-Identifier: MIT */
/* Character sets of iconv(3). */
#ifndef ROOT_GCONV_H
#define ROOT_GCONV_H

#include "root/closure/closure.h"

/* A provider_fn. */
int gconv_add(struct closure *closure, const char *host);

#endif
