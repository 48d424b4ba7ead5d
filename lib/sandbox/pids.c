/* SPDX-License-Identifier: MIT */
#include "sandbox/pids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "sandbox/reply.h"

int pids_collect(struct pids *pids, int (*ask)(void *data, int pipe), void *data)
{
	int ends[2];
	int32_t count, pid;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_fail(VISO_STAGE_PROCESS, errno, "pipe2", NULL);
	_cleanup_close_ int from = ends[0];
	int r = ask(data, ends[1]);
	close_fd(ends[1]);
	/* Whoever ended before it answered has no processes any more. */
	if (r == 0)
		r = reply_read(from, &count, sizeof(count));
	if (r <= 0)
		return r;
	pids->count += (size_t)count;
	/* No further than to the last one: a fork of the host may keep the end away. */
	for (; r > 0 && count > 0; count--) {
		r = reply_read(from, &pid, sizeof(pid));
		if (r > 0 && pids->shown < pids->max)
			pids->out[pids->shown++] = pid;
	}
	return r < 0 ? r : 0;
}
