/* SPDX-License-Identifier: MIT */
/*
 * First everything is looked at, and nothing is touched where something of others is in the way. What the old record or
 * an interrupted list of intentions names is ours, whatever has become of it; all else is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/build/builder.h"
#include "root/build/control.h"
#include "root/build/device.h"
#include "root/build/examine.h"
#include "root/build/maker.h"
#include "root/build/seal.h"
#include "root/failure.h"

struct update {
	struct maker maker;
	struct examiner examiner;
	struct control control;
	struct progress progress;
	struct manifest_entry **sorted;
	size_t count;
	viso_manifest *record; /* what will be there: entry by entry as `sorted` */
	viso_manifest *old;    /* NULL where there is none */
	viso_manifest *intention;
	viso_manifest *ours; /* both of these */
	enum verdict *verdicts;
	const char **gone; /* paths that are ours and not wanted, as they are sorted */
	size_t gone_count;
	size_t wrong_count;
	bool is_stale; /* the old record is right but for identities */
};

static void update_clear(struct update *update)
{
	maker_end(&update->maker);
	inside_clear(&update->examiner.tree);
	control_close(&update->control);
	viso_manifest_unref(update->record);
	viso_manifest_unref(update->old);
	viso_manifest_unref(update->intention);
	viso_manifest_unref(update->ours);
	free(update->sorted);
	free(update->verdicts);
	free(update->gone);
}

/* A list that may be missing. */
static int read_optional(int (*read)(const struct control *, viso_manifest **), struct update *update,
			 viso_manifest **out)
{
	int r = read(&update->control, out);
	if (r != -ENOENT)
		return r;
	*out = record_new();
	return *out ? 0 : -ENOMEM;
}

static int read_lists(struct update *update)
{
	int r = read_optional(control_read, update, &update->old);
	if (r == 0)
		r = read_optional(control_read_intention, update, &update->intention);
	if (r < 0)
		return r;
	update->ours = update->intention->count ? record_merge(update->old, update->intention)
						: viso_manifest_ref(update->old);
	return update->ours ? 0 : -ENOMEM;
}

static int look_at_plan(struct update *update)
{
	for (size_t i = 0; i < update->count; i++) {
		struct record_entry *entry = &update->record->entries[i];
		int r = examine(&update->examiner, update->sorted[i], entry, &update->verdicts[i]);
		if (r < 0)
			return r;
		update->is_stale |= update->verdicts[i] == VERDICT_STALE;
		update->wrong_count += update->verdicts[i] == VERDICT_WRONG;
	}
	return 0;
}

/* What is ours and not wanted any more. */
static int look_at_rest(struct update *update)
{
	update->gone = calloc(update->ours->count + 1, sizeof(*update->gone));
	if (!update->gone)
		return error_memory();
	size_t cursor = 0;
	for (size_t i = 0; i < update->ours->count; i++) {
		const struct record_entry *entry = &update->ours->entries[i];
		struct stat st;
		if (!entry->path[1] || record_find_next(update->record, entry->path, entry->name, &cursor))
			continue;
		update->is_stale = true;
		if (inside_stat(&update->examiner.tree, entry->path, entry->name, &st) == 0)
			update->gone[update->gone_count++] = entry->path;
	}
	return 0;
}

