/* SPDX-License-Identifier: MIT */
/* Opening what a path leads to. */
#ifndef GUEST_FILES_OPEN_H
#define GUEST_FILES_OPEN_H

#include "guest/files/view.h"
#include "guest/program/file.h"

/* As openat(2): a new file. 0 or a negative errno. */
int open_at(struct program *program, int directory, const char *path, int flags, mode_t mode, struct file **out_file);

/* Opens what was found. `flags` without O_CREAT and O_EXCL. 0 or a negative errno. */
int open_spot(struct program *program, struct spot *spot, int flags, struct file **out_file);

/* As memfd_create(2). NULL without memory. */
struct file *open_memory(struct program *program, const char *name, int *error);

/*
 * For clones of snapshots: the same file with the same position for another guest, which sees the same files. NULL
 * with `*error`: -EOPNOTSUPP where it cannot be, else as of openat(2).
 */
struct file *open_copy_of(struct file *file, struct program *program, int *error);

#endif
