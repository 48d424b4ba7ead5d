/* SPDX-License-Identifier: MIT */
/* What every root has beside what was added: see viso_root_build(). */
#ifndef ROOT_SKELETON_H
#define ROOT_SKELETON_H

#include "root/manifest.h"

/* Adds it wherever nothing else was added. 0, or a negative errno with the error set. */
int skeleton_add(struct manifest *manifest);

#endif
