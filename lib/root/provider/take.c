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

/* Most links lead to what the same tree has, and that can be told without a look at the source. */
static bool is_satisfied(const struct manifest *manifest, const char *link)
{
	char target[PATH_MAX];
	if (manifest_follow(manifest, link, true, target) < 0)
		return true;
	return manifest_find(manifest, target);
}

/* The links that were added below `end` can lead out of it. What leads nowhere here leads nowhere there. */
static int follow_links(struct closure *closure, size_t from, const struct path_end *end)
{
	const struct manifest *manifest = closure->manifest;
	size_t length = strlen(end->target);
	for (size_t i = from; i < manifest->count; i++) {
		const struct manifest_entry *entry = manifest->entries[i];
		char path[PATH_MAX];
		if (entry->type != MANIFEST_LINK || strncmp(entry->target, end->target, length) != 0 ||
		    entry->target[length] != '/' || is_satisfied(manifest, entry->target) ||
		    snprintf(path, sizeof(path), "%s%s", end->host, entry->target + length) >= (int)sizeof(path))
			continue;
		int r = take_file(closure, path);
		if (r < 0)
			return r;
	}
	return 0;
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
