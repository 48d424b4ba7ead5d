/* SPDX-License-Identifier: MIT */
/* Stand-ins: each goes when the real one is there. */
#include <virtiso/guest_limits.h>

#include <virtiso/result.h>

#include <errno.h>

#include "core/error.h"

int viso_guest_set_placement(viso_guest *guest, viso_placement placement)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_prepare(unsigned count)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}
