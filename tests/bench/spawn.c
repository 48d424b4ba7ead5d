/* SPDX-License-Identifier: MIT */
/*
 * bench-spawn N COMMAND [ARGUMENT]...: the time from vfork(2) to the reaped end of COMMAND, N times. The cheapest way
 * to start a peer, so that only the peer is measured. What COMMAND prints is dropped. Where the environment has
 * FLOOR_FILTER, it gets that file at FILTER_FD, since bwrap takes its seccomp filter so.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { FILTER_FD = 9 };

static void start(int streams, const char *filter, char **command)
{
	int fd = filter ? open(filter, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0)
		dup2(fd, FILTER_FD);
	dup2(streams, 0);
	dup2(streams, 1);
	execv(command[0], command);
	_exit(127);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: bench-spawn N COMMAND [ARGUMENT]...\n", stderr);
		return 2;
	}
	int count = bench_count(argv[1]);
	int64_t *ns = calloc((size_t)count, sizeof(*ns));
	if (!ns)
		return 1;

	const char *filter = getenv("FLOOR_FILTER");
	/* Not the null device: crun gives the files that it finds there to the container's user. */
	int streams = memfd_create("streams", MFD_CLOEXEC);
	if (streams < 0)
		return 1;
	for (int i = 0; i < count; i++) {
		int status;
		int64_t begin = bench_now();
		pid_t pid = vfork();
		if (pid == 0)
			start(streams, filter, argv + 2);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
			fprintf(stderr, "bench-spawn: %s failed\n", argv[2]);
			return 1;
		}
		ns[i] = bench_now() - begin;
	}
	bench_print(ns, count);
	free(ns);
	return 0;
}
