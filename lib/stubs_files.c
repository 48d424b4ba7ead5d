/* SPDX-License-Identifier: MIT */
/* Stand-ins: each goes when the real one is there. */
#include <virtiso/guest_files.h>

#include <errno.h>

#include "core/error.h"

int viso_guest_add_bind(viso_guest *guest, const char *source, const char *path, int writable)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_add_bind_fd(viso_guest *guest, int fd, const char *path, int writable)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_add_file(viso_guest *guest, const char *path, const void *data, size_t size, unsigned mode)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_set_upper_discarded(viso_guest *guest, uint64_t size_max)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}

int viso_guest_set_upper_directory(viso_guest *guest, const char *directory)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}
