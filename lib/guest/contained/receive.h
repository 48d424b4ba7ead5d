/* SPDX-License-Identifier: MIT */
/* In the program that serves a guest: messages of the host's. */
#ifndef GUEST_CONTAINED_RECEIVE_H
#define GUEST_CONTAINED_RECEIVE_H

#include <stddef.h>
#include <sys/types.h>

/* One message, its size; 0 or a negative number where the host is gone. The fd that came with it, or -1, goes to
 * `out_fd`. */
ssize_t contained_receive(int socket, void *data, size_t size, int *out_fd);

#endif
