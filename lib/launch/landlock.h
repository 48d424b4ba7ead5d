/* SPDX-License-Identifier: MIT */
/* What of Landlock this kernel has. */
#ifndef LAUNCH_LANDLOCK_H
#define LAUNCH_LANDLOCK_H

#include <stdint.h>

/*
 * The ABI of the kernel's Landlock; or a negative errno: -ENOSYS it has none, -EOPNOTSUPP it is switched off, others
 * where a seccomp filter refuses it.
 */
int landlock_query(void);
/* The same, 0 where there is none. */
int landlock_abi(void);

enum { LANDLOCK_ABI_SCOPES = 6 };

/* All file system rights that ABI knows, and all its scopes; both 0 for ABI 0. */
uint64_t landlock_access(int abi);
uint64_t landlock_scopes(int abi);

#endif
