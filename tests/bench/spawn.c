/* SPDX-License-Identifier: MIT */
/*
 * bench-spawn N COMMAND [ARGUMENT]...: the time from vfork(2) to the reaped end of COMMAND, N times. The cheapest way
 * to start a peer, so that only the peer is measured. What COMMAND prints is dropped.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

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

	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	for (int i = 0; i < count; i++) {
		int status;
		int64_t begin = bench_now();
		pid_t pid = vfork();
		if (pid == 0) {
			dup2(null, 1);
			execv(argv[2], argv + 2);
			_exit(127);
		}
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
