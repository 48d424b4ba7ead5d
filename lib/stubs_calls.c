/* SPDX-License-Identifier: MIT */
/* Stand-ins: each goes when the real one is there. */
#include <virtiso/guest_calls.h>

#include <errno.h>

#include "core/error.h"

int viso_guest_set_ring(viso_guest *guest, unsigned poll_us)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}
