/* SPDX-License-Identifier: MIT */
#include "root/build/examine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/strings.h"
#include "root/build/control.h"
#include "root/build/seal.h"
#include "root/failure.h"

static int fail_in_the_way(const char *path)
{
	return error_fail(
		VISO_STAGE_ROOT, EEXIST, path,
		"%s is in the way, and was not made by the library; move it away, or leave it out of the root", path);
}

/* What lies in an open directory, for the list of those still to be read. */
static int check_directory(const struct examiner *examiner, int fd, const char *path, struct strings *pending)
{
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	if (!dir) {
		close_fd(fd);
		return error_memory();
	}
	for (const struct dirent *entry; (entry = readdir(dir));) {
		_cleanup_free_ char *below = NULL;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (asprintf(&below, "%s/%s", path, entry->d_name) < 0) {
			below = NULL;
			return error_memory();
		}
		const struct record_entry *ours = record_find(examiner->ours, below);
		if (!ours)
			return fail_in_the_way(below);
		if (ours->type == VISO_ENTRY_DIRECTORY && strings_take(pending, TAKE_PTR(below)) < 0)
			return error_memory();
	}
	return 0;
}

/* A directory of ours shall become something else: all in it must be ours, too. */
static int check_contents(const struct examiner *examiner, const char *path)
{
	struct strings pending = {0};
	int r = strings_add(&pending, path) < 0 ? error_memory() : 0;
	for (size_t i = 0; r == 0 && i < pending.count; i++) {
		int fd = open_beneath(examiner->tree.base, pending.items[i] + 1, O_RDONLY | O_DIRECTORY, true);
		if (fd == -ENOTDIR || fd == -ELOOP || fd == -ENOENT)
			continue;
		r = fd < 0 ? fail_path(-fd, "read the directory", pending.items[i])
			   : check_directory(examiner, fd, pending.items[i], &pending);
	}
	strings_clear(&pending);
	return r;
}

/* A caller who may not give files away has them with other owners than the plan says. */
static bool has_owner(const struct manifest_entry *entry, const struct record_entry *old, const struct stat *st)
{
	if (old && old->has_owner)
		return st->st_uid == old->uid && st->st_gid == old->gid;
	return !entry->has_owner || geteuid() != 0 || (st->st_uid == entry->uid && st->st_gid == entry->gid);
}

static size_t read_capability(int fd, unsigned char *out)
{
	ssize_t size = fgetxattr(fd, "security.capability", out, RECORD_CAPABILITY_MAX);
	return size < 0 ? 0 : (size_t)size;
}

/* Whether both files have the same contents, and the target the capabilities that it should have. */
static int compare_files(struct examiner *examiner, const struct manifest_entry *entry, struct record_entry *record,
			 enum verdict *out)
{
	struct stat source_stat, target_stat;
	char sum[SUM_TEXT];
	unsigned char wanted[RECORD_CAPABILITY_MAX], found[RECORD_CAPABILITY_MAX];
	const atomic_bool *cancelled = examiner->maker->progress->cancelled;
	_cleanup_close_ int source = inside_open_file(maker_source(examiner->maker, entry)->fd,
						      strrchr(entry->source, '/') + 1, &source_stat);
	if (source < 0)
		return fail_path(-source, "open", entry->source);
	_cleanup_close_ int target = inside_open_file(examiner->tree.fd, entry->target + entry->name, &target_stat);
	*out = VERDICT_WRONG;
	if (target < 0)
		return 0;
	if (sum_is_sparse(&target_stat) != sum_is_sparse(&source_stat))
		return 0;
	int r = sum_any(source, &source_stat, cancelled, sum);
	if (r == 0)
		r = sum_any(target, &target_stat, cancelled, record->sum);
	if (r < 0)
		return r == -ECANCELED ? progress_begin_entry(examiner->maker->progress, entry->target)
				       : fail_path(-r, "read", entry->source);
	bool keeps = examiner->maker->settings->keep & VISO_KEEP_CAPABILITIES;
	size_t wanted_size = keeps ? read_capability(source, wanted) : 0, found_size = read_capability(target, found);
	if (strcmp(sum, record->sum) != 0 || wanted_size != found_size || memcmp(wanted, found, found_size) != 0)
		return 0;
	record->is_sparse = sum_is_sparse(&target_stat);
	record->capability_size = (unsigned char)found_size;
	memcpy(record->capability, found, found_size);
	*out = VERDICT_STALE;
	return 0;
}

