/* SPDX-License-Identifier: MIT */
/*
 * For programs that tell local time, see closure/uses.h: the zone of the host. All zones come for runtimes that read
 * them by their names; for others, where TZ shall name another zone, that is for the caller to add.
 */
#include "root/provider/zoneinfo.h"

#include <string.h>

#include "root/closure/uses.h"
#include "root/provider/take.h"

static const char *const files[] = {"/etc/localtime", "/etc/timezone"};

/* The same zones again, and those that count leap seconds. */
static bool leave_out(const char *name, int depth, bool is_directory)
{
	return depth == 0 && is_directory && (!strcmp(name, "posix") || !strcmp(name, "right"));
}

/* The module zoneinfo of Python. */
static bool reads_by_name(const char *host)
{
	static const char name[] = "python3";
	return !strncmp(strrchr(host, '/') + 1, name, sizeof(name) - 1);
}

int zoneinfo_add(struct closure *closure, const char *host)
{
	if (!closure->program_count || !(closure_uses(closure) & USES_TIMEZONE))
		return 0;
	const char *before = manifest_set_reason(closure->manifest, "zoneinfo of %s", host);
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(files) / sizeof(files[0]); i++)
		r = take_file(closure, files[i]);
	if (r >= 0 && reads_by_name(host))
		r = take_tree(closure, "/usr/share/zoneinfo", leave_out);
	manifest_restore_reason(closure->manifest, before);
	return r;
}
