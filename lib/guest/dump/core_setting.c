/* SPDX-License-Identifier: MIT */
/* Where core files go. */
#include <virtiso/guest_limits.h>

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/guest.h"

static int fail(int error, const char *path)
{
	if (error == ENOENT || error == ENOTDIR)
		return error_fail(VISO_STAGE_GUEST, error, path, "%s lies in no directory that is there; make it first",
				  path);
	if (error == EISDIR)
		return error_argument("viso_guest_set_core_path", "the path names a directory");
	return error_fail(VISO_STAGE_GUEST, error == ENOMEM ? ENOMEM : EACCES, path,
			  "no core file can be written to %s by this user", path);
}

/* Absolute, since the host program may change its directory until then. NULL with errno. */
static char *make_absolute(const char *path)
{
	_cleanup_free_ char *copy = strdup(path), *second = strdup(path);
	if (!copy || !second)
		return NULL;
	_cleanup_free_ char *directory = realpath(dirname(copy), NULL);
	char *absolute = NULL;
	struct stat st;
	if (!directory || stat(directory, &st) < 0)
		return NULL;
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return NULL;
	}
	if (access(directory, W_OK | X_OK) < 0)
		return NULL;
	if (asprintf(&absolute, "%s/%s", strcmp(directory, "/") ? directory : "", basename(second)) < 0) {
		errno = ENOMEM;
		return NULL;
	}
	return absolute;
}

int viso_guest_set_core_path(viso_guest *guest, const char *path)
{
	struct stat st;
	int r = guest_check_setter(guest, __func__);
	if (r < 0)
		return r;
	if (!path || !*path)
		return error_argument(__func__, "the path is NULL or empty");
	if (path[strlen(path) - 1] == '/' || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return fail(EISDIR, path);
	char *absolute = make_absolute(path);
	if (!absolute)
		return fail(errno, path);
	free(guest->core_path);
	guest->core_path = absolute;
	return 0;
}
