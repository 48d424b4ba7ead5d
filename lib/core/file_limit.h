/* SPDX-License-Identifier: MIT */
/*
 * A host with RLIMIT_FSIZE gets SIGXFSZ for a write beyond it, which would end it. Between these calls the signal is
 * held back and the write fails with EFBIG alone (setrlimit(2)).
 */
#ifndef CORE_FILE_LIMIT_H
#define CORE_FILE_LIMIT_H

#include <signal.h>

/* Of this thread. */
struct file_limit_guard {
	sigset_t old_mask;
	int was_pending;
};

void file_limit_begin(struct file_limit_guard *guard);

/* Takes the signal back where it came meanwhile, and restores the mask; errno is kept. */
void file_limit_end(struct file_limit_guard *guard);

#endif
