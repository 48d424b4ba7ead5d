/* SPDX-License-Identifier: MIT */
#include "root/target.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "root/failure.h"
#include "root/path.h"

/*
 * Most hosts have /bin, /lib and the like as links into /usr, and the programs of the host bring these links with them.
 * A file that is put into /bin/ before such a program must not make a directory of it, so the link comes with the file.
 */
static int add_merged_directory(struct plan *plan, const char *target, bool is_directory)
{
	char first[PATH_MAX], text[PATH_MAX];
	size_t length = 1 + strcspn(target + 1, "/");
	if (!target[length] && !is_directory)
		return 0;
	memcpy(first, target, length);
	first[length] = '\0';
	if (plan_find(plan, first))
		return 0;
	ssize_t text_length = readlink(first, text, sizeof(text) - 1);
	if (text_length < 0)
		return 0;
	text[text_length] = '\0';
	if (strncmp(text[0] == '/' ? text + 1 : text, "usr/", 4) != 0)
		return 0;
	return plan_add_link(plan, first, text, PLAN_REFUSE);
}

int target_find(struct plan *plan, const char *target, bool is_directory, const char *function, char *out)
{
	int r = path_clean(target, out);
	if (r == -EINVAL)
		return error_argument(function, "the path in the root is not absolute, or has a '..'");
	if (r < 0)
		return fail_path(-r, "add", target);
	if (!out[1])
		return is_directory ? 0 : error_argument(function, "the path in the root is the root directory");
	r = add_merged_directory(plan, out, is_directory);
	return r < 0 ? r : plan_follow(plan, out, is_directory, out);
}
