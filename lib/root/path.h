/* SPDX-License-Identifier: MIT */
/* Paths as strings, and the walk along a path of the source that puts what lies on it into a manifest. */
#ifndef ROOT_PATH_H
#define ROOT_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct manifest;

/* The components of a path, one after the other, with room to put the text of a link in front of what is left. */
struct path_walk {
	char buffer[PATH_MAX];
	size_t at;             /* where in the buffer the rest begins */
	const char *component; /* the current one; not terminated; valid until the next call */
	size_t length;
};

/* 0 or -ENAMETOOLONG, without setting the error. */
int path_walk_begin(struct path_walk *walk, const char *path);
int path_walk_insert(struct path_walk *walk, const char *text);

/* False at the end. Empty components and `.` are left out. */
bool path_walk_next(struct path_walk *walk);

/* Whether no component follows the current one. */
bool path_walk_is_last(const struct path_walk *walk);
bool path_walk_is_dot_dot(const struct path_walk *walk);

/* `path` has PATH_MAX bytes; "" is the root directory. 0 or -ENAMETOOLONG, without setting the error. */
int path_push(char *path, const char *component, size_t length);
void path_pop(char *path);

/*
 * A clean copy of an absolute path, without `.`, repeated or last slashes; `out` has PATH_MAX bytes. 0, or -EINVAL for
 * a path that is not absolute or has a `..`, -ENAMETOOLONG; the error is not set.
 */
int path_clean(const char *path, char *out);

/* Where a walk ended. */
struct path_end {
	char host[PATH_MAX];   /* the path in the source, without links */
	char target[PATH_MAX]; /* its place in the root, without links */
};

/*
 * Walks along an absolute path of the manifest's source and puts what lies on the way into the manifest: directories,
 * and symbolic links as links. What the walk ends at is not added. Where the root has something else on the way (a
 * directory where the source has a link), the two paths part. 0, or a negative errno with the error set.
 */
int path_take(struct manifest *manifest, const char *path, struct path_end *out_end);

#endif
