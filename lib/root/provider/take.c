/* SPDX-License-Identifier: MIT */
#include "root/provider/take.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/strings.h"
#include "root/path.h"
#include "root/source.h"

int take_file(struct closure *closure, const char *path)
{
	return source_has_file(closure->manifest->source, path) ? closure_take_file(closure, path) : 0;
}

int take_links(struct closure *closure, const char *path)
{
	struct path_end end;
	return source_has_directory(closure->manifest->source, path) ? path_take(closure->manifest, path, &end) : 0;
}

/*
 * A certificate is a link out of its tree, and there are hundreds: where the directory that it leads to is the same as
 * on the host, one look tells all. 1 added, 0 that cannot be told so, or a negative errno with the error set.
 */
static int take_beside_others(struct manifest *manifest, const char *path)
{
	char parent[PATH_MAX];
	struct stat st;
	strcpy(parent, path);
	path_pop(parent);
	const struct manifest_entry *entry = manifest_find(manifest, parent);
	if (!entry || entry->type != MANIFEST_DIRECTORY || !entry->on_host ||
	    source_lstat(manifest->source, path, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	int r = manifest_add_file(manifest, path, path, MANIFEST_KEEP);
	return r < 0 ? r : 1;
}

/* `entry` is a link, which is `link` on the host. 0 or a negative errno with the error set. */
static int follow_link(struct closure *closure, const struct manifest_entry *entry, const char *link)
{
	struct manifest *manifest = closure->manifest;
	char target[PATH_MAX];
	/* Most lead to what the same tree has, and that can be told without a look at the source. */
	if (manifest_follow(manifest, entry->target, true, target) < 0 || manifest_find(manifest, target))
		return 0;
	int r = strcmp(entry->target, link) ? 0 : take_beside_others(manifest, target);
	return r ? r : take_file(closure, link);
}

/* The links that were added below `end` can lead out of it. What leads nowhere here leads nowhere there. */
static int follow_links(struct closure *closure, size_t from, const struct path_end *end)
{
	const struct manifest *manifest = closure->manifest;
	size_t length = strlen(end->target);
	int r = 0;
	for (size_t i = from; r >= 0 && i < manifest->count; i++) {
		const struct manifest_entry *entry = manifest->entries[i];
		char path[PATH_MAX];
		if (entry->type == MANIFEST_LINK && !strncmp(entry->target, end->target, length) &&
		    entry->target[length] == '/' &&
		    snprintf(path, sizeof(path), "%s%s", end->host, entry->target + length) < (int)sizeof(path))
			r = follow_link(closure, entry, path);
	}
	return r < 0 ? r : 0;
}

int take_tree(struct closure *closure, const char *path, tree_filter leave_out)
{
	struct path_end end;
	if (!source_has_directory(closure->manifest->source, path))
		return 0;
	int r = path_take(closure->manifest, path, &end);
	size_t from = closure->manifest->count;
	if (r >= 0)
		r = tree_add(closure->manifest, end.host, end.target, leave_out, MANIFEST_KEEP);
	return r < 0 ? r : follow_links(closure, from, &end);
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

static int list_names(const struct source *source, const char *directory, const char *suffix, struct strings *names)
{
	_cleanup_close_ int fd = source_open_directory(source, directory);
	if (fd < 0)
		return 0;
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	if (!dir)
		return error_memory();
	TAKE_FD(fd);
	for (struct dirent *entry; (entry = readdir(dir));) {
		size_t length = strlen(entry->d_name), end = strlen(suffix);
		if (entry->d_name[0] != '.' && length >= end && !strcmp(entry->d_name + length - end, suffix) &&
		    strings_add(names, entry->d_name) < 0)
			return error_memory();
	}
	if (names->count)
		qsort(names->items, names->count, sizeof(*names->items), compare_names);
	return 0;
}

int take_each(struct closure *closure, const char *directory, const char *suffix, take_fn fn)
{
	const struct source *source = closure->manifest->source;
	struct strings names = {0};
	char path[PATH_MAX];
	int r = list_names(source, directory, suffix, &names);
	for (size_t i = 0; r >= 0 && i < names.count; i++)
		if (snprintf(path, sizeof(path), "%s/%s", directory, names.items[i]) < (int)sizeof(path) &&
		    source_has_file(source, path))
			r = fn(closure, path);
	strings_clear(&names);
	return r;
}

bool take_beside(const struct object *library, const char *name, char *out)
{
	return snprintf(out, PATH_MAX, "%.*s/%s", (int)library->origin_length, library->path, name) < PATH_MAX;
}
