/* SPDX-License-Identifier: MIT */
/* A signal that a file sends when there is something to read (F_SETOWN): to the process argv[2] outside, which it ends.
 */
#include <signal.h>
#include <sys/socket.h>

#include "attack.h"

int main(int argc, char **argv)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || fcntl(ends[0], F_SETOWN, atoi(argv[2])) < 0)
		return refused("F_SETOWN");
	if (fcntl(ends[0], F_SETSIG, SIGTERM) < 0 || fcntl(ends[0], F_SETFL, O_ASYNC) < 0)
		return refused("F_SETSIG");
	if (write(ends[1], "x", 1) != 1)
		return BROKEN;
	/* Whether it arrived is seen outside. */
	return GOT_OUT;
}
