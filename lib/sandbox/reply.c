/* SPDX-License-Identifier: MIT */
#include "sandbox/reply.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "core/error.h"

int reply_fail_silent(void)
{
	return error_fail(VISO_STAGE_PROCESS, EAGAIN, "launcher",
			  "the launcher does not answer; is one of its processes stopped?");
}

int reply_read(int pipe, void *data, size_t size)
{
	struct pollfd poll_fd = {.fd = pipe, .events = POLLIN};
	for (size_t done = 0; done < size;) {
		int ready = poll(&poll_fd, 1, REPLY_PATIENCE_MS);
		if (ready == 0)
			return reply_fail_silent();
		ssize_t n = ready < 0 ? -1 : read(pipe, (char *)data + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		done += (size_t)n;
	}
	return 1;
}
