/* SPDX-License-Identifier: MIT */
/* Stand-ins until the real ones are written. */
#include <errno.h>
#include <virtiso.h>

#include "core/error.h"

int viso_root_set_source(viso_root *root, const char *path)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_set_provider(viso_root *root, viso_provider provider, int enabled)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

const char *viso_provider_name(viso_provider provider)
{
	return NULL;
}

int viso_root_add_library(viso_root *root, const char *library)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_add_package(viso_root *root, const char *package)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}
