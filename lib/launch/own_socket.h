/* SPDX-License-Identifier: MIT */
/* A socket of ours, and how to know it again: a host that closes all fds may have put one of its own in that place. */
#ifndef LAUNCH_OWN_SOCKET_H
#define LAUNCH_OWN_SOCKET_H

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "core/cleanup.h"

struct own_socket {
	int fd;
	ino_t inode;
};

static inline struct own_socket own_socket(int fd)
{
	struct stat st;
	return (struct own_socket){.fd = fd, .inode = fstat(fd, &st) == 0 ? st.st_ino : 0};
}

static inline bool own_socket_is_ours(const struct own_socket *own)
{
	struct stat st;
	if (fstat(own->fd, &st) < 0)
		return own->fd >= 0 && errno != EBADF;
	return S_ISSOCK(st.st_mode) && (!own->inode || st.st_ino == own->inode);
}

static inline void own_socket_close(struct own_socket *own)
{
	if (own_socket_is_ours(own))
		close_fd(own->fd);
	own->fd = -1;
}

#endif
