/* SPDX-License-Identifier: MIT */
/* Snapshots in files are declared, so that programs can be built for them, but not made yet. */
#include <virtiso/snapshot.h>

#include <errno.h>

#include "core/error.h"

static int unsupported(const char *function)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, function,
			  "%s: snapshots cannot be saved to files yet; make them anew in each process", function);
}

int viso_snapshot_save(const viso_snapshot *snapshot, const char *path)
{
	if (!snapshot || !path)
		return error_argument(__func__, !snapshot ? "the handle is NULL" : "path is NULL");
	return unsupported(__func__);
}

int viso_snapshot_load(const char *path, viso_guest *guest, viso_snapshot **out_snapshot)
{
	if (!path || !guest || !out_snapshot)
		return error_argument(__func__, !guest ? "the handle is NULL" : "an argument is NULL");
	return unsupported(__func__);
}
