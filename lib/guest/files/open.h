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

/*
 * For snapshots in files: a file that has taken nothing yet, and one of a file in memory; with `checked` only where the
 * program may open it. 0 or a negative errno.
 */
int open_bare(struct program *program, enum file_kind kind, int flags, const char *path, struct mount *mount,
	      struct file **out);
int open_node(struct program *program, struct mount *mount, struct memory_node *node, const char *path, int flags,
	      bool checked, struct file **out);

#endif
