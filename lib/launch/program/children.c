/* SPDX-License-Identifier: MIT */
/* The children of this process, among them those that came to it as a subreaper. */
#include <fcntl.h>
#include <stdlib.h>

#include "launcher.h"

void kill_children(bool (*spared)(pid_t))
{
	/* The kernel gives whole lines of a page at most; children that are not reaped keep their place from read to
	 * read. */
	char text[8192];
	ssize_t n;
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, text, sizeof(text) - 1)) > 0) {
		text[n] = '\0';
		for (char *next = text; *next;) {
			pid_t pid = (pid_t)strtol(next, &next, 10);
			/* A number that is not followed by a space was cut: it is not a pid. */
			if (pid <= 0 || *next++ != ' ')
				break;
			if (!spared || !spared(pid))
				kill(pid, SIGKILL);
		}
	}
	close_quietly(fd);
}
