/* SPDX-License-Identifier: MIT */
/* Stand-ins: each goes when the real one is there. */
#include <virtiso/snapshot.h>

#include <errno.h>

#include "core/error.h"

int viso_snapshot_save(const viso_snapshot *snapshot, const char *path)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_snapshot_load(const char *path, viso_guest *guest, viso_snapshot **out_snapshot)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}
