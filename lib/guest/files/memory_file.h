/* SPDX-License-Identifier: MIT */
/* Open files in memory. */
#ifndef GUEST_FILES_MEMORY_FILE_H
#define GUEST_FILES_MEMORY_FILE_H

#include "guest/files/view.h"
#include "guest/program/file.h"

/* What the file is of, held by it from now on. */
void memory_file_set_node(struct file *file, struct memory_node *node);
struct memory_node *memory_file_node(struct file *file);

/* As fallocate(2). 0 or a negative errno. */
int memory_file_allocate(struct file *file, uint64_t offset, uint64_t size, bool punch, bool keep_size);

/* Makes room for the page at this offset, where the file has a hole. 0 or a negative errno. */
int memory_file_fill(struct file *file, uint64_t offset);

/* As fchmod(2) and its kin. 0 or a negative errno. */
int memory_file_set(struct file *file, const struct change *change);

#endif
