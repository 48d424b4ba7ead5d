/* SPDX-License-Identifier: MIT */
/* Control messages of sockets (cmsg(3)): files that travel between sockets of one socketpair(2). */
#ifndef GUEST_PROGRAM_SOCKETS_ANCILLARY_H
#define GUEST_PROGRAM_SOCKETS_ANCILLARY_H

#include <sys/socket.h>

#include "guest/program/sockets/socket.h"

/*
 * The files that a program sends, of the control messages of `header`; NULL where there are none. 0, -EFAULT, -ENOBUFS,
 * -EBADF, -EINVAL for another kind of message or a socket that nothing can be sent along, -ETOOMANYREFS, -ENOMEM.
 */
int ancillary_read(struct program *program, const struct socket *socket, const struct msghdr *header,
		   struct channel_files **out);

/*
 * Gives the program what came along, which is taken over (may be NULL): fds for the files, and a control message into
 * the buffer of `header`, whose msg_controllen and msg_flags are set.
 */
void ancillary_write(struct program *program, struct msghdr *header, struct channel_files *files, bool close_on_exec);

#endif
