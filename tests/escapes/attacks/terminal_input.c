/* SPDX-License-Identifier: MIT */
/* A command line for the host's shell, pushed into the terminal: by TIOCSTI, also with a request number that a filter
 * on 64 bits misses; or by the virtual console's way of pasting. argv[2] says which. */
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "attack.h"

enum { TIOCL_GETSHIFTSTATE_CODE = 6 };

int main(int argc, char **argv)
{
	unsigned long high = !strcmp(argv[2], "high") ? 1ul << 32 : 0;
	char byte = '\n', code = TIOCL_GETSHIFTSTATE_CODE;
	if (!isatty(0))
		return BROKEN;
	/* As good as the code that pastes: what is asked here changes nothing. */
	if (!strncmp(argv[2], "console", 7))
		return syscall(SYS_ioctl, 0, TIOCLINUX | (argv[2][7] ? 1ul << 32 : 0), &code) >= 0
			       ? GOT_OUT
			       : refused("TIOCLINUX");
	if (syscall(SYS_ioctl, 0, TIOCSTI | high, &byte) == 0)
		return GOT_OUT;
	if (errno == EIO)
		return UNABLE;
	return refused("TIOCSTI");
}
