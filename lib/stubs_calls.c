/* SPDX-License-Identifier: MIT */
/* Stand-ins: each goes when the real one is there. */
#include <virtiso/guest_calls.h>

#include <errno.h>

#include "core/error.h"

int viso_guest_initialise(viso_guest *guest, const viso_command *command, viso_result **out_result)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_call(viso_guest *guest, const char *symbol, const uint64_t *args, size_t count, int timeout_ms,
		    uint64_t *out_value)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int64_t viso_guest_call_bytes(viso_guest *guest, const char *symbol, const void *in, size_t in_size, void *out,
			      size_t out_max, int timeout_ms)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int64_t viso_guest_request(viso_guest *guest, const void *in, size_t in_size, void *out, size_t out_max, int timeout_ms)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_cancel(viso_guest *guest)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_last_result(viso_guest *guest, viso_result **out_result)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_set_ring(viso_guest *guest, unsigned poll_us)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}
