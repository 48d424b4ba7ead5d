/* SPDX-License-Identifier: MIT */
/* A program, whatever it is, with everything that it needs. */
#ifndef ROOT_PROGRAM_H
#define ROOT_PROGRAM_H

#include "root/manifest.h"

/*
 * `program` is an absolute path or a name without a slash; `providers_off` has a bit 1 << viso_provider for each
 * provider that is switched off. 0, or a negative errno with the error set.
 */
int program_add(struct manifest *manifest, const char *program, unsigned providers_off);

/* The same for a program at an absolute path that another one starts; for the reason that the manifest has now. */
int program_add_helper(struct manifest *manifest, const char *program, unsigned providers_off);

/*
 * Adds a library that a program of the root loads by itself, with what it needs: an absolute path, or a name that is
 * searched as the loader of the first dynamic program searches it, of which there must be one. 0, or a negative errno
 * with the error set.
 */
int program_add_library(struct manifest *manifest, const char *library, unsigned providers_off);

/*
 * Adds what a library or module needs that was added already, whatever program will load it; what is missing is logged.
 * `path` is in the source, without links. 0, or a negative errno with the error set.
 */
int program_add_module(struct manifest *manifest, const char *path, unsigned providers_off);

#endif
