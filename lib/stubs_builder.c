/* SPDX-License-Identifier: MIT */
/* Stand-ins until the real ones are written. */
#include <errno.h>
#include <virtiso.h>

#include "core/error.h"

int viso_root_add_user(viso_root *root, const char *name, unsigned uid, unsigned gid, const char *home, const char *shell)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_add_group(viso_root *root, const char *name, unsigned gid)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}
