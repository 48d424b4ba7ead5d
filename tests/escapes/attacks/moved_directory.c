/* SPDX-License-Identifier: MIT */
/* Its working directory is moved out of the root by an accomplice, who is told by a byte through standard input. */
#include <sys/stat.h>

#include "attack.h"

static int ask(void)
{
	char byte = 'x';
	return write(0, &byte, 1) == 1 && read(0, &byte, 1) == 1;
}

int main(int argc, char **argv)
{
	if (chdir("/work/room") < 0 || !ask())
		return BROKEN;
	int out = is_secret(open("../secret", O_RDONLY)) || reaches_secret(AT_FDCWD, argv[1]);
	int error = errno;
	if (!ask()) /* moved back */
		return BROKEN;
	errno = error;
	return out ? GOT_OUT : refused("open");
}
