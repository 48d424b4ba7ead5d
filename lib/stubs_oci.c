/* SPDX-License-Identifier: MIT */
/* Stand-ins: each is deleted when the real function is written. */
#include <errno.h>
#include <virtiso.h>

#include "core/error.h"

int viso_container_load_bundle(const char *directory, viso_container **out_container, viso_command **out_command)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_hook(viso_container *container, viso_hook when, const viso_command *command)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_checkpoint(viso_container *container, const char *directory)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_restore(viso_container *container, const char *directory)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}
