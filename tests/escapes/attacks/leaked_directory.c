/* SPDX-License-Identifier: MIT */
/* A directory of the host that was left open. */
#include "attack.h"

int main(int argc, char **argv)
{
	for (int fd = 0; fd < 4096; fd++)
		if (reaches_secret(fd, argv[1]))
			return GOT_OUT;
	return refused("openat");
}
