/* SPDX-License-Identifier: MIT */
#ifndef GUEST_PROGRAM_PIPE_H
#define GUEST_PROGRAM_PIPE_H

#include <stdint.h>

struct file;

/* fcntl(2) F_GETPIPE_SZ and F_SETPIPE_SZ: the size, or a negative errno. */
int64_t pipe_size(struct file *file);
int64_t pipe_set_size(struct file *file, uint64_t size);

#endif
