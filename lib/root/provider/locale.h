/* SPDX-License-Identifier: MIT */
/* Locales, see locale(7). */
#ifndef ROOT_LOCALE_H
#define ROOT_LOCALE_H

#include "root/closure/closure.h"

/* A provider_fn. */
int locale_add(struct closure *closure, const char *host);

#endif
