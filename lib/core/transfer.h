/* SPDX-License-Identifier: MIT */
/* All of it, where read(2), write(2) and their kind may do a part or be interrupted. */
#ifndef CORE_TRANSFER_H
#define CORE_TRANSFER_H

#include <stddef.h>
#include <sys/types.h>

/* Up to `size` bytes, fewer only where the file ends (of /proc each read(2) gives what it likes). Or a negative errno.
 */
ssize_t read_whole(int fd, void *data, size_t size);
ssize_t read_whole_at(int fd, void *data, size_t size, off_t offset);

/* 0 or a negative errno. */
int write_whole(int fd, const void *data, size_t size);
int write_whole_at(int fd, const void *data, size_t size, off_t offset);

#endif
