/* SPDX-License-Identifier: MIT */
/* Stand-ins: each goes when the real one is there. */
#include <virtiso/guest_limits.h>

#include <virtiso/result.h>

#include <errno.h>

#include "core/error.h"

int viso_guest_set_files_max(viso_guest *guest, uint64_t count)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_set_written_max(viso_guest *guest, uint64_t bytes)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_set_syscalls_max(viso_guest *guest, uint64_t count)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_syscalls(viso_guest *guest, int unserved, int *out_numbers, uint64_t *out_counts, size_t max)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

const char *viso_syscall_name(int number)
{
	error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
	return NULL;
}
int viso_guest_set_placement(viso_guest *guest, viso_placement placement)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}
