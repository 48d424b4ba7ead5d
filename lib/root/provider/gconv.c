/* SPDX-License-Identifier: MIT */
/*
 * For programs that convert character sets, see closure/uses.h: the directory gconv beside libc. Its modules need libc
 * and libraries of the same directory only, so that they are not examined one by one. musl has all that it knows
 * inside.
 */
#include "root/provider/gconv.h"

#include <limits.h>
#include <stdio.h>

#include "root/closure/uses.h"
#include "root/provider/take.h"
#include "root/source.h"

int gconv_add(struct closure *closure, const char *host)
{
	char path[PATH_MAX], usr[PATH_MAX];
	const struct object *libc = closure_find(closure, "libc.so.6");
	if (!libc || closure->loader.musl || !(closure_uses(closure) & USES_ICONV))
		return 0;
	if (!take_beside(libc, "gconv", path))
		return 0;
	/* libc can lie in /lib where its modules lie in /usr/lib. */
	const bool beside = source_has_directory(closure->manifest->source, path);
	if (snprintf(usr, sizeof(usr), "/usr%s", path) >= (int)sizeof(usr))
		return 0;
	const char *before = manifest_set_reason(closure->manifest, "gconv of %s", host);
	int r = take_tree(closure, beside ? path : usr, NULL);
	manifest_restore_reason(closure->manifest, before);
	return r;
}
