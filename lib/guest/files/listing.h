/* SPDX-License-Identifier: MIT */
/* The names in a directory, of all layers. */
#ifndef GUEST_FILES_LISTING_H
#define GUEST_FILES_LISTING_H

#include "guest/files/view.h"
#include "guest/program/file.h"

/* For getdents64(2). */
int64_t directory_read(struct program *program, struct file *file, uint64_t address, size_t size);

/* Whether a directory has no names: 0, -ENOTEMPTY or another negative errno. */
int directory_check_empty(struct program *program, struct spot *directory);

#endif
