/* SPDX-License-Identifier: MIT */
/*
 * The tree from which everything is taken: the host's own root, or another one that viso_root_set_source() names. All
 * paths are absolute within it, and links are followed within it. What collects for a root looks at files through these
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

/* The directory's fd for reading its entries; a fd or a negative errno, without setting the error. */
int source_open_directory(const struct source *source, const char *path);

/*
 * The contents of a small text file, terminated, to be freed; NULL where there is no regular file that can be read, or
 * it is larger than `max` bytes, or without memory.
 */
char *source_read(const struct source *source, const char *path, size_t max);

#endif
