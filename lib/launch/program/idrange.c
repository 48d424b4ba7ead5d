/* SPDX-License-Identifier: MIT */
/*
 * A range of host ids for each worker, so that what runs in one jail or container shares its uid with nothing else.
 *
 * The worker's pid chooses it: there are as many ranges as a machine has pids by default (pid_max, proc(5)). Where
 * there are more pids, binding an abstract socket whose name has the number of the range finds out whether another
 * worker has it; the kernel frees it when the worker ends, however it ends. Somebody who takes all names gains nothing:
 * then the pid alone decides.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "launcher.h"

enum { RANGE_SIZE = 65536, FIRST_RANGE = 0x7000, RANGES = 0x8000 };

uint32_t id_range_reserve(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	unsigned pid = (unsigned)getpid();
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (unsigned i = 0; fd >= 0 && i < RANGES; i++) {
		unsigned range = FIRST_RANGE + (pid + i) % RANGES;
		int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "virtiso/ids/%u", range);
		if (bind(fd, (struct sockaddr *)&address,
			 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) == 0)
			return range * (uint32_t)RANGE_SIZE; /* the fd stays open for the worker's life */
	}
	close_quietly(fd);
	return (FIRST_RANGE + pid % RANGES) * (uint32_t)RANGE_SIZE;
}
