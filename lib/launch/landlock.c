/* SPDX-License-Identifier: MIT */
#include "launch/landlock.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

int landlock_query(void)
{
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	return abi < 0 ? -errno : abi;
}

int landlock_abi(void)
{
	int abi = landlock_query();
	return abi < 0 ? 0 : abi;
}

uint64_t landlock_access(int abi)
{
	/* How many rights each ABI has (landlock(7)): 13 at first; refer, truncate, none, ioctl_dev. */
	static const int rights[] = {0, 13, 14, 15, 15, 16};
	const int newest = sizeof(rights) / sizeof(rights[0]) - 1;
	return (UINT64_C(1) << rights[abi < newest ? abi : newest]) - 1;
}

uint64_t landlock_scopes(int abi)
{
	/* Abstract unix sockets and signals. */
	return abi >= LANDLOCK_ABI_SCOPES ? 3 : 0;
}
