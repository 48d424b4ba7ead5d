/* SPDX-License-Identifier: MIT */
#include "root/failure.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "core/error.h"

int fail_path(int error, const char *action, const char *path)
{
	const char *reason = strerrordesc_np(error);
	return error_fail(VISO_STAGE_ROOT, error, path, "cannot %s %s: %s", action, path,
			  reason ? reason : "unknown error");
}

static bool is_in(const int *list, int error)
{
	for (; *list; list++)
		if (*list == error)
			return true;
	return false;
}

/* What a caller who knows only the documented errnos would do best to take this one for. */
static int closest(int error)
{
	switch (error) {
	case ENOTDIR:
	case ENAMETOOLONG:
	case ELOOP:
	case ENXIO:
		return ENOENT;
	case EPERM:
		return EACCES;
	case EMFILE:
	case ENFILE:
		return ENOMEM;
	case EFBIG:
		return ENOSPC;
	default:
		return error;
	}
}

int only_documented(int r, const int *documented)
{
	if (r >= 0 || is_in(documented, -r))
		return r;
	int error = closest(-r);
	if (!is_in(documented, error))
		error = documented[0];
	return error_fail(viso_error_stage(), error, viso_error_object(), "%s", viso_error_message());
}
