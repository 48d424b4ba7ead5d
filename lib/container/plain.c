/* SPDX-License-Identifier: MIT */
/*
 * Which containers criu(8) can restore. As in prepare.c a plan is looked at from the other side: what is not known to
 * be restored is refused.
 */
#include <errno.h>
#include <stddef.h>
#include <virtiso/sandbox.h>

#include "container/restore.h"
#include "core/error.h"
#include "core/zero.h"

static int refuse(const char *setting, const char *function)
{
	return error_fail(VISO_STAGE_CHECKPOINT, EOPNOTSUPP, setting,
			  "%s: a container with %s would not be restored as it was; leave that setting out", function,
			  setting);
}

int plain_check(const struct plan *plan, bool limited, const char *function)
{
	struct plan_namespaces namespaces = plan->namespaces;
	struct plan_mounts mounts = plan->mounts;
	namespaces.hostname = namespaces.domainname = 0;
	/* Of an empty list it does not matter where it would be. */
	if (!namespaces.sysctls.count)
		namespaces.sysctls.first = 0;
	if (!mounts.read_only.count)
		mounts.read_only.first = 0;
	if (!mounts.masked.count)
		mounts.masked.first = 0;
	if (plan->flags & PLAN_DETACHED)
		return refuse("viso_container_set_detached", function);
	if (plan->namespaces.clock_offsets)
		return refuse("viso_container_set_clock_offset", function);
	if (plan->namespaces.sysctls.count)
		return refuse("viso_container_set_sysctl", function);
	if (!is_zero(&namespaces, sizeof(namespaces)))
		return refuse("a namespace or id map of choice", function);
	if (plan->network.kind != VISO_NETWORK_NONE || plan->flags & PLAN_HOST_NETWORK)
		return refuse("viso_container_set_network", function);
	if (limited)
		return refuse("a limit of a control group", function);
	if (plan->mounts.upper != PLAN_UPPER_NONE)
		return refuse("a writable root", function);
	if (!is_zero(&mounts, sizeof(mounts)))
		return refuse("a mount, mask or layer of choice", function);
	if (plan->security.landlock_count)
		return refuse("viso_container_add_landlock_path", function);
	if (plan->security.flags & PLAN_FILTER_NOTIFIES)
		return refuse("VISO_SYSCALL_NOTIFY", function);
	if (plan->hooks.count)
		return refuse("viso_container_add_hook", function);
	return 0;
}
