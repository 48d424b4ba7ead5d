/* SPDX-License-Identifier: MIT */
#include "root/target.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "core/error.h"
#include "root/failure.h"
#include "root/path.h"
#include "root/source.h"

int target_add_merged(struct manifest *manifest, const char *directory)
{
	char text[PATH_MAX];
	if (manifest_find(manifest, directory))
		return 0;
	if (source_readlink(manifest->source, directory, text) < 0)
		return 0;
	if (strncmp(text[0] == '/' ? text + 1 : text, "usr/", 4) != 0)
		return 0;
	return manifest_add_link(manifest, directory, text, MANIFEST_REFUSE);
}

/* The same for the first directory of a target. */
static int add_first(struct manifest *manifest, const char *target, bool is_directory)
{
	char first[PATH_MAX];
	size_t length = 1 + strcspn(target + 1, "/");
	if (!target[length] && !is_directory)
		return 0;
	memcpy(first, target, length);
	first[length] = '\0';
	return target_add_merged(manifest, first);
}

int target_find(struct manifest *manifest, const char *target, bool is_directory, const char *function, char *out)
{
	int r = path_clean(target, out);
	if (r == -EINVAL)
		return error_argument(function, "the path in the root is not absolute, or has a '..'");
	if (r < 0)
		return fail_path(-r, "add", target);
	if (!out[1])
		return is_directory ? 0 : error_argument(function, "the path in the root is the root directory");
	r = add_first(manifest, out, is_directory);
	return r < 0 ? r : manifest_follow(manifest, out, is_directory, out);
}
