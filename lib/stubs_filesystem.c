/* SPDX-License-Identifier: MIT */
/* Stand-ins: each is deleted when the real function is written. */
#include <errno.h>
#include <virtiso.h>

#include "core/error.h"

int viso_container_add_bind(viso_container *container, const char *source, const char *path, unsigned flags)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_bind_fd(viso_container *container, int fd, const char *path, unsigned flags)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_tmpfs(viso_container *container, const char *path, uint64_t size_max, unsigned mode, unsigned flags)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_file(viso_container *container, const char *path, const void *data, size_t size, unsigned mode)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_filesystem(viso_container *container, const char *type, const char *path, unsigned flags)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_device(viso_container *container, const char *device)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_read_only(viso_container *container, const char *path)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_mask(viso_container *container, const char *path)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_layer(viso_container *container, viso_root *layer)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_upper_discarded(viso_container *container, uint64_t size_max)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_upper_directory(viso_container *container, const char *directory)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_root_writable(viso_container *container, int writable)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}
