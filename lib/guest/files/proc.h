/* SPDX-License-Identifier: MIT */
/* /proc of the guest: what programs look up there, made up anew each time. Nothing of it is the host's. */
#ifndef GUEST_FILES_PROC_H
#define GUEST_FILES_PROC_H

#include "guest/files/view.h"
#include "guest/program/file.h"

int proc_root(struct spot *out);
int proc_look(struct spot *directory, const char *name, struct spot *out);
ssize_t proc_read_link(struct program *program, const struct spot *spot, char *out, size_t size);
int proc_list(struct program *program, const struct spot *directory, layer_entry_fn *entry, void *data);

/* A file with the text of now. 0 or a negative errno. */
int proc_open(struct program *program, const struct spot *spot, int flags, struct file **out_file);

/* Of such a file that is counted as open: how long its text is. 0, or -ENOMEM where too much of them is open. */
int proc_set_size(struct file *file, size_t size);

/* /proc/PID/fd/NUMBER. */
bool proc_is_fd(const struct spot *spot);
bool proc_is_directory_fd(struct program *program, const struct spot *spot);

#endif
