/* SPDX-License-Identifier: MIT */
#include "root/build/progress.h"

#include <errno.h>

#include "core/error.h"

/* A call into Python costs as much as making a small file. */
enum { BYTES_BETWEEN = 1 << 20, ENTRIES_BETWEEN = 64 };

int progress_fail_cancelled(const struct progress *progress)
{
	return error_fail(VISO_STAGE_ROOT, ECANCELED, progress->path, "building the root was cancelled");
}

static int tell(struct progress *progress)
{
	const struct settings *settings = progress->settings;
	progress->told = progress->done;
	progress->entries = 0;
	if (settings->progress(progress->done, progress->total, progress->path, settings->progress_userdata))
		return progress_fail_cancelled(progress);
	return 0;
}

static int check(struct progress *progress)
{
	if (atomic_load_explicit(progress->cancelled, memory_order_relaxed))
		return progress_fail_cancelled(progress);
	if (!progress->settings->progress ||
	    (progress->done - progress->told < BYTES_BETWEEN && progress->entries < ENTRIES_BETWEEN))
		return 0;
	return tell(progress);
}

int progress_begin_entry(struct progress *progress, const char *path)
{
	progress->path = path;
	progress->entries++;
	return check(progress);
}

int progress_add(struct progress *progress, uint64_t bytes)
{
	progress->done += bytes;
	/* What has grown since it was measured. */
	if (progress->done > progress->total)
		progress->done = progress->total;
	return check(progress);
}

int progress_end(struct progress *progress)
{
	progress->done = progress->total;
	if (!progress->settings->progress || !progress->path)
		return check(progress);
	int r = tell(progress);
	return r < 0 ? r : check(progress);
}
