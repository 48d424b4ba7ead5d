/* SPDX-License-Identifier: MIT */
/* Time zones, see tzfile(5). */
#ifndef ROOT_ZONEINFO_H
#define ROOT_ZONEINFO_H

#include "root/closure/closure.h"

/* A provider_fn. */
int zoneinfo_add(struct closure *closure, const char *host);

#endif
