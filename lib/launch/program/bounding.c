/* SPDX-License-Identifier: MIT */
/*
 * The capability bounding set. To drop it takes a call for each capability and is dear: a worker does it once, before
 * its first jail that is hardened. From then on it is of no use for one that is not: nothing brings the set back, and
 * without it neither root's rights nor those of a file outlast an exec (capabilities(7)).
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>

#include "launcher.h"

/* The last capability that this kernel knows is found by asking; the highest bit that we could keep is 63. */
int drop_bounding_set(uint64_t keep)
{
	for (unsigned long capability = 0; capability < 64; capability++)
		if (!(keep & (UINT64_C(1) << capability)) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return errno == EINVAL && capability > CAP_AUDIT_READ ? 0 : -1;
	return 0;
}

void empty_own_bounding_set(void)
{
	if (!worker.bounding_set_empty)
		worker.bounding_set_empty = drop_bounding_set(0) == 0;
}
