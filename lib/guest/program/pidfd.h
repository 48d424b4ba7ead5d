/* SPDX-License-Identifier: MIT */
#ifndef GUEST_PROGRAM_PIDFD_H
#define GUEST_PROGRAM_PIDFD_H

struct program;

/* The process of a pidfd, which may have ended. 0; -EBADF where it is none, -ESRCH where it was waited for. */
int pidfd_find(struct program *program, int fd, struct program **out);

#endif
