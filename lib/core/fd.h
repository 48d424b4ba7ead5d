/* SPDX-License-Identifier: MIT */
/*
 * The places of the standard streams. A host program may run without them; then what the library opens can come to lie
 * there, and must neither be taken for a stream of the host nor be written to by its printf().
 */
#ifndef CORE_FD_H
#define CORE_FD_H

#include <fcntl.h>
#include <stdbool.h>

#include "core/cleanup.h"

/* Whether the host program has this stream for others: everything that the library opens is close-on-exec. */
static inline bool fd_is_inheritable(int fd)
{
	int flags = fcntl(fd, F_GETFD);
	return flags >= 0 && !(flags & FD_CLOEXEC);
}

/* The fd, moved out of those places; for one that stays open for long. -1 with errno where there is no other place. */
static inline int fd_above_streams(int fd)
{
	if (fd < 0 || fd > 2)
		return fd;
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close_fd(fd);
	return moved;
}

#endif
