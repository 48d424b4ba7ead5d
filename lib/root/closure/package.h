/* SPDX-License-Identifier: MIT */
/* The files of an installed package of dpkg. */
#ifndef ROOT_PACKAGE_H
#define ROOT_PACKAGE_H

#include <stdbool.h>

struct manifest;

/* Whether a package can have this name, with or without an architecture behind a colon; NULL is none. */
bool package_is_name(const char *package);

/* Adds its files with what they need. 0, or a negative errno with the error set. */
int package_add(struct manifest *manifest, const char *package, unsigned providers_off);

#endif
