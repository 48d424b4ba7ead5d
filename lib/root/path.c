/* SPDX-License-Identifier: MIT */
#include "root/path.h"

#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "root/failure.h"
#include "root/manifest.h"
#include "root/source.h"

/* As many as the kernel follows, see path_resolution(7). */
enum { LINKS_MAX = 40 };

int path_walk_begin(struct path_walk *walk, const char *path)
{
	walk->at = sizeof(walk->buffer) - 1;
	walk->buffer[walk->at] = '\0';
	return path_walk_insert(walk, path);
}

int path_walk_insert(struct path_walk *walk, const char *text)
{
	size_t length = strlen(text);
	if (length + 1 > walk->at)
		return -ENAMETOOLONG;
	walk->buffer[--walk->at] = '/';
	walk->at -= length;
	memcpy(walk->buffer + walk->at, text, length);
	return 0;
}

bool path_walk_next(struct path_walk *walk)
{
	for (;;) {
		walk->at += strspn(walk->buffer + walk->at, "/");
		walk->component = walk->buffer + walk->at;
		walk->length = strcspn(walk->component, "/");
		walk->at += walk->length;
		if (walk->length != 1 || walk->component[0] != '.')
			return walk->length > 0;
	}
}

bool path_walk_is_last(const struct path_walk *walk)
{
	const char *rest = walk->buffer + walk->at;
	for (;;) {
		rest += strspn(rest, "/");
		if (rest[0] != '.' || (rest[1] != '/' && rest[1]))
			return !*rest;
		rest++;
	}
}

bool path_walk_is_dot_dot(const struct path_walk *walk)
{
	return walk->length == 2 && walk->component[0] == '.' && walk->component[1] == '.';
}

int path_push(char *path, const char *component, size_t length)
{
	size_t old = strlen(path);
	if (length > NAME_MAX || old + 1 + length >= PATH_MAX)
		return -ENAMETOOLONG;
	path[old] = '/';
	memcpy(path + old + 1, component, length);
	path[old + 1 + length] = '\0';
	return 0;
}

void path_pop(char *path)
{
	char *slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
}

int path_clean(const char *path, char *out)
{
	struct path_walk walk;
	if (path[0] != '/')
		return -EINVAL;
	int r = path_walk_begin(&walk, path);
	out[0] = '\0';
	while (r >= 0 && path_walk_next(&walk))
		r = path_walk_is_dot_dot(&walk) ? -EINVAL : path_push(out, walk.component, walk.length);
	if (r >= 0 && !out[0])
		strcpy(out, "/");
	return r;
}

/* "" to "/". */
static const char *shown(const char *path)
{
	return path[0] ? path : "/";
}

/* The root has something else where the host has a link: each path goes on from what it has. */
static int part(struct manifest *manifest, struct path_end *end)
{
	char host[PATH_MAX];
	int r = source_realpath(manifest->source, end->host, host);
	if (r < 0)
		return fail_path(-r, "follow", end->host);
	strcpy(end->host, strcmp(host, "/") ? host : "");
	return manifest_follow(manifest, end->target, true, end->target);
}

/* A link of the host, which the root has as well or shall have. */
static int follow(struct manifest *manifest, struct path_walk *walk, struct path_end *end, const char *text)
{
	bool same = !strcmp(end->host, end->target);
	int r = manifest_add_link(manifest, end->target, text, MANIFEST_REFUSE);
	if (r < 0)
		return r;
	manifest_find(manifest, end->target)->on_host = same;
	path_pop(end->host);
	path_pop(end->target);
	if (text[0] == '/')
		end->host[0] = end->target[0] = '\0';
	r = path_walk_insert(walk, text);
	return r < 0 ? fail_path(-r, "follow", shown(end->host)) : 0;
}

/* One component further that is no link on the host. */
static int enter(struct manifest *manifest, struct path_walk *walk, struct path_end *end, struct manifest_entry *entry)
{
	bool same = !strcmp(end->host, end->target);
	if (entry && entry->type == MANIFEST_LINK) {
		int r = manifest_follow(manifest, end->target, true, end->target);
		if (r < 0)
			return r;
		same = false;
	}
	if (path_walk_is_last(walk))
		return 0;
	int r = manifest_imply_directory(manifest, end->target);
	if (r >= 0 && same)
		manifest_find(manifest, end->target)->on_host = true;
	return r;
}

static int step(struct manifest *manifest, struct path_walk *walk, struct path_end *end, int *links)
{
	struct manifest_entry *entry = manifest_find(manifest, end->target);
	char text[PATH_MAX];

	/* The directories and links above were mostly seen before: that saves one system call for each. */
	if (entry && entry->on_host && !strcmp(end->host, end->target)) {
		if (entry->type == MANIFEST_DIRECTORY)
			return 0;
		strcpy(text, entry->source);
	} else {
		ssize_t length = source_readlink(manifest->source, end->host, text);
		if (length < 0)
			/* EINVAL: it is there, and is no link. */
			return length == -EINVAL ? enter(manifest, walk, end, entry)
						 : fail_path((int)-length, "find", end->host);
	}
	if (++*links > LINKS_MAX)
		return fail_path(ELOOP, "follow", end->host);
	if (entry && (entry->type != MANIFEST_LINK || strcmp(entry->source, text) != 0))
		return part(manifest, end);
	return follow(manifest, walk, end, text);
}

int path_take(struct manifest *manifest, const char *path, struct path_end *out_end)
{
	struct path_walk walk;
	int links = 0;
	int r = path_walk_begin(&walk, path);
	if (r < 0)
		return fail_path(-r, "find", path);
	out_end->host[0] = out_end->target[0] = '\0';
	while (path_walk_next(&walk)) {
		if (path_walk_is_dot_dot(&walk)) {
			/* The path with its `..` shall work in the root, too. */
			r = manifest_imply_directory(manifest, shown(out_end->target));
			path_pop(out_end->host);
			path_pop(out_end->target);
		} else {
			r = path_push(out_end->host, walk.component, walk.length);
			if (r >= 0)
				r = path_push(out_end->target, walk.component, walk.length);
			r = r < 0 ? fail_path(-r, "find", path) : step(manifest, &walk, out_end, &links);
		}
		/* The path that was asked for is the object; where on the way it failed is in the sentence. */
		if (r < 0 && strcmp(out_end->host, path) != 0)
			return error_fail(viso_error_stage(), -r, path, "%s: %s", path, viso_error_message());
		if (r < 0)
			return r;
	}
	if (!out_end->host[0])
		strcpy(out_end->host, "/");
	if (!out_end->target[0])
		strcpy(out_end->target, "/");
	return 0;
}
