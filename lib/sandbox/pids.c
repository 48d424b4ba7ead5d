/* SPDX-License-Identifier: MIT */
#include "sandbox/pids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"

/* False at the end. */
static bool read_number(int pipe, int32_t *out)
{
	size_t done = 0;
	while (done < sizeof(*out)) {
		ssize_t n = read(pipe, (char *)out + done, sizeof(*out) - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

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
	if (r < 0 || !read_number(from, &count))
		return r;
	pids->count += (size_t)count;
	while (read_number(from, &pid))
		if (pids->shown < pids->max)
			pids->out[pids->shown++] = pid;
	return 0;
}
