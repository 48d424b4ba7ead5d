/* SPDX-License-Identifier: MIT */
/* Paths of the guest: always resolved by the kernel beneath the root, without magic links. */
#ifndef GUEST_PROGRAM_PATH_H
#define GUEST_PROGRAM_PATH_H

#include <limits.h>
#include <sys/stat.h>

#include "guest/program/program.h"

struct resolved {
	int fd;         /* O_PATH, owned; -1 for a device */
	bool is_device; /* one that we serve ourselves: null, zero, full, random */
	enum file_kind device;
	struct stat st;
};

/*
 * The absolute path of `path`, relative to the guest's fd `directory` or AT_FDCWD. `out` has PATH_MAX bytes. 0, or
 * -EBADF, -ENOTDIR, -ENAMETOOLONG.
 */
int path_join(struct program *program, int directory, const char *path, char *out);

/* Finds what is at an absolute path. 0 or a negative errno. To be given to resolved_release(). */
int path_resolve(struct program *program, const char *path, bool follow, struct resolved *out);
void resolved_release(struct resolved *resolved);

/*
 * Whether the program may do this (R_OK, W_OK, X_OK) with what was found: 0, -EACCES or -EROFS. A host program that is
 * root can read anything, so the file's rights for others decide; else the kernel decides for the host's user.
 */
int path_permission(const struct resolved *resolved, int wanted);

/* A readable file for what was found, of kind FILE_REGULAR or FILE_DIRECTORY. 0 or a negative errno. */
int path_open(struct program *program, const char *path, const struct resolved *resolved, int flags,
	      struct file **out_file);

#endif
