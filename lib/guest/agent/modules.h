/* SPDX-License-Identifier: MIT */
/* The modules of a Linux kernel, which lie beside it. */
#ifndef GUEST_AGENT_MODULES_H
#define GUEST_AGENT_MODULES_H

#include "core/strings.h"

/*
 * The directory with the modules of the kernel at `kernel` (/boot/vmlinuz-VERSION: /lib/modules/VERSION, from the same
 * place), to be freed; NULL where there is none, as for a kernel that has all that it needs. 0, or -ENOMEM with the
 * error set.
 */
int modules_find(const char *kernel, char **out_directory);

/*
 * Adds the paths, beneath the directory, of these modules (a NULL-terminated list of names) and of those that they
 * need, each after what it needs. Names that are not there are built in, or nobody has them. 0, or a negative errno
 * with the error set.
 */
int modules_resolve(const char *directory, const char *const *names, struct strings *out_paths);

#endif
