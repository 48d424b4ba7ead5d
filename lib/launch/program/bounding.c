/* SPDX-License-Identifier: MIT */
/* The capability bounding set. To drop it takes a call for each capability and is dear: the launcher does it once. */
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

/*
 * What the launcher may do stays: only its execs could bring nothing back, and it makes none but those of the programs.
 * A program that shall keep the rights of root gets them by exec from the inheritable set instead (capabilities(7)),
 * which cannot be raised any more once the bounding set is empty.
 */
static int make_own_inheritable(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		data[i].inheritable = data[i].permitted;
	return (int)syscall(SYS_capset, &header, data);
}

bool empty_own_bounding_set(void)
{
	return make_own_inheritable() == 0 && drop_bounding_set(0) == 0;
}
