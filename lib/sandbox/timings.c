/* SPDX-License-Identifier: MIT */
/* When the steps of a start were done. */
#include <errno.h>

#include "core/error.h"
#include "sandbox/process.h"

int viso_process_timings(viso_process *process, int64_t *out_ns, size_t max)
{
	int r = handle_check(process ? &process->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (max && !out_ns)
		return error_argument(__func__, "out_ns is NULL");
	pthread_mutex_lock(&process->lock);
	int64_t begin = process->step_ns[VISO_STEP_SENT];
	for (size_t i = 0; begin && i < STEPS && i < max; i++)
		out_ns[i] = process->step_ns[i] ? process->step_ns[i] - begin : -1;
	pthread_mutex_unlock(&process->lock);
	if (!begin)
		return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__,
				  "%s: a guest's start is not made of these steps; only jails and containers have them",
				  __func__);
	return STEPS;
}

const char *viso_step_name(viso_step step)
{
	static const char *const names[STEPS] = {
		[VISO_STEP_SENT] = "sent",     [VISO_STEP_RECEIVED] = "received", [VISO_STEP_CGROUPS] = "cgroups",
		[VISO_STEP_CLONED] = "cloned", [VISO_STEP_IDS] = "ids",           [VISO_STEP_NETWORK] = "network",
		[VISO_STEP_MOUNTS] = "mounts", [VISO_STEP_CONFINED] = "confined", [VISO_STEP_STARTED] = "started",
		[VISO_STEP_ENDED] = "ended",
	};
	return (unsigned)step < STEPS ? names[step] : NULL;
}