/* All that can be seen without reading it. */
static bool looks_right(const struct manifest_entry *entry, const struct record_entry *record,
			const struct record_entry *old, const struct stat *source, const struct stat *st)
{
	/* Files of /proc and the like have more than they say, and the time at which one looks. */
	if (source->st_size == 0 && st->st_size > 0)
		return false;
	return S_ISREG(st->st_mode) && st->st_size == source->st_size && (st->st_mode & 07777) == record->mode &&
	       has_owner(entry, old, st) && st->st_mtim.tv_sec == source->st_mtim.tv_sec &&
	       st->st_mtim.tv_nsec == source->st_mtim.tv_nsec;
}

/* The record knows both files, as they are now. */
static bool is_known(const struct examiner *examiner, const struct record_entry *old, const struct stat *source,
		     const struct stat *st)
{
	bool keeps = examiner->maker->settings->keep & VISO_KEEP_CAPABILITIES;
	if (!examiner->is_trusted || !old || old->type != VISO_ENTRY_FILE || !old->source || keeps ||
	    old->capability_size || old->source != identity_short(source, true))
		return false;
	return !st->st_size || (old->made && old->made == identity_short(st, !old->is_linked));
}

static int examine_file(struct examiner *examiner, const struct manifest_entry *entry, struct record_entry *record,
			const struct record_entry *old, const struct stat *st, enum verdict *out)
{
	struct stat source;
	*out = VERDICT_WRONG;
	int r = maker_stat_source(examiner->maker, entry, &source);
	if (r < 0)
		return r;
	record->size = (uint64_t)source.st_size;
	record->mode = maker_mode(examiner->maker->settings, entry, &source);
	if (!st || !looks_right(entry, record, old, &source, st))
		return 0;
	if (is_known(examiner, old, &source, st)) {
		*out = VERDICT_RIGHT;
		record->source = old->source;
		record->made = old->made;
		record->is_linked = old->is_linked;
		record->is_sparse = old->is_sparse;
		memcpy(record->sum, old->sum, sizeof(record->sum));
		return 0;
	}
	r = compare_files(examiner, entry, record, out);
	record->source = identity_is_settled(&source) ? identity_short(&source, true) : 0;
	record->is_linked = st->st_nlink > 1;
	return r;
}

static int examine_data(struct examiner *examiner, const struct manifest_entry *entry, struct record_entry *record,
			const struct record_entry *old, const struct stat *st, enum verdict *out)
{
	char sum[SUM_TEXT];
	struct stat now;
	if (!S_ISREG(st->st_mode) || (size_t)st->st_size != entry->size || (st->st_mode & 07777) != entry->mode ||
	    !has_owner(entry, old, st))
		return 0;
	_cleanup_close_ int fd = inside_open_file(examiner->tree.fd, entry->target + entry->name, &now);
	if (fd < 0 || sum_is_sparse(&now) || sum_file(fd, NULL, sum) < 0)
		return 0;
	sum_data(entry->data, entry->size, record->sum);
	if (!strcmp(sum, record->sum))
		*out = VERDICT_RIGHT;
	return 0;
}

static enum verdict examine_link(const struct examiner *examiner, const struct manifest_entry *entry,
				 const struct record_entry *old, const struct stat *st)
{
	char text[PATH_MAX];
	if (!S_ISLNK(st->st_mode) || !has_owner(entry, old, st))
		return VERDICT_WRONG;
	ssize_t length = readlinkat(examiner->tree.fd, entry->target + entry->name, text, sizeof(text));
	bool same =
		length >= 0 && (size_t)length == strlen(entry->source) && !memcmp(text, entry->source, (size_t)length);
	return same ? VERDICT_RIGHT : VERDICT_WRONG;
}

