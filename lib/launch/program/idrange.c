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

static bool take(int fd, unsigned range)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "virtiso/ids/%u", range);
	return bind(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) == 0;
}

uint32_t id_range_reserve(void)
{
	unsigned pid = (unsigned)getpid();
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (unsigned i = 0; fd >= 0 && i < RANGES; i++) {
		unsigned range = FIRST_RANGE + (pid + i) % RANGES;
		if (take(fd, range))
			return range * (uint32_t)RANGE_SIZE; /* the fd stays open for the worker's life */
	}
	close_quietly(fd);
	return (FIRST_RANGE + pid % RANGES) * (uint32_t)RANGE_SIZE;
}

bool id_range_take(uint32_t first)
{
	enum { TRIES = 200 };
	unsigned range = first / RANGE_SIZE;
	if (first % RANGE_SIZE || range < FIRST_RANGE || range >= FIRST_RANGE + RANGES)
		return false;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* The worker that had it may be about to end. */
	for (int i = 0; fd >= 0 && i < TRIES; i++) {
		if (take(fd, range))
			return true;
		usleep(10000);
	}
	close_quietly(fd);
	return false;
}
