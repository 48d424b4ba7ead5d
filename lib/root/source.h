/* SPDX-License-Identifier: MIT */
/*
 * The tree from which everything is taken: the host's own root, or another one that viso_root_set_source() names. All
 * paths are absolute within it, and links are followed within it: a tree that somebody else changes while we look leads
 * nowhere outside of it. What collects for a root looks at files through these
 * functions only.
 */
#ifndef ROOT_SOURCE_H
#define ROOT_SOURCE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct source {
	int fd;     /* of its root directory; -1 for the host's own root */
	char *path; /* on the host; NULL for the host's own root */
};

void source_init(struct source *source);
void source_clear(struct source *source);

/* In a forked child: frees the memory only. The fd's number may be somebody else's there. */
void source_forget(struct source *source);

/*
 * Names another tree; "/" is the host's own root. 0, or a negative errno with the error set and the source as it was.
 */
int source_set(struct source *source, const char *path);

/* As open(2), with O_CLOEXEC and O_NOCTTY. A fd or a negative errno, without setting the error. */
int source_open(const struct source *source, const char *path, int flags);

/* As stat(2) and lstat(2). 0 or a negative errno, without setting the error. */
int source_stat(const struct source *source, const char *path, struct stat *st);
int source_lstat(const struct source *source, const char *path, struct stat *st);

/* Whether a regular file, or a directory, is there; links are followed. */
bool source_has_file(const struct source *source, const char *path);
bool source_has_directory(const struct source *source, const char *path);

/* Reads a link into `text` of PATH_MAX bytes, terminated. Its length or a negative errno, without setting the error. */
ssize_t source_readlink(const struct source *source, const char *path, char *text);

/* The path without links, into `out` of PATH_MAX bytes. 0 or a negative errno, without setting the error. */
int source_realpath(const struct source *source, const char *path, char *out);

/* As source_open(), for a path that has no links on the way: -ELOOP where it has one now. */
int source_open_without_links(const struct source *source, const char *path, int flags);

/*
 * Opens a regular file for reading by a path without links on the way. A fd or a negative errno; -EINVAL where it is
 * something else, of which nothing was read.
 */
int source_open_regular(const struct source *source, const char *path, struct stat *out_stat);

/* The same where links are followed. */
int source_open_file(const struct source *source, const char *path, struct stat *out_stat);

/* The directory's fd for reading its entries; a fd or a negative errno, without setting the error. */
int source_open_directory(const struct source *source, const char *path);

/*
 * The contents of a small text file, terminated, to be freed; NULL where there is no regular file that can be read, or
 * it is larger than `max` bytes, or without memory.
 */
char *source_read(const struct source *source, const char *path, size_t max);

/* The same, with its size. */
char *source_read_sized(const struct source *source, const char *path, size_t max, size_t *out_size);

#endif