/* From the inside to the outside. How many are gone, or a negative errno with the error set. */
static int remove_rest(struct update *update)
{
	int count = 0;
	for (size_t i = update->gone_count; i-- > 0;) {
		const char *path = update->gone[i];
		unsigned name = (unsigned)(strrchr(path, '/') - path) + 1;
		int r = inside_enter(&update->maker.tree, path, name);
		if (r == 0)
			r = device_remove(update->maker.tree.fd, path + name);
		if (r == -EISDIR || r == -EPERM)
			r = unlinkat(update->maker.tree.fd, path + name, AT_REMOVEDIR) < 0 ? -errno : 0;
		/* Files of others lie in it: it is theirs now. */
		if (r == -ENOTEMPTY || r == -EEXIST || r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
			continue;
		if (r < 0)
			return fail_path(-r, "remove", path);
		count++;
	}
	inside_forget(&update->maker.tree);
	return count;
}

/* What is not ours is no part of the lists. */
static void drop_others(struct update *update)
{
	for (size_t i = 0; i < update->count; i++)
		if (update->verdicts[i] == VERDICT_SHARED || update->verdicts[i] == VERDICT_ABSENT)
			update->record->entries[i].type = 0;
}

/* Everything that was ever intended stays ours until the end. */
static int intend(struct update *update)
{
	viso_manifest *all = record_merge(update->record, update->intention);
	if (!all)
		return -ENOMEM;
	record_compact(all);
	int r = control_intend(&update->control, all);
	viso_manifest_unref(all);
	return r;
}

static int make_wrong(struct update *update)
{
	for (size_t i = 0; i < update->count; i++) {
		if (update->verdicts[i] != VERDICT_WRONG)
			continue;
		struct record_entry *entry = &update->record->entries[i];
		int r = maker_make(&update->maker, update->sorted[i], entry);
		if (r < 0)
			return r;
	}
	return maker_restrict(&update->maker, update->sorted, update->count);
}

static int commit(struct update *update)
{
	int r = seal_record(update->record, update->maker.tree.base);
	return r < 0 ? r : control_commit(&update->control, update->record, update->maker.store);
}

/* How many entries it was, or a negative errno with the error set. */
static int apply(struct update *update)
{
	drop_others(update);
	if (!update->wrong_count && !update->gone_count) {
		int r = update->is_stale || update->intention->count ? commit(update) : 0;
		return r < 0 ? r : 0;
	}
	int r = intend(update);
	int removed = r < 0 ? r : remove_rest(update);
	if (removed < 0)
		return removed;
	r = make_wrong(update);
	size_t made = 0;
	for (size_t i = 0; i < update->count; i++)
		made += update->verdicts[i] == VERDICT_WRONG && update->record->entries[i].type;
	if (r >= 0)
		r = commit(update);
	return r < 0 ? r : removed + (int)made;
}

static int prepare(struct update *update, const struct build *build, const struct place *place)
{
	update->count = build->manifest->count;
	update->sorted = manifest_sorted(build->manifest);
	update->verdicts = calloc(update->count + 1, sizeof(*update->verdicts));
	update->record = update->sorted ? record_from_plan(update->sorted, update->count) : NULL;
	if (!update->record || !update->verdicts)
		return error_memory();
	update->progress =
		(struct progress){.settings = build->settings, .cancelled = build->cancelled, .path = place->path};
	update->maker.progress = update->maker.copier.progress = &update->progress;
	update->maker.is_kept = true;
	update->maker.control = update->control.fd;
	int r = build_check_settings(build->settings);
	if (r == 0 && build->settings->store)
		r = store_open(build->settings->store, place->fd, &update->maker.store);
	if (r == 0)
		r = read_lists(update);
	if (r < 0)
		return r;
	update->examiner = (struct examiner){.maker = &update->maker,
					     .old = update->old,
					     .ours = update->ours,
					     .is_trusted = record_is_of_this_boot(update->old),
					     .tree = {.base = place->fd, .one_mount = true, .fd = -1}};
	update->is_stale = update->old->count && !update->examiner.is_trusted;
	return 0;
}

/*
 * Directories of ours that are closed to their owner are open while we work, unless we are root. Failure is no failure
 * yet: what is done in them may be nothing.
 */
static void set_restricted(struct update *update, bool open)
{
	struct directory_cache *tree = &update->examiner.tree;
	for (size_t i = 0; i < update->ours->count; i++) {
		/* From the outside to the inside to open them, and back. */
		const struct record_entry *entry = &update->ours->entries[open ? i : update->ours->count - 1 - i];
		const struct record_entry *wanted = record_find(update->record, entry->path);
		if (entry->type != VISO_ENTRY_DIRECTORY || !maker_is_restricted(entry->mode) ||
		    inside_enter(tree, entry->path, entry->name) < 0)
			continue;
		unsigned mode = open ? entry->mode | 0700 : wanted ? wanted->mode : entry->mode;
		if (!fchmodat(tree->fd, inside_name(entry->path, entry->name), mode, AT_SYMLINK_NOFOLLOW))
			update->examiner.is_opened |= open;
	}
	inside_forget(tree);
}

/* What is to be copied. */
static void measure(struct update *update)
{
	for (size_t i = 0; i < update->count; i++)
		if (update->verdicts[i] == VERDICT_WRONG)
			update->progress.total += update->record->entries[i].size;
}

static int look_and_apply(struct update *update)
{
	int r = look_at_plan(update);
	if (r == 0)
		r = look_at_rest(update);
	if (r < 0)
		return r;
	measure(update);
	int count = apply(update);
	if (count >= 0)
		r = progress_end(&update->progress);
	return r < 0 ? r : count;
}

int build_update(const struct build *build, const struct place *place)
{
	_cleanup_(update_clear) struct update update = {0};
	maker_begin(&update.maker, build->manifest, build->settings, place->fd);
	update.examiner.tree.fd = -1;
	int r = build_check_plan(build->manifest);
	if (r < 0) {
		update.control = (struct control){.fd = -1, .lock = -1};
		return r;
	}
	r = control_open(&update.control, place->fd, place->path, true, build->cancelled);
	if (r == 0)
		r = prepare(&update, build, place);
	if (r < 0)
		return r;
	if (geteuid() != 0)
		set_restricted(&update, true);
	int count = look_and_apply(&update);
	if (update.examiner.is_opened)
		set_restricted(&update, false);
	return count;
}
