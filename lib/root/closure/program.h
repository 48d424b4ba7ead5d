/* SPDX-License-Identifier: MIT */
/* A program, whatever it is, with everything that it needs. */
#ifndef ROOT_PROGRAM_H
#define ROOT_PROGRAM_H

#include "root/manifest.h"

/*
 * `program` is an absolute path or a name without a slash; `providers_off` has a bit 1 << viso_provider for each provider
 * that is switched off. 0, or a negative errno with the error set.
 */
int program_add(struct manifest *manifest, const char *program, unsigned providers_off);

#endif