static enum verdict examine_device(const struct manifest_entry *entry, struct record_entry *record,
				   const struct record_entry *old, const struct stat *st)
{
	mode_t type = entry->is_block ? S_IFBLK : S_IFCHR;
	if ((st->st_mode & S_IFMT) != type || st->st_rdev != entry->device)
		return VERDICT_WRONG;
	record->is_bound = old && old->is_bound;
	return record->is_bound || ((st->st_mode & 07777) == entry->mode && has_owner(entry, old, st)) ? VERDICT_RIGHT
												       : VERDICT_WRONG;
}

/* Whether device nodes may be made. */
static bool can_make_nodes(const struct examiner *examiner, const struct manifest_entry *entry)
{
	int control = examiner->maker->control;
	if (unlinkat(control, CONTROL_NEW, 0) < 0 && errno != ENOENT)
		return false;
	if (mknodat(control, CONTROL_NEW, S_IFCHR | 0600, entry->device) < 0)
		return false;
	unlinkat(control, CONTROL_NEW, 0);
	return true;
}

static int examine_missing(struct examiner *examiner, const struct manifest_entry *entry, struct record_entry *record,
			   enum verdict *out)
{
	if (entry->type == MANIFEST_DEVICE && entry->is_optional && !can_make_nodes(examiner, entry))
		*out = VERDICT_ABSENT;
	/* For the total of what is to be copied. */
	return entry->type == MANIFEST_FILE ? examine_file(examiner, entry, record, NULL, NULL, out) : 0;
}

static int examine_present(struct examiner *examiner, const struct manifest_entry *entry, struct record_entry *record,
			   const struct stat *st, enum verdict *out)
{
	const struct record_entry *old =
		record_find_next(examiner->old, entry->target, entry->name, &examiner->old_cursor);
	unsigned mode;
	switch (entry->type) {
	case MANIFEST_DIRECTORY:
		mode = entry->mode | (examiner->is_opened && maker_is_restricted(entry->mode) ? 0700 : 0);
		if (S_ISDIR(st->st_mode) && (st->st_mode & 07777) == mode && has_owner(entry, old, st))
			*out = VERDICT_RIGHT;
		return 0;
	case MANIFEST_FILE:
		return examine_file(examiner, entry, record, old, st, out);
	case MANIFEST_DATA:
		return examine_data(examiner, entry, record, old, st, out);
	case MANIFEST_LINK:
		*out = examine_link(examiner, entry, old, st);
		return 0;
	case MANIFEST_DEVICE:
		*out = examine_device(entry, record, old, st);
		return 0;
	}
	return 0;
}

int examine(struct examiner *examiner, const struct manifest_entry *entry, struct record_entry *record,
	    enum verdict *out)
{
	struct stat st;
	bool is_directory = entry->type == MANIFEST_DIRECTORY;
	*out = VERDICT_WRONG;
	int r = inside_stat(&examiner->tree, entry->target, entry->name, &st);
	/* ENOTDIR, ELOOP: something of ours is on the way, which becomes a directory. */
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
		return examine_missing(examiner, entry, record, out);
	if (r == -EXDEV)
		return error_fail(VISO_STAGE_ROOT, EEXIST, entry->target,
				  "something is mounted on the way to %s; unmount it", entry->target);
	if (r < 0)
		return fail_path(-r, "examine", entry->target);
	bool is_ours = !entry->target[1] ||
		       record_find_next(examiner->ours, entry->target, entry->name, &examiner->ours_cursor);
	if (!is_ours && is_directory && S_ISDIR(st.st_mode)) {
		*out = VERDICT_SHARED;
		return 0;
	}
	if (!is_ours)
		return fail_in_the_way(entry->target);
	if (!is_directory && S_ISDIR(st.st_mode)) {
		r = check_contents(examiner, entry->target);
		return r < 0 ? r : examine_missing(examiner, entry, record, out);
	}
	return examine_present(examiner, entry, record, &st, out);
}
