/* SPDX-License-Identifier: MIT */
/* What of Landlock this kernel has. */
#ifndef LAUNCH_LANDLOCK_H
#define LAUNCH_LANDLOCK_H

#include <stdint.h>

/* The ABI of the kernel's Landlock; 0 where it has none or it is switched off. */
int landlock_abi(void);

/* All file system rights that ABI knows, and all its scopes; both 0 for ABI 0. */
uint64_t landlock_access(int abi);
uint64_t landlock_scopes(int abi);

#endif
