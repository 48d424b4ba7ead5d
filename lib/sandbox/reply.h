/* SPDX-License-Identifier: MIT */
/* What the launcher side writes to a pipe of ours when it is asked. */
#ifndef SANDBOX_REPLY_H
#define SANDBOX_REPLY_H

#include <stddef.h>

enum { REPLY_PATIENCE_MS = 10000 };

/* -EAGAIN, with the error set. */
int reply_fail_silent(void);

/*
 * 1 with all of it; 0 where the writer has closed its end before. -EAGAIN, with the error set, where nothing comes for
 * so long: somebody has stopped the writer, or a fork of the host has its end, too.
 */
int reply_read(int pipe, void *data, size_t size);

#endif
