/* SPDX-License-Identifier: MIT */
/* Opening files where nobody can lead us elsewhere: no symbolic link and no magic link is followed. */
#ifndef CORE_BENEATH_H
#define CORE_BENEATH_H

struct stat;

/*
 * Opens `path`, beneath the directory `dir`, on the same mount with `one_mount` (a bind mount counts as another one). A
 * fd or a negative errno: -ELOOP a symbolic link is on the way, -EXDEV the path leads out of the directory or the
 * mount.
 */
int open_beneath(int dir, const char *path, int flags, int one_mount);

/*
 * Opens `path` as if `dir` were the root directory, as after chroot(2): links and `..` are followed within it, except
 * for magic links, or no link at all with `without_links`. O_NOFOLLOW is the caller's. A fd or a negative errno.
 */
int open_in_root(int dir, const char *path, int flags, int without_links);

/* Opens an absolute path without links on the way. A fd or a negative errno. */
int open_without_links(const char *path, int flags);

/*
 * Opens a regular file for reading by an absolute path without links on the way. A fd or a negative errno; -EINVAL
 * where it is something else, of which nothing was read.
 */
int open_regular(const char *path, struct stat *out_stat);

#endif
