/* SPDX-License-Identifier: MIT */
/* What nginx needs beside its libraries. */
#ifndef ROOT_NGINX_H
#define ROOT_NGINX_H

#include "root/closure/closure.h"

/*
 * Adds settings, modules, pages and directories where the program at `host` (a path without links) is nginx. `closure`
 * is that of the program. 0, or a negative errno with the error set.
 */
int nginx_add(struct closure *closure, const char *host);

#endif
