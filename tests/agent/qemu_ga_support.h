/* SPDX-License-Identifier: MIT */
/* QEMU's own guest agent as an ordinary process that may not touch the machine. */
#ifndef TEST_QEMU_GA_SUPPORT_H
#define TEST_QEMU_GA_SUPPORT_H

#include <sys/types.h>

/* A socket to one that was started; -1 where there is no such program. One at a time. */
int qemu_ga_start(pid_t *out_pid);
void qemu_ga_stop(pid_t pid);
/* Where it may make files; with it they go. */
const char *qemu_ga_directory(void);

#endif
