/* SPDX-License-Identifier: MIT */
/* Stand-ins until the real ones are written. */
#include <errno.h>
#include <virtiso.h>

#include "core/error.h"

int viso_image_write(viso_root *root, viso_image_format format, const char *path)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}
