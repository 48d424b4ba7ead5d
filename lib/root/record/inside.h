/* SPDX-License-Identifier: MIT */
/*
 * Reaching the entries of a tree one directory after the other: each is opened once, without following a link, and what
 * lies in it is reached by its name.
 */
#ifndef ROOT_INSIDE_H
#define ROOT_INSIDE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct directory_cache {
	int base;       /* the root of the tree; -1 for the host's own root */
	bool one_mount; /* other mounts are not entered */
	int fd;         /* the directory that was entered last, else -1 */
	size_t length;  /* of its path */
	char path[PATH_MAX];
};

/*
 * Enters the directory of `path`, which is absolute and clean; `name` is where its last component begins. 0, or a
 * negative errno without setting the error: -ELOOP, -ENOTDIR something else is on the way, -EXDEV another mount.
 */
int inside_enter(struct directory_cache *cache, const char *path, unsigned name);

/* The name of an entry for the fd: its last component, or "." for the root. */
const char *inside_name(const char *path, unsigned name);

/* As lstat(2). 0 or a negative errno, without setting the error. */
int inside_stat(struct directory_cache *cache, const char *path, unsigned name, struct stat *st);

/*
 * Opens a regular file for reading. A fd or a negative errno; -EINVAL where it is something else, which was not opened:
 * to open a device may do something, and a FIFO may have a reader that waits.
 */
int inside_open_file(int directory, const char *name, struct stat *st);

/* Directories may have changed. */
void inside_forget(struct directory_cache *cache);
void inside_clear(struct directory_cache *cache);

#endif
