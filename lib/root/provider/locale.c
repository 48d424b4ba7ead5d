/* SPDX-License-Identifier: MIT */
/*
 * For programs that set a locale, see closure/uses.h: C.UTF-8 always, since it is small and what a sandbox has by
 * default. The archive with the other ones comes where it is as small as on hosts that have generated a few of them;
 * some distributions install all of them in one file of 200 MB, which is for the caller to add. musl has no locales.
 */
#include "root/provider/locale.h"

#include <stddef.h>
#include <sys/stat.h>

#include "core/log.h"
#include "root/closure/uses.h"
#include "root/provider/take.h"
#include "root/source.h"

static const char archive[] = "/usr/lib/locale/locale-archive";
static const char *const trees[] = {"/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8"};

static int add_archive(struct closure *closure)
{
	enum { ARCHIVE_MAX = 8 << 20 };
	struct stat st;
	if (source_stat(closure->manifest->source, archive, &st) < 0)
		return 0;
	if (st.st_size <= ARCHIVE_MAX)
		return take_file(closure, archive);
	log_info("%s is large and left out; add it as a file where other locales than C.UTF-8 are wanted", archive);
	return 0;
}

int locale_add(struct closure *closure, const char *host)
{
	if (!closure->program_count || closure->loader.musl || !(closure_uses(closure) & USES_LOCALE))
		return 0;
	const char *before = manifest_set_reason(closure->manifest, "locale of %s", host);
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(trees) / sizeof(trees[0]); i++)
		r = take_tree(closure, trees[i], NULL);
	if (r >= 0)
		r = add_archive(closure);
	manifest_restore_reason(closure->manifest, before);
	return r;
}
