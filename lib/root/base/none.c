/* SPDX-License-Identifier: MIT */
/* The library was built without libarchive. */
#include <errno.h>

#include "core/error.h"
#include "root/handle.h"

static const int none_errors[] = {EINVAL, EOPNOTSUPP, EBUSY, ECHILD, 0};

static int refuse(viso_root *root, const char *path, const char *function)
{
	size_t mark;
	int r = root_begin(root, function, &mark);
	if (r < 0)
		return r;
	if (!path || path[0] != '/')
		r = error_argument(function, "the base is not an absolute path");
	else
		r = error_fail(VISO_STAGE_IMAGE, EOPNOTSUPP, function,
			       "%s: this library was built without libarchive; build it with -Darchive=enabled",
			       function);
	return root_end(root, mark, r, none_errors);
}

int viso_root_add_archive(viso_root *root, const char *path, const char *target)
{
	return refuse(root, path, __func__);
}

int viso_root_add_image(viso_root *root, const char *directory, const char *reference)
{
	return refuse(root, directory, __func__);
}
