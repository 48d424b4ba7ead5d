/* SPDX-License-Identifier: MIT */
/* Stand-ins until the real ones are written. */
#include <errno.h>
#include <virtiso.h>

#include "core/error.h"

int viso_jail_set_hardening(viso_jail *jail, int enabled)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_jail_demand_hardening(viso_jail *jail, viso_hardening level)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_jail_hardening(viso_jail *jail)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

const char *viso_hardening_name(viso_hardening level)
{
	return NULL;
}

const char *viso_jail_warning(viso_jail *jail, unsigned index)
{
	return NULL;
}

int viso_sandbox_start(viso_sandbox *sandbox)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_sandbox_pids(viso_sandbox *sandbox, int *out_pids, size_t max)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}
