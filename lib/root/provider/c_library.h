/* SPDX-License-Identifier: MIT */
/* The C library as a compiler sees it: headers, start files, and what the linker links with. */
#ifndef ROOT_C_LIBRARY_H
#define ROOT_C_LIBRARY_H

#include "root/closure/closure.h"

/*
 * Adds the C library to compile and link with for machines named `triplet`, such as "x86_64-linux-gnu", where it is
 * there. 0, or a negative errno with the error set.
 */
int c_library_add(struct closure *closure, const char *triplet);

/*
 * Adds what the linker scripts (files named lib*.so that are texts) directly in a directory name. 0, or a negative
 * errno with the error set.
 */
int linker_scripts_add(struct closure *closure, const char *directory);

#endif
