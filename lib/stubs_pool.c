/* SPDX-License-Identifier: MIT */
/* Stand-ins: each is deleted when the real function is written. */
#include <errno.h>
#include <virtiso.h>

#include "core/error.h"

int viso_container_prepare(viso_container *container, unsigned count)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_process_timings(viso_process *process, int64_t *out_ns, size_t max)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

const char *viso_step_name(viso_step step)
{
	return NULL;
}
