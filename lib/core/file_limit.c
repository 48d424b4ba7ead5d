/* SPDX-License-Identifier: MIT */
#include "core/file_limit.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static int is_pending(void)
{
	sigset_t pending;
	return sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ) == 1;
}

void file_limit_begin(struct file_limit_guard *guard)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &set, &guard->old_mask);
	guard->was_pending = is_pending();
}

void file_limit_end(struct file_limit_guard *guard)
{
	const struct timespec at_once = {0};
	int saved = errno;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGXFSZ);
	if (!guard->was_pending && is_pending())
		while (sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &guard->old_mask, NULL);
	errno = saved;
}
