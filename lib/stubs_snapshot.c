/* SPDX-License-Identifier: MIT */
/* Stand-ins: each goes when the real one is there. */
#include <virtiso/snapshot.h>

#include <errno.h>

#include "core/error.h"

int viso_guest_snapshot(viso_guest *guest, viso_snapshot **out_snapshot)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

viso_snapshot *viso_snapshot_ref(viso_snapshot *snapshot)
{
	error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
	return NULL;
}

viso_snapshot *viso_snapshot_unref(viso_snapshot *snapshot)
{
	error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
	return NULL;
}

int viso_snapshot_clone(viso_snapshot *snapshot, viso_guest **out_guest)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_reset(viso_guest *guest)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int64_t viso_snapshot_size(const viso_snapshot *snapshot)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_snapshot_save(const viso_snapshot *snapshot, const char *path)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_snapshot_load(const char *path, viso_guest *guest, viso_snapshot **out_snapshot)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}
