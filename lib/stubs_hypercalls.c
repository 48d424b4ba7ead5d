/* SPDX-License-Identifier: MIT */
/* Stand-ins: each goes when the real one is there. */
#include <virtiso/guest_hypercalls.h>

#include <errno.h>

#include "core/error.h"

int viso_guest_set_hypercall_handler(viso_guest *guest, unsigned number, viso_hypercall_fn handler, void *userdata,
				     viso_destroy_fn destroy)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_queue_hypercall(viso_guest *guest, unsigned number)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_hypercall_fd(viso_guest *guest)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_next_hypercall(viso_guest *guest, int timeout_ms, viso_hypercall **out_hypercall)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

viso_hypercall *viso_hypercall_ref(viso_hypercall *hypercall)
{
	error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
	return NULL;
}

viso_hypercall *viso_hypercall_unref(viso_hypercall *hypercall)
{
	error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
	return NULL;
}

int viso_hypercall_number(const viso_hypercall *hypercall)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_hypercall_argument(const viso_hypercall *hypercall, unsigned index, uint64_t *out_value)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_hypercall_read(viso_hypercall *hypercall, uint64_t address, void *buffer, size_t size)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_hypercall_write(viso_hypercall *hypercall, uint64_t address, const void *data, size_t size)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_hypercall_defer(viso_hypercall *hypercall)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_hypercall_answer(viso_hypercall *hypercall, int64_t value)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_hypercall_refuse(viso_hypercall *hypercall, int error)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}
