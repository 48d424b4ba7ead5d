/* SPDX-License-Identifier: MIT */
/* What glibc's loader has for each kind of machine. */
#ifndef ROOT_MACHINE_H
#define ROOT_MACHINE_H

#include <stdint.h>

#include "root/closure/elf.h"

/* The flags that the entries of ld.so.cache have for libraries of this kind. */
uint32_t machine_cache_flags(const struct elf_kind *kind);

/*
 * What $PLATFORM can stand for: AT_PLATFORM, and what glibc before 2.37 makes of it on some processors. Ends with NULL;
 * has one at least.
 */
const char *const *machine_platforms(const struct elf_kind *kind);

#endif
