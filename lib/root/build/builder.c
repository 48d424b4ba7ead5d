/* SPDX-License-Identifier: MIT */
/* The entries come directory by directory, so that each directory is opened once. */
#include "root/build/builder.h"

#include <errno.h>
#include <stdlib.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/build/control.h"
#include "root/build/maker.h"
#include "root/build/seal.h"
#include "root/failure.h"

/* Building in a named directory has failed. With the lock: whoever waits for it may build there next. */
static void undo_named(struct place *place, struct control *control)
{
	if (place->is_ours)
		place_empty(place);
	else if (!control_is_used(control))
		control_drop(control, place->fd);
}

/* What is to be copied. Looking at every file costs time, so only where somebody wants to know. */
static int measure(struct maker *maker, struct manifest_entry *const *sorted, size_t count)
{
	for (size_t i = 0; maker->settings->progress && i < count; i++) {
		struct stat st;
		if (sorted[i]->type == MANIFEST_DATA)
			maker->progress->total += sorted[i]->size;
		if (sorted[i]->type != MANIFEST_FILE)
			continue;
		int r = maker_stat_source(maker, sorted[i], &st);
		if (r < 0)
			return r;
		maker->progress->total += (uint64_t)st.st_size;
	}
	return 0;
}

static int make_all(struct maker *maker, struct manifest_entry *const *sorted, size_t count, viso_manifest *record)
{
	int r = measure(maker, sorted, count);
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = maker_make(maker, sorted[i], record ? &record->entries[i] : NULL);
	return r < 0 ? r : maker_restrict(maker, sorted, count);
}

static int build_recorded(struct maker *maker, struct manifest_entry *const *sorted, const struct build *build,
			  const struct place *place, struct control *control)
{
	size_t count = build->manifest->count;
	viso_manifest *record = record_from_plan(sorted, count);
	int r = record ? control_intend(control, record) : -ENOMEM;
	maker->control = control->fd;
	maker->is_kept = true;
	if (r == 0)
		r = make_all(maker, sorted, count, record);
	if (r >= 0)
		r = seal_record(record, place->fd);
	if (r >= 0)
		r = control_commit(control, record, maker->store);
	viso_manifest_unref(record);
	return r;
}

int build_check_plan(const struct manifest *manifest)
{
	const char *path = "/" CONTROL_NAME;
	if (!manifest_find(manifest, path))
		return 0;
	return error_fail(VISO_STAGE_ROOT, EEXIST, path,
			  "%s is where the library keeps its record of a root with a path", path);
}

static int build_named(struct maker *maker, struct manifest_entry *const *sorted, const struct build *build,
		       struct place *place)
{
	struct control control;
	int r = build_check_plan(build->manifest);
	if (r == 0)
		r = control_open(&control, place->fd, place->path, true, build->cancelled);
	if (r < 0)
		return r;
	r = control_is_used(&control)
		    ? error_fail(VISO_STAGE_ROOT, ENOTEMPTY, place->path,
				 "%s was built already; update it, or name another directory", place->path)
		    : place_check_empty(place);
	place->is_ours = r == 0;
	if (r == 0)
		r = build_recorded(maker, sorted, build, place, &control);
	if (r >= 0)
		r = progress_end(maker->progress);
	if (r < 0)
		undo_named(place, &control);
	control_close(&control);
	return r;
}

int build_check_settings(const struct settings *settings)
{
	if (settings->store && settings->method == VISO_COPY_BYTES)
		return error_argument("viso_root_build", "copies of their own share nothing with a store");
	return 0;
}

int build_manifest(const struct build *build, struct place *place)
{
	size_t count = build->manifest->count;
	_cleanup_free_ struct manifest_entry **sorted = manifest_sorted(build->manifest);
	if (!sorted)
		return error_memory();
	struct progress progress = {.settings = build->settings, .cancelled = build->cancelled, .path = place->path};
	_cleanup_(maker_end) struct maker maker;
	maker_begin(&maker, build->manifest, build->settings, place->fd);
	maker.progress = maker.copier.progress = &progress;
	maker.is_fresh = true;
	int r = build_check_settings(build->settings);
	if (r == 0 && build->settings->store)
		r = store_open(build->settings->store, place->fd, &maker.store);
	if (r < 0)
		return r;
	if (!place->own)
		return build_named(&maker, sorted, build, place);
	r = make_all(&maker, sorted, count, NULL);
	return r < 0 ? r : progress_end(&progress);
}

viso_manifest *build_list(const struct build *build)
{
	_cleanup_free_ struct manifest_entry **sorted = manifest_sorted(build->manifest);
	viso_manifest *record = sorted ? record_from_plan(sorted, build->manifest->count) : NULL;
	_cleanup_(maker_end) struct maker maker;
	maker_begin(&maker, build->manifest, build->settings, -1);
	if (!sorted)
		error_memory();
	for (size_t i = 0; record && i < record->count; i++) {
		struct stat st;
		if (sorted[i]->type != MANIFEST_FILE)
			continue;
		if (maker_stat_source(&maker, sorted[i], &st) < 0)
			return viso_manifest_unref(record);
		record->entries[i].size = (uint64_t)st.st_size;
		record->entries[i].mode = maker_mode(build->settings, sorted[i], &st);
	}
	return record;
}
